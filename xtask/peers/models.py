"""The PyTorch and MONAI side of `cargo xtask bench models`.

models.py CASE_JSON THREADS prepares the case and prints the versions as one JSON line. It then handles the requests on stdin, one
per line: `run` runs the case once and prints its seconds; `memory` prints the peak memory so far, in MiB.
"""
import json
import sys
import time

import monai
import torch
from torch import nn


def resnet(case):
    block, layers = {
        10: ("basic", [1, 1, 1, 1]),
        18: ("basic", [2, 2, 2, 2]),
        34: ("basic", [3, 4, 6, 3]),
        50: ("bottleneck", [3, 4, 6, 3]),
    }[case["depth"]]
    planes = [case["width"] << stage for stage in range(4)]
    return monai.networks.nets.ResNet(
        block, layers, planes, spatial_dims=3, n_input_channels=4, num_classes=1, conv1_t_size=7,
        conv1_t_stride=case["stem_stride"],
    )


class Level(nn.Sequential):
    def __init__(self, before, after):
        layers = []
        for channels in (before, after):
            layers += [nn.Conv3d(channels, after, 3, padding=1, bias=False), nn.BatchNorm3d(after), nn.ReLU(True)]
        super().__init__(*layers)


class UNet(nn.Module):
    """The U-Net of `relevox_models::UNet3d`."""

    def __init__(self, widths=(16, 32, 64, 128)):
        super().__init__()
        self.down = nn.ModuleList(Level(a, b) for a, b in zip((4, *widths), widths))
        pairs = list(zip(widths, widths[1:]))[::-1]
        self.upsample = nn.ModuleList(nn.ConvTranspose3d(b, a, 2, stride=2) for a, b in pairs)
        self.up = nn.ModuleList(Level(2 * a, a) for a, _ in pairs)
        self.last = nn.Conv3d(widths[0], 4, 1)

    def forward(self, x):
        skips = []
        for index, level in enumerate(self.down):
            x = level(nn.functional.max_pool3d(x, 2) if index else x)
            skips.append(x)
        skips.pop()
        for upsample, level in zip(self.upsample, self.up):
            x = level(torch.cat([skips.pop(), upsample(x)], 1))
        return self.last(x)


def work(case):
    channels = case["channels"][0] if case["kind"] == "conv" else 4
    x = torch.rand(case["batch"], channels, *case["size"])
    if case["kind"] == "train":
        net = resnet(case).train()
        adam = torch.optim.Adam(net.parameters(), lr=1e-3)
        labels = torch.tensor([[float(index % 2 == 0)] for index in range(case["batch"])])
        loss = nn.BCEWithLogitsLoss()

        def step():
            adam.zero_grad()
            loss(net(x), labels).backward()
            adam.step()

        return step
    if case["kind"] == "conv":
        kernel = case["kernel"]
        net = nn.Conv3d(*case["channels"], kernel, stride=case["stride"], padding=kernel // 2, bias=False)
    else:
        net = resnet(case) if case["depth"] else UNet()
    net.eval()

    def forward():
        with torch.inference_mode():
            net(x)

    return forward


def peak_mib():
    """Peak memory of this process only; getrusage includes that of the parent process."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmHWM"))


def main():
    case = json.loads(sys.argv[1])
    torch.set_num_threads(int(sys.argv[2]))
    once = work(case)
    once()
    versions = {"python": sys.version.split()[0], "torch": torch.__version__, "monai": monai.__version__}
    print(json.dumps(versions), flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            print(peak_mib(), flush=True)
            continue
        start = time.perf_counter()
        once()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()

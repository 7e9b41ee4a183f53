"""The PyTorch, ONNX Runtime and Captum side of `cargo xtask bench networks`.

networks.py CASE_JSON THREADS builds a network with seeded weights and batch norm statistics, exports it to model.onnx in the case's
folder, reads image.f32 `[c, z, y, x]` there and writes PyTorch's outputs to outputs.f32. It prints the versions as one JSON line and
then handles the requests on stdin, one per line: `torch` and `onnxruntime` print the seconds of one forward pass; `ablate K` prints
the seconds of Captum's FeatureAblation for the first K regions of labels.i32 (and one more for the rest, if any) and writes the
change of the last output by region to delta.f32.
"""
import json
import pathlib
import sys
import time
import warnings

import captum
import monai
import numpy as np
import onnxruntime
import torch
import torchvision
from captum.attr import FeatureAblation
from monai.networks import nets
from torch import nn


class Encoder(nn.Module):
    """Stages, a global mean and a linear layer."""

    def __init__(self, stages, channels):
        super().__init__()
        self.stages = stages
        self.head = nn.Linear(channels, 2)

    def forward(self, x):
        return self.head(self.stages(x).mean((2, 3, 4)))


def nnunet_encoder(channels, size):
    net = nets.DynUNet(
        3, channels, 2, [3] * 5, [1, 2, 2, 2, 2], [2, 2, 2, 2], filters=[32, 64, 128, 256, 320], norm_name="INSTANCE")
    return Encoder(nn.Sequential(net.input_block, *net.downsamples, net.bottleneck), 320)


def mednext_encoder(channels, size):
    net = nets.MedNeXtS(spatial_dims=3, in_channels=channels, out_channels=2, deep_supervision=False)
    pairs = [layer for pair in zip(net.enc_stages, net.down_blocks) for layer in pair]
    return Encoder(nn.Sequential(net.stem, *pairs, net.bottleneck), 32 * 16)


class SwinEncoder(nn.Module):
    """The encoder of MONAI's SwinUNETR, a global mean and a linear layer."""

    def __init__(self, channels, features=24):
        super().__init__()
        self.swin = nets.SwinUNETR(in_channels=channels, out_channels=2, feature_size=features).swinViT
        self.head = nn.Linear(features * 16, 2)

    def forward(self, x):
        return self.head(self.swin(x, True)[-1].mean((2, 3, 4)))


class FirstOutput(nn.Module):
    """A network of which only the first output is used."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)[0]


def vit(channels, size):
    return FirstOutput(nets.ViT(
        in_channels=channels, img_size=size, patch_size=(16,) * 3, hidden_size=384, mlp_dim=1536, num_layers=12, num_heads=6,
        classification=True, num_classes=2, post_activation=None, spatial_dims=3))


def video(name):
    def make(channels, size):
        net = getattr(torchvision.models.video, name)(weights=None, num_classes=2)
        first = net.features[0][0] if name == "s3d" else net.stem
        old = first[0]
        first[0] = nn.Conv3d(channels, old.out_channels, old.kernel_size, old.stride, old.padding, bias=False)
        if name == "s3d":
            net.avgpool = nn.AdaptiveAvgPool3d(1)
        return net
    return make


def resnet(depth):
    return lambda channels, size: getattr(nets, f"resnet{depth}")(
        spatial_dims=3, n_input_channels=channels, num_classes=2, conv1_t_stride=2)


NETWORKS = {
    "DenseNet121": lambda c, s: nets.DenseNet121(spatial_dims=3, in_channels=c, out_channels=2),
    "ResNet-18": resnet(18),
    "ResNet-50": resnet(50),
    "r3d_18": video("r3d_18"),
    "r2plus1d_18": video("r2plus1d_18"),
    "S3D": video("s3d"),
    "HighResNet": lambda c, s: nets.HighResNet(spatial_dims=3, in_channels=c, out_channels=2),
    "UNet": lambda c, s: nets.UNet(3, c, 2, (16, 32, 64, 128), (2, 2, 2), num_res_units=2, norm="BATCH"),
    "SEResNet50": lambda c, s: nets.SEResNet50(spatial_dims=3, in_channels=c, num_classes=2),
    "SEResNeXt50": lambda c, s: nets.SEResNext50(spatial_dims=3, in_channels=c, num_classes=2),
    "EfficientNet-B0": lambda c, s: nets.EfficientNetBN(
        "efficientnet-b0", spatial_dims=3, in_channels=c, num_classes=2, pretrained=False),
    "Classifier": lambda c, s: nets.Classifier((c, *s), 2, (16, 32, 64, 128), (2, 2, 2, 2)),
    "nnU-Net encoder": nnunet_encoder,
    "MedNeXt-S encoder": mednext_encoder,
    "ViT": vit,
    "Swin encoder": lambda c, s: SwinEncoder(c),
}


def build(case):
    torch.manual_seed(0)
    net = NETWORKS[case["name"]](case["channels"], case["size"])
    seeded = torch.Generator().manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.weight.data.uniform_(0.5, 1.5, generator=seeded)
            module.bias.data.normal_(0, 0.1, generator=seeded)
            module.running_mean.normal_(0, 0.1, generator=seeded)
            module.running_var.uniform_(0.5, 1.5, generator=seeded)
    return net.eval()


def main():
    warnings.filterwarnings("ignore")
    case, threads = json.loads(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    folder, size = pathlib.Path(case["folder"]), case["size"]
    image = torch.from_numpy(np.fromfile(folder / "image.f32", "<f4").reshape(1, case["channels"], *size))
    net = build(case)
    path = folder / "model.onnx"
    printed, sys.stdout = sys.stdout, sys.stderr
    if case["exporter"] == "dynamo":
        torch.onnx.export(net, (image,), path, dynamo=True, external_data=False, verbose=False)
    else:
        torch.onnx.export(net, (image,), path, dynamo=False, opset_version=17)
    sys.stdout = printed
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: image.numpy()}
    with torch.inference_mode():
        outputs = net(image)
    outputs.numpy().astype("<f4").tofile(folder / "outputs.f32")
    session.run(None, feed)
    versions = {
        "python": sys.version.split()[0], "torch": torch.__version__, "torchvision": torchvision.__version__,
        "monai": monai.__version__, "captum": captum.__version__, "onnxruntime": onnxruntime.__version__,
    }
    print(json.dumps(versions), flush=True)
    for line in sys.stdin:
        what, *count = line.split()
        start = time.perf_counter()
        with torch.inference_mode():
            if what == "torch":
                net(image)
            elif what == "onnxruntime":
                session.run(None, feed)
            else:
                labels = np.fromfile(folder / "labels.i32", "<i4").astype(np.int64).reshape(1, 1, *size)
                mask = torch.from_numpy(labels).clamp(max=int(count[0]))
                start = time.perf_counter()
                method = FeatureAblation(lambda x: net(x)[:, -1])
                change = method.attribute(image, baselines=0, feature_mask=mask)
        seconds = time.perf_counter() - start
        if what == "ablate":
            delta = np.zeros(int(mask.max()) + 1, "<f4")
            delta[mask.numpy().ravel()] = change[0, 0].numpy().ravel()
            delta.tofile(folder / "delta.f32")
        print(seconds, flush=True)


if __name__ == "__main__":
    main()

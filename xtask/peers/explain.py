"""The Captum and PyTorch side of `cargo xtask bench explain`.

explain.py CASE_JSON THREADS reads image.f32 `[c, z, y, x]` from the case's folder, and labels.i32 for each request. The
classifier is MONAI's, with seeded weights and statistics, which are written to weights.safetensors. It prints the versions as one
JSON line and then handles the requests on stdin, one per line: `ablate K` prints the seconds of Captum's FeatureAblation for the
first K regions (and one more for the rest, if any) and writes the change of the logit by region to delta.f32; `fill K` prints the
seconds of K passes of the U-Net, each on one region.
"""
import json
import pathlib
import sys
import time

import captum
import monai
import numpy as np
import torch
from captum.attr import FeatureAblation
from safetensors.torch import save_file

from models import UNet, resnet


def main():
    case = json.loads(sys.argv[1])
    torch.set_num_threads(int(sys.argv[2]))
    folder, size = pathlib.Path(case["folder"]), case["size"]
    image = torch.from_numpy(np.fromfile(folder / "image.f32", "<f4").reshape(1, -1, *size))
    torch.manual_seed(0)
    net = (resnet(case) if case["depth"] else UNet()).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    if case["depth"]:
        save_file({key: value.contiguous() for key, value in net.state_dict().items()}, folder / "weights.safetensors")
    with torch.inference_mode():
        net(image)
    versions = {
        "python": sys.version.split()[0], "torch": torch.__version__, "monai": monai.__version__,
        "captum": captum.__version__,
    }
    print(json.dumps(versions), flush=True)
    for line in sys.stdin:
        what, count = line.split()
        count = int(count)
        labels = torch.from_numpy(np.fromfile(folder / "labels.i32", "<i4").astype(np.int64).reshape(1, 1, *size))
        start = time.perf_counter()
        with torch.inference_mode():
            if what == "fill":
                for region in range(count):
                    net(torch.where(labels == region, image, 0.0))
            else:
                mask = labels.clamp(max=count)
                method = FeatureAblation(lambda x: net(x)[:, 0])
                change = method.attribute(image, baselines=0, feature_mask=mask)
        seconds = time.perf_counter() - start
        if what == "ablate":
            delta = np.zeros(int(mask.max()) + 1, "<f4")
            delta[mask.numpy().ravel()] = change[0, 0].numpy().ravel()
            delta.tofile(folder / "delta.f32")
        print(seconds, flush=True)


if __name__ == "__main__":
    main()

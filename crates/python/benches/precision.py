"""Compares attributions with those of double precision: precision.py SCAN [SIZE], with a NIfTI file of a real scan.

Ablates the regions of a DenseNet121 by Relevox, by Captum, and by PyTorch in float64.
"""

import sys

import captum.attr
import numpy as np
import torch
from monai.networks.nets import DenseNet121
from peers import crop

import relevox


def main():
    scan, size = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 96
    image = torch.from_numpy(crop(scan, size)[None, None])
    image /= image.max()
    torch.manual_seed(0)
    net = DenseNet121(spatial_dims=3, in_channels=1, out_channels=2).eval()
    labels = relevox.slic(image[0, 0].numpy(), n_segments=100, compactness=0.1, mask=image[0, 0] > 0, channel_axis=None)
    ids = np.unique(labels[labels > 0])
    mask = torch.from_numpy(labels)[None, None]

    def by_region(attributions):
        return np.array([attributions[0, 0].numpy()[labels == one][0] for one in ids], dtype=np.float64)

    ours = by_region(relevox.FeatureAblation(net).attribute(image, target=1, feature_mask=mask))
    single = by_region(captum.attr.FeatureAblation(net).attribute(image, target=1, feature_mask=mask))
    with torch.no_grad():
        output = float(net(image)[0, 1])
        net, image = net.double(), image.double()
        whole = float(net(image)[0, 1])
        changed = [float(net(image.masked_fill(mask == int(one), 0))[0, 1]) for one in ids]
    double = whole - np.array(changed)
    largest = np.abs(double).max()
    print(f"{len(ids)} regions; output {output:.6f}, largest attribution {largest:.3e}")
    print(f"spacing of float32 at the output: {np.spacing(np.float32(abs(output))) / largest:.1e} of the largest")
    for name, one, other in (
        ("Relevox and Captum", ours, single),
        ("Relevox and float64", ours, double),
        ("Captum and float64", single, double),
    ):
        difference = np.abs(one - other) / largest
        print(f"{name}: {difference.max():.1e} of the largest attribution, median {np.median(difference):.1e}")


if __name__ == "__main__":
    main()

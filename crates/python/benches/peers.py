"""Compares with scikit-image and Captum: peers.py SCAN [ROUNDS], with a NIfTI file of a real scan.

Sides alternate; each line has the medians in seconds and their ratio. Equal numbers of threads on both sides.
"""

import os
import statistics
import subprocess
import sys
import time
import warnings

import captum.attr
import nibabel
import numpy as np
import skimage.segmentation
import torch
from monai.networks.nets import DenseNet121

import relevox


def crop(scan, size):
    voxels = np.asarray(nibabel.load(scan).dataobj, dtype=np.float32)
    start = [(n - size) // 2 for n in voxels.shape]
    inside = voxels[tuple(slice(max(first, 0), max(first, 0) + size) for first in start)]
    return np.ascontiguousarray(np.pad(inside, [(0, size - n) for n in inside.shape]))


def compare(name, ours, theirs, rounds):
    times, found = ([], []), []
    for _ in range(rounds):
        for side, run in enumerate((ours, theirs)):
            start = time.perf_counter()
            result = run()
            times[side].append(time.perf_counter() - start)
            found.append(result)
    own, peer = (statistics.median(side) for side in times)
    print(f"{name}: {own:.3f} s, peer {peer:.3f} s, {peer / own:.1f} times", flush=True)
    return found[-2:]


def imports(starts=20):
    """Prints the processor time of a process that imports NumPy, and of one that imports Relevox."""
    times = {"numpy": [], "relevox": []}
    for _ in range(starts):
        for name, found in times.items():
            code = f"import time, {name}; print(time.process_time())"
            run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            found.append(float(run.stdout))
    numpy, own = (statistics.median(found) for found in times.values())
    print(f"start and import: {own:.3f} s of processor time, of NumPy alone {numpy:.3f} s")


def main():
    scan, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    volume = crop(scan, 128)
    for compactness in (10, 0.1):
        settings = {"n_segments": 100, "compactness": compactness, "channel_axis": None}
        relevox.slic(volume, **settings)
        ours, theirs = compare(
            f"slic, 128³, compactness {compactness}",
            lambda: relevox.slic(volume, **settings),
            lambda: skimage.segmentation.slic(volume, **settings),
            rounds,
        )
        assert np.array_equal(ours, theirs)

    image = torch.from_numpy(crop(scan, 96)[None, None])
    image /= image.max()
    torch.manual_seed(0)
    net = DenseNet121(spatial_dims=3, in_channels=1, out_channels=2).eval()
    mask = relevox.slic(image[0, 0].numpy(), n_segments=100, compactness=0.1, mask=image[0, 0] > 0, channel_axis=None)
    regions = torch.from_numpy(mask)[None, None]

    def explain():
        return relevox.explain(net, image, labels=mask, background=0, method="perturb", fill="blank", progress=False, target=1)

    def ablate(method):
        return method(net).attribute(image, target=1, feature_mask=regions)

    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explain()
    print(f"first explanation, with the export: {time.perf_counter() - start:.2f} s", flush=True)
    compare("explain, DenseNet121, 1×96³", explain, lambda: ablate(captum.attr.FeatureAblation), 1)
    ours, theirs = compare(
        "FeatureAblation, DenseNet121, 1×96³",
        lambda: ablate(relevox.FeatureAblation),
        lambda: ablate(captum.attr.FeatureAblation),
        max(rounds // 3, 1),
    )
    print(f"largest difference: {float((ours - theirs).abs().max() / theirs.abs().max()):.1e} of the largest")
    imports()


if __name__ == "__main__":
    main()

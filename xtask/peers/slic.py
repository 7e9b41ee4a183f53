"""The scikit-image and SimpleITK side of `cargo xtask bench slic`.

slic.py CASE_JSON THREADS reads image.f32 (and mask.u8) from the case's folder and prints the versions as one JSON line. It then
handles the requests on stdin, one per line: `scikit-image` and `simpleitk` print the seconds of one run; `labels` writes
scikit-image's labels to labels.u32 and prints their number of voxels. SimpleITK implements a different SLIC, without masks and
with 5 iterations by default.
"""
import json
import pathlib
import sys
import time

import numpy as np
import SimpleITK
import skimage
from skimage.segmentation import slic


def main():
    case = json.loads(sys.argv[1])
    folder, size, regions, compactness = (pathlib.Path(case["folder"]), case["size"], case["regions"], case["compactness"])
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(int(sys.argv[2]))
    image = np.fromfile(folder / "image.f32", "<f4").reshape(size)
    mask = np.fromfile(folder / "mask.u8", np.uint8).reshape(size) > 0 if case["masked"] else None
    itk = SimpleITK.GetImageFromArray(image)
    step = round((image.size / regions) ** (1 / 3))

    def scikit_image():
        return slic(image, n_segments=regions, compactness=compactness, channel_axis=None, mask=mask,
                    start_label=int(case["masked"]))

    def simpleitk():
        return SimpleITK.SLIC(itk, superGridSize=[step] * 3, spatialProximityWeight=compactness)

    # The runs that warm both up also make the labels to compare with.
    labels = scikit_image().astype("<i4").view("<u4")
    simpleitk()
    versions = {
        "python": sys.version.split()[0], "numpy": np.__version__, "scikit-image": skimage.__version__,
        "SimpleITK": SimpleITK.Version.VersionString(),
    }
    print(json.dumps(versions), flush=True)
    for line in sys.stdin:
        if line.strip() == "labels":
            labels.tofile(folder / "labels.u32")
            print(labels.size, flush=True)
            continue
        once = {"scikit-image": scikit_image, "simpleitk": simpleitk}[line.strip()]
        start = time.perf_counter()
        once()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()

"""Makes a cohort of brain hemispheres with a label that can be learned from few cases: does this hemisphere contain a tumour?

  hemispheres.py CASES_DIR OUT_DIR [--train REGEX] [--validation REGEX]

Each case of CASES_DIR (in BraTS's layout) is divided at the centre of its brain into two halves of 80x192x144 voxels (x,y,z,
1 mm); the right one is mirrored, so that both have the same orientation. A half with more than 2,000 tumour voxels is positive,
one with fewer than 100 is negative, and the others are left out. Writes NIfTI files with correct affines, and
OUT_DIR/cohort.csv: case,group,label,split,t1,t1ce,t2,flair,seg (paths relative to OUT_DIR; group is the patient). Cases whose
name matches --train or --validation belong to that split, all others to the test split; without patterns, the column is empty
and the splits are drawn when the manifest is read. Requires numpy and nibabel.
"""
import argparse
import csv
import pathlib
import re
import sys

import nibabel
import numpy as np

SEQUENCES = ("t1", "t1ce", "t2", "flair")
KINDS = (*SEQUENCES, "seg")
SHAPE = (80, 192, 144)
POSITIVE_ABOVE = 2000
NEGATIVE_BELOW = 100


def halves(brain):
    """Yields the side and the start (x, y, z) of each half of a brain mask."""
    inside = np.argwhere(brain)
    middle = (inside.min(0) + inside.max(0) + 1) // 2
    y, z = (
        min(max(int(centre) - length // 2, 0), size - length)
        for centre, length, size in zip(middle[1:], SHAPE[1:], brain.shape[1:])
    )
    for side, x in (("L", int(middle[0]) - SHAPE[0]), ("R", int(middle[0]))):
        if 0 <= x <= brain.shape[0] - SHAPE[0]:
            yield side, (x, y, z)


def cut(image, start, mirror):
    """Returns the half of an image from `start` on, mirrored along x if `mirror` is set, with the matching affine."""
    window = tuple(slice(first, first + length) for first, length in zip(start, SHAPE))
    data = np.asarray(image.dataobj)[window]
    affine = image.affine.copy()
    affine[:3, 3] = (affine @ [*start, 1])[:3]
    if mirror:
        data = data[::-1]
        affine[:3, 3] += affine[:3, 0] * (SHAPE[0] - 1)
        affine[:3, 0] *= -1
    return nibabel.Nifti1Image(np.ascontiguousarray(data), affine)


def split_of(case, options):
    """Returns the split whose pattern matches the case's name; empty without patterns."""
    patterns = {"train": options.train, "validation": options.validation}
    if not any(patterns.values()):
        return ""
    return next((split for split, pattern in patterns.items() if pattern and re.search(pattern, case)), "test")


def rows_of(folder, options):
    """Writes the usable halves of a case and yields their rows of the manifest."""
    files = {kind: next(folder.glob(f"*_{kind}.nii*"), None) for kind in KINDS}
    missing = [kind for kind, file in files.items() if file is None]
    if missing:
        print(f"{folder.name} left out: no {', '.join(missing)}", file=sys.stderr)
        return
    images = {kind: nibabel.load(file) for kind, file in files.items()}
    brain = np.any([np.asarray(images[kind].dataobj) > 0 for kind in SEQUENCES], axis=0)
    for side, start in halves(brain):
        parts = {kind: cut(image, start, mirror=side == "R") for kind, image in images.items()}
        tumour = int((np.asarray(parts["seg"].dataobj) > 0).sum())
        if NEGATIVE_BELOW <= tumour <= POSITIVE_ABOVE:
            continue
        case = f"{folder.name}_{side}"
        (options.out / case).mkdir(parents=True, exist_ok=True)
        paths = {kind: f"{case}/{case}_{kind}.nii.gz" for kind in KINDS}
        for kind, part in parts.items():
            part.to_filename(options.out / paths[kind])
        label = int(tumour > POSITIVE_ABOVE)
        yield {"case": case, "group": folder.name, "label": label, "split": split_of(case, options), **paths}


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--train", metavar="REGEX")
    parser.add_argument("--validation", metavar="REGEX")
    return parser.parse_args()


def main():
    options = parse_options()
    folders = sorted(path for path in options.cases.iterdir() if path.is_dir())
    rows = [row for folder in folders for row in rows_of(folder, options)]
    with open(options.out / "cohort.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ["case", "group", "label", "split", *KINDS])
        writer.writeheader()
        writer.writerows(rows)
    for split in sorted({row["split"] for row in rows}):
        labels = [row["label"] for row in rows if row["split"] == split]
        print(f"{split or 'all'}: {len(labels)} halves, {sum(labels)} with a tumour")


if __name__ == "__main__":
    main()

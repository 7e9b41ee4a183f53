"""Minimal sets of regions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _relevox


@dataclass(frozen=True, eq=False)
class RegionSet:
    """A set of regions, and the answer to the image with only the set kept (sufficient) or only the set replaced (necessary)."""

    #: Labels of the regions.
    regions: NDArray[np.int64]
    #: Voxels of the regions, ``[i, j, k]``.
    mask: NDArray[np.bool_]
    #: The target's logit.
    logit: float
    #: The target's probability; ``None`` of a plain value.
    probability: float | None
    #: Number of images that finding it took.
    evaluations: int


@dataclass(frozen=True, eq=False)
class RegionSets:
    """Minimal sets of regions: no region of a set can be left out. Others may exist; the ranking decides which is found."""

    #: Kept while all other regions are replaced, these regions keep the answer. Empty if it survives the replacement of all.
    sufficient: RegionSet
    #: Replaced while all others are kept, these regions change the answer. ``None`` if it survives the replacement of all.
    necessary: RegionSet | None


def sets_of(explained: _relevox.Explained) -> RegionSets | None:
    """Returns the sets of an explanation, if they were requested."""
    found = explained.sets()
    if found is None:
        return None
    labels = explained.labels()

    def of(described: dict[str, Any]) -> RegionSet:
        return RegionSet(mask=np.isin(labels, described["regions"]), **described)

    necessary = found.get("necessary")
    return RegionSets(of(found["sufficient"]), None if necessary is None else of(necessary))

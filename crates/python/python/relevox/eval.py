"""Measures of relevance maps and masks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from . import _relevox
from ._arrays import Fill, to_fill, to_float32, to_image, to_integers, to_mask, to_numpy, to_target, to_volume
from ._models import classifier_of

if sys.version_info >= (3, 11):
    from typing import Unpack
elif TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "Curve",
    "CurveSettings",
    "Oracle",
    "activation_precision",
    "deletion",
    "dice",
    "dice_at",
    "hausdorff95",
    "insertion",
    "oracle",
    "pointing_game",
    "threshold",
]


class Oracle(NamedTuple):
    """The threshold with the highest Dice coefficient, which only the ground truth tells."""

    threshold: float
    dice: float


class Curve(NamedTuple):
    """A target's output as regions are removed or restored, the most relevant first."""

    #: Share of the regions that are removed or restored, from 0 to 1.
    shares: NDArray[np.float64]
    #: The target's logit at each share.
    logits: NDArray[np.float64]
    #: The target's probability at each share; of a plain value, the value.
    probabilities: NDArray[np.float64]
    #: Mean of the probability over the curve: the area under it.
    area: float


class CurveSettings(TypedDict, total=False):
    """Keywords of :func:`deletion` and :func:`insertion`, with the defaults that they have in :func:`relevox.explain`."""

    #: Label of voxels in no region.
    background: int | None
    #: The output, or the name of its class; by default the predicted one.
    target: int | str | None
    #: How outputs become probabilities: ``softmax``, ``sigmoid`` or ``value``.
    activation: str | None
    #: What replaces a region.
    fill: Fill
    #: Voxels that fills are computed from, ``[i, j, k]``.
    mask: Any
    #: Number of images for which a function is called at once.
    batch_size: int | None


def dice(a: Any, b: Any) -> float:
    """Computes the Dice coefficient of two masks of equal shape; of two empty ones it is 1."""
    return _relevox.dice(to_mask(a, "a"), to_mask(b, "b"))


def dice_at(map: Any, truth: Any, threshold: float) -> float:
    """Computes the Dice coefficient of ``map >= threshold`` and the ground truth."""
    return _relevox.dice_at(to_float32(map, "map"), to_mask(truth, "truth"), threshold)


def oracle(map: Any, truth: Any) -> Oracle:
    """Computes the threshold with the highest Dice coefficient, and that coefficient: a bound of what a map can reach."""
    return Oracle(*_relevox.oracle(to_float32(map, "map"), to_mask(truth, "truth")))


def threshold(values: Any, volumes: Any = None, rule: str = "otsu_volume") -> float | None:
    """Computes a threshold that needs no ground truth; ``None`` if all values are equal.

    Parameters
    ----------
    values : array
        Relevance from 0 to 100, by region or by voxel.
    volumes : array of the same shape
        Number of voxels of each region, or which voxels count; by default all count equally.
    rule : "otsu_volume", "otsu" or "mixture"
        Otsu's threshold weighted by volumes, Otsu's of the values alone, or that of a mixture of two Gaussians.
    """
    array = to_numpy(values).astype(np.float64)
    weights = np.ones(array.shape) if volumes is None else to_numpy(volumes).astype(np.float64)
    if weights.shape != array.shape:
        raise ValueError(f"volumes: expected shape {array.shape}, found {weights.shape}")
    return _relevox.threshold(array.ravel(), weights.ravel(), rule)


def activation_precision(map: Any, truth: Any) -> float | None:
    """Computes the share of a map's mass that lies inside the ground truth; ``None`` of a map of zeros."""
    return _relevox.mass(to_float32(map, "map"), to_mask(truth, "truth"))[0]


def pointing_game(map: Any, truth: Any) -> float:
    """Computes the share of a map's highest voxels that lie inside the ground truth."""
    return _relevox.mass(to_float32(map, "map"), to_mask(truth, "truth"))[1]


def hausdorff95(a: Any, b: Any, spacing: Sequence[float] = (1.0, 1.0, 1.0)) -> float | None:
    """Computes the 95th percentile of the Hausdorff distance between the surfaces of two masks ``[i, j, k]``.

    ``spacing`` is that of the axes, in millimetres. ``None`` if a mask is empty.
    """
    first, second = to_mask(a, "a"), to_mask(b, "b")
    if first.ndim != 3:
        raise ValueError(f"a: expected [i, j, k], found the shape {first.shape}")
    i, j, k = (float(step) for step in spacing)
    return _relevox.hausdorff95(first, to_volume(second, first.shape, "b"), (i, j, k))


def deletion(
    model: Any, image: Any, labels: Any, relevance: Any, *, points: int = 20, **settings: Unpack[CurveSettings]
) -> Curve:
    """Computes the target's output as regions are removed, the most relevant first; a low area is good.

    Parameters
    ----------
    model, image, labels
        As of :func:`relevox.explain`.
    relevance : array
        By region in the order of the labels, or a map ``[i, j, k]`` whose means over the regions are taken.
    points : int
        Number of steps after the whole image.
    **settings
        ``background``, ``target``, ``activation``, ``fill``, ``mask`` and ``batch_size``, as of :func:`relevox.explain`.

    References
    ----------
    V. Petsiuk, A. Das and K. Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018,
    doi:10.48550/arXiv.1806.07421.
    """
    return _curve(model, image, labels, relevance, points, restored=False, **settings)


def insertion(
    model: Any, image: Any, labels: Any, relevance: Any, *, points: int = 20, **settings: Unpack[CurveSettings]
) -> Curve:
    """Computes the target's output as regions are restored, the most relevant first; a high area is good.

    As :func:`deletion`, from an image of which all regions are replaced. Without a target, it is the class that the model
    predicts for the whole image.
    """
    return _curve(model, image, labels, relevance, points, restored=True, **settings)


def _curve(
    model: Any,
    image: Any,
    labels: Any,
    relevance: Any,
    points: int,
    *,
    restored: bool,
    background: int | None = None,
    target: int | str | None = None,
    activation: str | None = None,
    fill: Fill = "mean",
    mask: Any = None,
    batch_size: int | None = None,
) -> Curve:
    array = to_image(image)
    shape = array.shape[1:]
    partition = to_volume(to_integers(labels, "labels"), shape, "labels")
    regions = {
        "labels": partition,
        "background": background,
        "fill": to_fill(fill, len(array)),
        "mask": (array != 0).any(axis=0) if mask is None else to_volume(to_mask(mask, "mask"), shape, "mask"),
        "relevance": _by_region(to_numpy(relevance), partition, background).tolist(),
    }
    network = classifier_of(model, array, image, batch_size).network
    found = _relevox.curve(network, array, regions, restored, points, to_target(target), activation)
    shares, logits, probabilities = (np.array(column) for column in found)
    return Curve(shares, logits, probabilities, _relevox.area(shares.tolist(), probabilities.tolist()))


def _by_region(
    relevance: NDArray[Any], labels: NDArray[np.int64], background: int | None
) -> NDArray[np.float64]:
    """Returns the relevance of each region; of a map, its mean over the region."""
    if relevance.ndim == 1:
        return relevance.astype(np.float64)
    values = to_volume(relevance, labels.shape, "relevance")
    ids, indices = np.unique(labels, return_inverse=True)
    sums = np.bincount(indices.ravel(), weights=values.ravel().astype(np.float64))
    means = sums / np.bincount(indices.ravel())
    # -1 is the label of SLIC's background, which comes last.
    order = np.argsort(np.where(ids < 0, np.iinfo(np.int64).max, ids))
    return np.asarray([means[at] for at in order if ids[at] != background])

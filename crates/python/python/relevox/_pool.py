"""Relevance pooled over several explanations."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from . import _relevox
from ._explanation import Explanation
from ._progress import Progress


def pool(
    explanations: Sequence[Explanation],
    groups: Sequence[Hashable] | None = None,
    *,
    trees: int = 200,
    leaf: int = 5,
    parts: int = 20,
    seed: int = 0,
    progress: bool = True,
) -> list[Explanation]:
    """Pools relevance over images: regions that look alike in other patients' images say what a region is relevant for.

    A random forest learns the relevance of regions from their appearance, the mean and standard deviation of each channel in units
    of the mask, and predicts it for images that it has not learned from. That removes noise of single images, and what only one
    image shows. Compare with what it makes of a network without training: random relevance pools to something as well.

    Parameters
    ----------
    explanations : several
        Of images with the same channels. The relevance of the method of each is pooled: ``[e["perturb"] for e in explanations]``
        selects another one. It must have one value per region, or be ``averaged``: then the relevance on each partition is pooled, and
        averaged with the maps that it was learned from.
    groups : one for each
        The patient of each image: images of one patient never learn from each other. Without it, each image is its own.
    trees, leaf : int
        Number of trees of a forest, and the smallest number of regions in a leaf.
    parts : int
        Number of parts that the groups are divided into: each is predicted by a forest of the others. With no more groups than
        parts, each group is its own part.
    seed : int
        Of the division and of the forests.
    progress : bool
        Whether progress is shown on stderr.

    Returns
    -------
    list of Explanation
        In the order of ``explanations``, each with the method ``pooled``, or ``averaged-pooled``, besides those that it had.

    Raises
    ------
    ValueError
        For fewer than two groups, images of different numbers of channels, methods without a value per region, ``averaged`` for a part of
        the images or over different numbers of partitions, and values out of range.
    """
    cases = list(explanations)
    of = list(range(len(cases))) if groups is None else list(groups)
    if len(of) != len(cases):
        raise ValueError(f"groups: expected one for each of {len(cases)} explanations, found {len(of)}")
    numbers: dict[Hashable, int] = {}
    names = [str(numbers.setdefault(group, len(numbers))) for group in of]
    settings = {"trees": trees, "leaf": leaf, "parts": parts, "seed": seed}
    members = [(case._explained, case.method, name) for case, name in zip(cases, names)]
    with Progress("pool", progress) as bar:
        averaged = bool(cases) and cases[0].method == "averaged"
        bar.start(sum(case._explained.partitions for case in cases) if averaged else len(cases))
        found = _relevox.pool(members, settings, bar.advance)
    method = "averaged-pooled" if averaged else "pooled"
    return [Explanation(one, method, case._affine, case.name, case.assumed) for one, case in zip(found, cases)]

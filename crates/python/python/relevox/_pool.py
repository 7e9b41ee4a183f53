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
    labels: Sequence[bool] | None = None,
    neighbours: int = 80,
    errors: float = 2.0,
    trees: int = 200,
    leaf: int = 40,
    parts: int = 20,
    seed: int = 0,
    progress: bool = True,
) -> list[Explanation]:
    """Pools relevance over images: regions that look alike in other patients' images say what a region is relevant for.

    A random forest learns the relevance of regions from their appearance, the mean and standard deviation of each channel in units
    of the mask, and predicts it for images that it has not learned from. That removes noise of single images, and what only one
    image shows. Compare with what it makes of a network without training: random relevance pools to something as well.

    With ``labels``, only what speaks for the labels of the images is kept: the method's signed values are evidence for or against the
    explained class, that of a region is the mean over the regions of other patients that look most like it, and a mean that is not
    beyond chance counts as 0. Nothing is left of it if the labels mean nothing, where ``pooled`` keeps whatever is conspicuous. The
    network must not have been trained on the images: it is right about those, whatever their labels.

    Parameters
    ----------
    explanations : several
        Of images with the same channels. The relevance of the method of each is pooled: ``[e["perturb"] for e in explanations]``
        selects another one. It must have one value per region, or be ``averaged``: then the relevance on each partition is pooled, and
        averaged with the maps that it was learned from.
    groups : one for each
        The patient of each image: images of one patient never learn from each other. Without it, each image is its own.
    labels : one for each
        Whether the image is of the class that the explained output stands for.
    neighbours : int
        With ``labels``: number of regions of other patients that the evidence of a region is the mean over.
    errors : float
        With ``labels``: a mean of fewer than this many of its standard deviations, as they would be if labels meant nothing, counts as
        0. Of ``n`` other patients, no mean has more than ``sqrt(n)``.
    trees, leaf : int
        Number of trees of a forest, and the smallest number of regions in a leaf; of a small cohort a fiftieth of the regions, but not
        fewer than 5 for this reason.
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
        In the order of ``explanations``, each with the method ``pooled``, ``averaged-pooled`` or, with ``labels``, ``pooled-label``, besides
        those that it had.

    Raises
    ------
    ValueError
        For fewer than two groups, images of different numbers of channels, methods without a value per region, ``averaged`` for a part of
        the images or over different numbers of partitions, and values out of range. With ``labels``, for labels that are all the same,
        other than ``True`` and ``False``, or of another number, methods without signed values, and different explained outputs.
    """
    cases = list(explanations)
    of = list(range(len(cases))) if groups is None else list(groups)
    if len(of) != len(cases):
        raise ValueError(f"groups: expected one for each of {len(cases)} explanations, found {len(of)}")
    numbers: dict[Hashable, int] = {}
    names = [str(numbers.setdefault(group, len(numbers))) for group in of]
    members = [(case._explained, case.method, name) for case, name in zip(cases, names)]
    if labels is not None:
        if wrong := [label for label in labels if label not in (0, 1)]:
            raise ValueError(f"labels: expected True or False, found {wrong[0]!r}")
        with Progress("pool", progress) as bar:
            bar.start(len(cases))
            found = _relevox.pool_for_label(members, [bool(label) for label in labels], neighbours, errors, bar.advance)
        return _as_explanations(found, cases, "pooled-label")
    settings = {"trees": trees, "leaf": leaf, "parts": parts, "seed": seed}
    with Progress("pool", progress) as bar:
        averaged = bool(cases) and cases[0].method == "averaged"
        bar.start(sum(case._explained.partitions for case in cases) if averaged else len(cases))
        found = _relevox.pool(members, settings, bar.advance)
    return _as_explanations(found, cases, "averaged-pooled" if averaged else "pooled")


def _as_explanations(found: list[_relevox.Explained], cases: list[Explanation], method: str) -> list[Explanation]:
    return [Explanation(one, method, case._affine, case.name, case.assumed) for one, case in zip(found, cases)]

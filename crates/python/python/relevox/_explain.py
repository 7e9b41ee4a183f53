"""From a classifier and an image to an explanation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _relevox
from ._arrays import Fill, affine_of, to_fill, to_image, to_integers, to_mask, to_numpy, to_target, to_volume
from ._explanation import Explanation
from ._models import classifier_of, name_of
from ._progress import Progress


def explain(
    model: Any,
    image: Any,
    *,
    labels: Any = None,
    background: int | None = None,
    n_segments: int = 100,
    compactness: float = 0.1,
    channel: int = 0,
    target: int | str | None = None,
    activation: str | None = None,
    fill: Fill = "mean",
    method: str | Sequence[str] = ("diffused", "perturb"),
    partitions: Sequence[tuple[int, int]] | None = None,
    sets: bool | float = False,
    mask: Any = None,
    batch_size: int | None = None,
    samples: int | None = None,
    seed: int = 0,
    affine: Any = None,
    channel_names: Sequence[str] | None = None,
    name: str | None = None,
    progress: bool = True,
) -> Explanation:
    """Computes which regions of an image a classifier's output depends on.

    Parameters
    ----------
    model : path, torch.nn.Module or function
        A file (ONNX, or weights of MONAI's ResNets and DenseNets as ``.pth`` or safetensors), a module of PyTorch, or a function
        from a batch ``[n, c, i, j, k]`` to outputs ``[n, k]``: logits, or plain values. Files and modules that can be exported
        are recomputed for each region only where it changes them; others take a whole pass for each region.
    image : array or tensor, [c, i, j, k]
        What the model takes, in its own order of the axes, already preprocessed. MONAI's ``MetaTensor`` brings its affine.
        Functions get tensors if the image is one, else arrays.
    labels : array of integers, [i, j, k]
        The regions; without it, supervoxels are computed.
    background : int
        Label of voxels in no region.
    n_segments, compactness, channel
        Number of supervoxels, their compactness (see :func:`slic`), and the channel that they are computed of.
    target : int or str
        The explained output, or the name of its class where the model's file states names. By default the predicted one.
    activation : "softmax", "sigmoid", "value" or None
        How outputs become probabilities; ``"value"``: they are none. ``None`` takes what the model's file states, else a sigmoid
        for one output and a softmax for several, which ``Explanation.assumed`` says.
    fill : "mean", "blank", "min", "max", a number or one for each channel
        What replaces a region: a statistic of the mask, 0 (``blank``), or a value.
    method : str or several
        ``diffused``, ``perturb``, ``averaged``, ``lime``, ``kernel-shap``, ``hierarchical``, ``rise``, ``occlusion``,
        ``gradcam``, ``gradcam-pp``; the main one first. :func:`pool` computes ``pooled`` and ``pooled-label`` from several explanations.
    partitions : pairs (channel, n_segments)
        Supervoxels that ``averaged`` averages with the regions; by default 5/2 as many of the same channel, or the experiment's where
        ``channel_names`` has ``t2`` or ``flair``.
    sets : bool or float
        Whether minimal sets of regions are found that keep the prediction of the target on their own, or whose loss changes it:
        ``Explanation.sets``. A share above 0, at most 1, finds those that keep that share of the logit's distance from the image
        without any region, which ``activation="value"`` needs.
    mask : array of bool, [i, j, k]
        Voxels that supervoxels and fills are computed from, such as the brain. By default those that are not 0 in every channel.
    batch_size : int
        Number of images for which a function is called at once.
    samples, seed : int
        Number of samples of ``lime``, ``kernel-shap`` and ``rise`` or evaluations of ``hierarchical``, and their seed.
    affine : array, (4, 4)
        From indices (i, j, k) to millimetres, as in nibabel, for NIfTI files and pictures.
    channel_names, name
        Names in pictures and pages.
    progress : bool
        Whether progress is shown on stderr.

    Raises
    ------
    ValueError
        For values out of range, and networks that do not take the image.
    NotImplementedError
        For ONNX files with an operator that neither Relevox nor ONNX Runtime computes.
    KeyboardInterrupt
        After Ctrl-C. Exceptions of a function are raised as they are.
    """
    rows = affine_of(image, affine)
    array = to_image(image)
    shape = array.shape[1:]
    notes: list[str] = []
    if to_numpy(image).dtype != np.float32 and not np.array_equal(array, to_image_as_is(image)):
        notes.append("image: rounded to single precision")
    names = [f"channel{at}" for at in range(len(array))] if channel_names is None else [str(one) for one in channel_names]
    if len(names) != len(array):
        raise ValueError(f"channel_names: expected {len(array)}, found {len(names)}")
    methods = [method] if isinstance(method, str) else list(method)
    if not methods:
        raise ValueError("method: expected at least one, found none")
    if partitions is not None and "averaged" not in methods:
        raise ValueError("partitions: expected the method averaged, which averages them, found none")
    request = {
        "name": name_of(model) if name is None else name,
        "labels": None if labels is None else to_volume(to_integers(labels, "labels"), shape, "labels"),
        "background": background,
        "n_segments": n_segments,
        "compactness": compactness,
        "channel": channel,
        "channel_names": names,
        "target": to_target(target),
        "activation": activation,
        "fill": to_fill(fill, len(array)),
        "methods": methods,
        "partitions": None if partitions is None else [(int(at), int(count)) for at, count in partitions],
        "sets": bool(sets) if isinstance(sets, (bool, np.bool_)) else float(sets),
        "samples": samples,
        "seed": seed,
        "mask": None if mask is None else to_volume(to_mask(mask, "mask"), shape, "mask"),
    }
    classifier = classifier_of(model, array, image, batch_size)
    notes += [note for note in classifier.notes if activation is None or "activation= states" not in note]
    with Progress("explain", progress) as bar:
        explained = _relevox.explain(classifier.network, array, request, bar.start, bar.advance)
    if target is None and classifier.network.outputs > 1:
        notes.append(f"explaining the predicted class, {explained.class_name}")
    if mask is None and explained.masked:
        notes.append("voxels that are 0 in every channel count as background")
    _warn(explained, classifier.network.first)
    if (found := explained.sets()) is not None and "necessary" not in found:
        warnings.warn(
            "sets: the answer survives the replacement of every region: no set of regions decides it", UserWarning, stacklevel=2
        )
    return Explanation(explained, methods[0], rows, str(request["name"]), notes)


def to_image_as_is(image: Any) -> Any:
    """Returns the array of an image in its own type."""
    array = to_numpy(image)
    return array[0] if array.ndim == 5 else array


def _warn(explained: _relevox.Explained, first: list[float] | None) -> None:
    for method in explained.methods:
        if explained.is_flat(method):
            values = explained.table(method)["value"]
            if method == "averaged":
                reason = "in no partition does the change of one region differ from that of the others"
            elif not np.any(values):
                reason = "no region changes the output"
            elif len(values) == 1:
                reason = "there is one region, and nothing to compare it with"
            else:
                reason = f"all {len(values)} regions change the output equally"
            warnings.warn(f"{method}: {reason}: the relevance map is 0 everywhere", UserWarning, stacklevel=3)
    if first is not None:
        largest = max(abs(value) for value in first)
        if any(abs(a - b) > 1e-3 * largest for a, b in zip(first, explained.logits)):
            warnings.warn(
                f"the model answered {first} and then {explained.logits} for the same image; a classifier in evaluation mode "
                "repeats its answer",
                UserWarning,
                stacklevel=3,
            )

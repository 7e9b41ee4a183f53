"""Attributions by ablation, with the signature of Captum's ``FeatureAblation``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _relevox
from ._arrays import is_tensor, to_integers, to_numpy
from ._classifier import activated
from ._models import classifier_of
from ._progress import Progress


class FeatureAblation:
    """Replaces each feature of an image by a baseline and computes the change of an output, as Captum does.

    Parameters
    ----------
    forward_func : torch.nn.Module, path or function
        As the model of :func:`explain`. A module is computed in evaluation mode; where it can be exported, each feature is
        recomputed only where it changes the network. A function gets tensors if the inputs are one, else arrays.
    """

    def __init__(self, forward_func: Any) -> None:
        self.forward_func = forward_func

    def attribute(
        self,
        inputs: Any,
        baselines: Any = None,
        target: Any = None,
        additional_forward_args: Any = None,
        feature_mask: Any = None,
        perturbations_per_eval: int = 1,
        show_progress: bool = False,
    ) -> Any:
        """Computes ``output(inputs) - output(inputs with the feature replaced)`` for each feature.

        Parameters
        ----------
        inputs : tensor or array of float32, [n, c, i, j, k]
        baselines : number, tensor or array
            What replaces a feature; by default 0. Broadcast to the inputs.
        target : int or one for each image
            The output; not needed for models with one.
        feature_mask : tensor or array of integers
            Elements with equal values are a feature. Broadcast to the inputs; by default each element is one.
        perturbations_per_eval : int
            Number of images for which a function is called at once.
        show_progress : bool
            Whether progress is shown on stderr.

        Returns
        -------
        Attributions of the shape of the inputs, of their kind (tensor or array). Without a target, those of all ``k`` outputs of
        all images, ``[n * k, c, i, j, k]``.

        Raises
        ------
        NotImplementedError
            For several inputs, further arguments, and targets that are tuples.
        TypeError, ValueError
            For inputs of other types or shapes.
        """
        if isinstance(inputs, (tuple, list)) or isinstance(baselines, tuple) or isinstance(feature_mask, tuple):
            raise NotImplementedError("inputs: expected one array; Captum's FeatureAblation takes several")
        if additional_forward_args is not None:
            raise NotImplementedError("additional_forward_args: bind them to the function, with functools.partial")
        if perturbations_per_eval < 1:
            raise ValueError(f"perturbations_per_eval: expected at least 1, found {perturbations_per_eval}")
        images = to_numpy(inputs)
        if images.dtype != np.float32:
            raise TypeError(f"inputs: expected float32, in which networks are computed, found {images.dtype}")
        if images.ndim != 5 or images.size == 0:
            raise ValueError(f"inputs: expected [n, c, i, j, k], found the shape {images.shape}")
        replacing = _broadcast(to_numpy(0 if baselines is None else baselines), images.shape, "baselines")
        if feature_mask is None:
            elements = np.arange(images[0].size, dtype=np.int64).reshape(images[:1].shape)
        else:
            elements = to_integers(feature_mask, "feature_mask")
        features = _broadcast(elements, images.shape, "feature_mask")
        targets = _targets(target, len(images))
        parts = []
        with Progress("FeatureAblation", show_progress) as bar:
            bar.start(sum(_count(features, at) for at in range(len(images))))
            for image, mask, baseline, chosen in zip(images, features, replacing, targets):
                classifier = classifier_of(self.forward_func, image, inputs, perturbations_per_eval)
                original, outputs, indices = _relevox.ablate(
                    classifier.network, image, mask, baseline.astype(np.float32, copy=False), bar.advance
                )
                last = classifier.last
                changes = activated(original[None], last) - activated(outputs, last)
                parts.append(_painted(_chosen(changes, chosen), indices))
        found = np.concatenate(parts)
        if not is_tensor(inputs):
            return found
        import torch

        return torch.from_numpy(found).to(inputs.device)


def _broadcast(values: NDArray[Any], shape: tuple[int, ...], what: str) -> NDArray[Any]:
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        raise ValueError(f"{what}: expected a shape that broadcasts to {shape}, found {values.shape}") from None


def _count(features: NDArray[np.int64], at: int) -> int:
    """Number of features of an image; equal masks are counted once."""
    if at > 0 and features.strides[0] == 0:
        return _count(features[:1], 0)
    return len(np.unique(features[at]))


def _targets(target: Any, images: int) -> list[int | None]:
    """Returns the target of each image."""
    if target is None:
        return [None] * images
    if isinstance(target, tuple) or (isinstance(target, list) and any(isinstance(one, tuple) for one in target)):
        raise NotImplementedError("target: expected an index; models with outputs of several axes need Captum's")
    array = to_integers(target, "target").reshape(-1)
    if len(array) not in (1, images):
        raise ValueError(f"target: expected one index or {images}, found {len(array)}")
    indices = array.tolist() if len(array) == images else array.tolist() * images
    return list(indices)


def _chosen(changes: NDArray[np.float32], target: int | None) -> NDArray[np.float32]:
    """Returns the changes of the target, or of all outputs, ``[outputs, features]``."""
    outputs = changes.shape[1]
    if target is None:
        return changes.T
    if not -outputs <= target < outputs:
        raise ValueError(f"target: expected an output from 0 to {outputs - 1}, found {target}")
    return changes[:, target][None]


def _painted(changes: NDArray[np.float32], indices: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(changes[:, indices], dtype=np.float32)

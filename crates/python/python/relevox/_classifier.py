"""A classifier, and its outputs as arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _relevox
from ._arrays import to_float32

Array = NDArray[np.float32]


class Classifier(NamedTuple):
    """A classifier of images ``[c, i, j, k]``."""

    network: _relevox.Network
    #: What was assumed or done, one line each.
    notes: list[str]
    #: The activation that follows the network's outputs in the model: ``softmax``, ``sigmoid`` or none.
    last: str | None = None


def on_arrays(function: Callable[[Array], Any]) -> Callable[[Array], Array]:
    """Returns a function whose results are arrays ``[n, k]``."""

    def call(batch: Array) -> Array:
        return outputs_of(function(batch), len(batch))

    return call


def outputs_of(outputs: Any, images: int) -> Array:
    """Returns the outputs of a model as an array ``[n, k]``."""
    if isinstance(outputs, (dict, tuple)):
        found = type(outputs).__name__
        raise TypeError(f"model: expected outputs [n, k] in one array, found a {found}; wrap the model in a function")
    array = to_float32(outputs, "the model's outputs")
    if array.ndim == 0 and images == 1:
        array = array[None]
    if array.ndim == 1 and array.shape[0] == images:
        array = array[:, None]
    if array.ndim != 2 or array.shape[0] != images or array.shape[1] == 0:
        expected = f"outputs [n, k] of n = {images} images"
        raise ValueError(f"model: expected {expected}, found the shape {array.shape}")
    return np.ascontiguousarray(array)


def activated(outputs: Array, last: str | None) -> Array:
    """Applies the activation that follows a network's outputs ``[n, k]``."""
    if last == "softmax":
        raised = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float32)
    if last == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-outputs)), dtype=np.float32)
    return outputs

"""Classifiers from what people pass: a file, a network of PyTorch, a function."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from . import _relevox
from ._classifier import Array, Classifier, on_arrays


def classifier_of(model: Any, image: Array, of: Any, batch_size: int | None) -> Classifier:
    """Returns the classifier of a model for an image; functions get tensors if ``of`` is one.

    Raises
    ------
    TypeError
        If the model is not a path, a module or a function.
    """
    if isinstance(model, (str, os.PathLike)):
        path = os.fspath(model)
        with open(path, "rb"):
            pass
        size = (image.shape[1], image.shape[2], image.shape[3])
        network = _relevox.Network.load(path, size)
        return Classifier(network, network.assumed)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        from ._modules import classifier_of_module

        return classifier_of_module(model, image, batch_size)
    if not callable(model):
        expected = "the path of a network, a torch.nn.Module, or a function of a batch [n, c, i, j, k]"
        raise TypeError(f"model: expected {expected}, found {type(model).__name__}")
    function = on_arrays(model)
    if torch is not None and isinstance(of, torch.Tensor):
        device = of.device

        def on_tensors(batch: Array) -> Any:
            return model(torch.from_numpy(batch).to(device))

        function = on_arrays(on_tensors)
    network = _relevox.Network.of_function(function, image, batch_size)
    return Classifier(network, network.assumed)


def name_of(model: Any) -> str:
    """Returns the name of a model, for people."""
    if isinstance(model, (str, os.PathLike)):
        return Path(model).name
    return str(getattr(model, "__name__", type(model).__name__))

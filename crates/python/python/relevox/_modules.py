"""Networks of PyTorch: exported where that is possible, else called."""

from __future__ import annotations

import contextlib
import inspect
import io
import tempfile
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from . import _relevox
from ._classifier import Classifier, activated, on_arrays, outputs_of

Array = NDArray[np.float32]

#: Largest difference between a module's outputs and those of its export, relative to the largest output.
TOLERANCE = 1e-3

#: Exported networks, with the parameters that they were exported with.
_exported: weakref.WeakKeyDictionary[torch.nn.Module, tuple[Any, Classifier]] = weakref.WeakKeyDictionary()


def classifier_of_module(module: torch.nn.Module, image: Array, batch_size: int | None) -> Classifier:
    """Returns the classifier of a module in evaluation mode.

    The module is exported to ONNX, and its outputs for the image are compared with those of the export. A module that cannot be
    exported, or whose export differs, is called in batches, which a warning says.
    """
    expected = outputs_of(_call(module, image[None]), 1)
    # Parameters that change in place count their versions.
    try:
        state: Any = (image.shape, [(id(tensor), tensor._version) for tensor in _tensors(module)])
    except RuntimeError:
        state = None
    known = _exported.get(module)
    if known is not None and state is not None and known[0] == state:
        if _last_of(known[1].network, image, expected) == (True, known[1].last):
            return known[1]
    reasons: list[str] = []
    for dynamo in (False, True):
        found = _export(module, image, expected, dynamo)
        if isinstance(found, Classifier):
            if state is not None:
                _exported[module] = (state, found)
            return found
        if found not in reasons:
            reasons.append(found)
    name = type(module).__name__
    warnings.warn(
        f"{name} is called in batches, a whole pass for each region, since it cannot be exported: {'; '.join(reasons)}",
        UserWarning,
        stacklevel=4,
    )
    network = _relevox.Network.of_function(on_arrays(lambda batch: _call(module, batch)), image, batch_size)
    return Classifier(network, [f"{name}: called in batches, a whole pass for each region", *network.assumed])


def _tensors(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()


@contextlib.contextmanager
def _evaluation(module: torch.nn.Module) -> Iterator[None]:
    """Sets the evaluation mode for a time."""
    modes = [(part, part.training) for part in module.modules() if part.training]
    for part, _ in modes:
        part.training = False
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def _on_device(module: torch.nn.Module, batch: Array) -> torch.Tensor:
    like = next((tensor for tensor in _tensors(module) if tensor.is_floating_point()), None)
    tensor = torch.from_numpy(np.ascontiguousarray(batch))
    return tensor if like is None else tensor.to(like.device, like.dtype)


def _call(module: torch.nn.Module, batch: Array) -> Any:
    with _evaluation(module), torch.no_grad():
        return module(_on_device(module, batch))


def _export(module: torch.nn.Module, image: Array, expected: Array, dynamo: bool) -> Classifier | str:
    """Returns the classifier of an exported module, or the reason why there is none."""
    # Older releases have one exporter.
    choice: dict[str, Any] = {"dynamo": dynamo} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    exporter = "torch.onnx.export" + (f" (dynamo={dynamo})" if choice else "")
    with tempfile.TemporaryDirectory(prefix="relevox-") as folder:
        path = Path(folder) / "network.onnx"
        try:
            with _evaluation(module), torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("ignore")
                torch.onnx.export(module, (_on_device(module, image[None]),), str(path), verbose=False, **choice)
        except Exception as error:  # Exporters raise any.
            return f"{exporter}: {_first_line(error)}"
        try:
            network = _relevox.Network.load(path, image.shape[1:], "relevox")
        except (ValueError, NotImplementedError, RuntimeError, OSError) as error:
            return _first_line(error).replace(str(path), "the exported network")
        agrees, last = _last_of(network, image, expected)
    if not agrees:
        found = network.logits(image[None])[0].tolist()
        return f"its outputs {expected[0].tolist()} are {found} after {exporter}"
    notes = [note.replace(str(path), type(module).__name__) for note in network.assumed]
    return Classifier(network, notes, last)


def _last_of(network: _relevox.Network, image: Array, expected: Array) -> tuple[bool, str | None]:
    """Returns whether an export has the module's outputs, and by which last activation, which exports leave out."""
    found = network.logits(image[None])
    for last in (None, "softmax", "sigmoid"):
        outputs = activated(found, last)
        if outputs.shape == expected.shape:
            if np.abs(outputs - expected).max() <= TOLERANCE * max(float(np.abs(expected).max()), 1e-30):
                return True, last
    return False, None


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]

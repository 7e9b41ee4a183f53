"""Arrays from what people pass: NumPy, PyTorch, MONAI."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: What replaces a region: the name of a statistic, a number, or one for each channel.
Fill = str | float | Sequence[float]


def is_tensor(values: Any) -> bool:
    """Whether values are a tensor of PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(values, torch.Tensor)


def to_numpy(values: Any) -> NDArray[Any]:
    """Returns values as an array, without a copy where they lie in memory as one."""
    if is_tensor(values):
        tensor = values.detach().cpu()
        if hasattr(tensor, "as_tensor"):
            tensor = tensor.as_tensor()
        if tensor.dtype is sys.modules["torch"].bfloat16:
            tensor = tensor.float()
        array: NDArray[Any] = tensor.resolve_conj().resolve_neg().numpy()
        return array
    return np.asarray(values)


def to_float32(values: Any, what: str) -> NDArray[np.float32]:
    """Returns real values in single precision."""
    array = to_numpy(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what}: expected real numbers, found {array.dtype}")
    return array.astype(np.float32, copy=False)


def to_mask(values: Any, what: str) -> NDArray[np.bool_]:
    """Returns which values are not 0."""
    array = to_numpy(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what}: expected booleans or numbers, found {array.dtype}")
    return np.ascontiguousarray(array, dtype=bool)


def to_integers(values: Any, what: str) -> NDArray[np.int64]:
    """Returns whole numbers."""
    array = to_numpy(values)
    if array.dtype.kind in "iub":
        return array.astype(np.int64, copy=False)
    if array.dtype.kind == "f":
        whole = array.astype(np.int64)
        if np.array_equal(whole, array):
            return whole
    raise TypeError(f"{what}: expected whole numbers, found {array.dtype}")


def to_image(image: Any) -> NDArray[np.float32]:
    """Returns an image ``[c, i, j, k]``, also of a batch of one."""
    array = to_float32(image, "image")
    if array.ndim == 5 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 3:
        raise ValueError(f"image: expected [c, i, j, k], found the shape {array.shape}; image[None] adds a channel")
    if array.ndim != 4:
        raise ValueError(f"image: expected [c, i, j, k] or a batch of one of it, found the shape {array.shape}")
    if 0 in array.shape:
        raise ValueError(f"image: expected at least one voxel, found the shape {array.shape}")
    return array


def to_fill(fill: Fill, channels: int) -> str | list[float]:
    """Returns the name of a fill, or its value by channel; one number serves all channels."""
    if isinstance(fill, str):
        return fill
    values = to_float32(fill, "fill")
    return values.ravel().tolist() * (channels if values.ndim == 0 else 1)


def to_target(target: int | str | None) -> str | None:
    """Returns the index or the name of an output as text."""
    if isinstance(target, (bool, float)):
        raise TypeError(f"target: expected an index or a name, found {target!r}")
    return None if target is None else str(target)


def to_volume(values: NDArray[Any], shape: tuple[int, ...], what: str) -> NDArray[Any]:
    """Returns a volume ``[i, j, k]``, also of ``[1, i, j, k]`` and ``[1, 1, i, j, k]``."""
    while values.ndim > 3 and values.shape[0] == 1:
        values = values[0]
    if values.shape != shape:
        raise ValueError(f"{what}: expected shape {shape}, found {values.shape}")
    return values


def affine_of(image: Any, affine: Any = None) -> list[list[float]] | None:
    """Returns the rows of the affine that is given, else of MONAI's ``MetaTensor``, else ``None``."""
    if affine is None and is_tensor(image) and hasattr(image, "as_tensor"):
        affine = image.affine
    if affine is None:
        return None
    matrix = np.asarray(to_numpy(affine), dtype=np.float64)
    if matrix.ndim == 3 and matrix.shape[0] == 1:
        matrix = matrix[0]
    if matrix.shape not in ((4, 4), (3, 4)):
        raise ValueError(f"affine: expected shape (4, 4), found {matrix.shape}")
    if not np.isfinite(matrix).all() or np.linalg.det(matrix[:3, :3]) == 0:
        raise ValueError("affine: expected finite values whose axes span space")
    rows: list[list[float]] = matrix[:3].tolist()
    return rows

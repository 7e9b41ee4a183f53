"""Supervoxels with scikit-image's labels."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _relevox


def slic(
    image: Any,
    n_segments: int = 100,
    compactness: float = 10.0,
    max_num_iter: int = 10,
    sigma: float | Iterable[float] = 0,
    spacing: Iterable[float] | None = None,
    convert2lab: bool | None = None,
    enforce_connectivity: bool = True,
    min_size_factor: float = 0.5,
    max_size_factor: float = 3,
    slic_zero: bool = False,
    start_label: int = 1,
    mask: Any = None,
    *,
    channel_axis: int | None = -1,
) -> NDArray[np.int64]:
    """Segments an image into supervoxels, with the labels of ``skimage.segmentation.slic`` 0.26.

    Parameters
    ----------
    image : array of float32 or float16, (M, N[, P][, C])
        2D or 3D, with or without channels. As in scikit-image, ``channel_axis=None`` states that there are none: a volume
        without channels needs it.
    n_segments : int
        Approximate number of regions.
    compactness : float
        Balances spatial proximity against intensity similarity; higher is more compact. Intensities are rescaled to 0..1
        first. Try 0.01, 0.1, 1, 10 and 100 before refining.
    max_num_iter : int
        Maximum number of k-means iterations.
    sigma : float or one for each axis
        Width of the Gaussian smoothing before segmentation; a single number is divided by the spacing.
    spacing : a number for each axis
        Distance between voxel centres.
    convert2lab : bool
        Conversion of colours, which this function does not have: ``False`` is needed for images of three channels.
    enforce_connectivity : bool
        Whether small connected components are merged into a neighbour and large ones are split.
    min_size_factor, max_size_factor : float
        Sizes of components, relative to the mean size of regions, from and to which they are left as they are.
    slic_zero : bool
        Whether the compactness is adapted to each region (SLICO).
    start_label : 0 or 1
        Smallest label.
    mask : array of bool, (M, N[, P])
        Voxels to segment (maskSLIC). The others get ``start_label - 1``.
    channel_axis : int or None
        Axis of the channels.

    Returns
    -------
    labels : array of int64, (M, N[, P])

    Raises
    ------
    TypeError
        For images of other types. scikit-image computes them in double precision, this function in single: convert the image
        with ``astype(numpy.float32)``, for the labels that scikit-image computes of that.
    NotImplementedError
        For the conversion to Lab, and for a mask with more than ``100 * n_segments`` voxels over one channel that
        ``channel_axis`` names.
    ValueError
        For values out of range.

    Notes
    -----
    A mask with ``n_segments=1`` is one region here; scikit-image divides by 0 and returns background alone.
    """
    image = np.asarray(image)
    if image.ndim == 2 and channel_axis is not None:
        raise ValueError(
            f"channel_axis={channel_axis} indicates multichannel, which is not supported for a two-dimensional image; "
            "use channel_axis=None if the image is grayscale"
        )
    if image.dtype not in (np.float32, np.float16):
        raise TypeError(
            f"image: expected float32 or float16, found {image.dtype}, which scikit-image computes in double precision; "
            "image.astype(numpy.float32) is computed exactly as scikit-image does"
        )
    channels_first = _with_channels_first(image, channel_axis).astype(np.float32, copy=False)
    channels, *shape = channels_first.shape
    is_2d = len(shape) == 2
    if channel_axis is not None:
        _refuse_lab(channels, convert2lab)
    if start_label not in (0, 1):
        raise ValueError("start_label should be 0 or 1.")
    steps = _spacing(spacing, len(shape))
    kernels = [_kernel(width) for width in _sigma(sigma, steps, len(shape))]
    n_segments = operator.index(n_segments)
    if n_segments < 1:
        raise ValueError(f"n_segments: expected at least 1, found {n_segments}")
    if mask is not None:
        mask = np.ascontiguousarray(mask, dtype=bool)
        if list(mask.shape) != shape:
            raise ValueError("image and mask should have the same shape.")
        inside = int(np.count_nonzero(mask))
        if channel_axis is not None and channels == 1 and inside > 100 * n_segments:
            raise NotImplementedError(
                "mask: expected at most 100 * n_segments voxels with one channel that channel_axis names, found "
                f"{inside}: pass the image without that axis, and channel_axis=None"
            )
        mask = mask[None] if is_2d else mask
    else:
        inside = int(np.prod(shape))
    settings = {
        # A seed for each voxel is the most that there can be.
        "n_segments": max(min(n_segments, inside), 1),
        "compactness": float(compactness),
        "max_num_iter": operator.index(max_num_iter),
        "kernels": kernels,
        "spacing": [float(step) for step in steps],
        "enforce_connectivity": bool(enforce_connectivity),
        "min_size_factor": float(min_size_factor),
        "max_size_factor": float(max_size_factor),
        "slic_zero": bool(slic_zero),
        "start_label": int(start_label),
    }
    labels = _relevox.slic(channels_first[:, None] if is_2d else channels_first, mask, settings)
    return labels[0] if is_2d else labels


def _with_channels_first(image: NDArray[Any], channel_axis: int | None) -> NDArray[Any]:
    if channel_axis is not None:
        channels_first = np.moveaxis(image, operator.index(channel_axis), 0)
    else:
        channels_first = image[None]
    if channels_first.ndim not in (3, 4):
        expected = "2 or 3 spatial axes" if channel_axis is None else "2 or 3 spatial axes and one of channels"
        raise ValueError(f"image: expected {expected}, found the shape {image.shape}")
    return channels_first


def _refuse_lab(channels: int, convert2lab: bool | None) -> None:
    if channels != 3 and convert2lab:
        raise ValueError("Lab colorspace conversion requires a RGB image.")
    if channels == 3 and (convert2lab or convert2lab is None):
        raise NotImplementedError(
            "convert2lab: images of three channels are converted to Lab by default, which is not available here; pass "
            "convert2lab=False, or channel_axis=None if the last axis is one of space"
        )


def _spacing(spacing: Iterable[float] | None, axes: int) -> NDArray[np.float32]:
    """Returns the spacing of three axes."""
    if spacing is None:
        return np.ones(3, dtype=np.float32)
    if not isinstance(spacing, Iterable):
        raise TypeError("spacing must be None or iterable.")
    return _three(spacing, axes, "spacing", 1)


def _sigma(sigma: Any, spacing: NDArray[np.float32], axes: int) -> NDArray[np.float32]:
    """Returns the width of smoothing along three axes, in voxels."""
    if np.isscalar(sigma):
        widths = np.array([sigma] * 3, dtype=np.float32) / spacing
    elif isinstance(sigma, Iterable):
        widths = _three(sigma, axes, "sigma", 0)
    else:
        raise TypeError(f"sigma: expected a number or one for each axis, found {sigma!r}")
    # As scikit-image, which checks for widths below 0 only where it smooths.
    if not (np.isfinite(widths).all() and widths.min() >= 0):
        raise ValueError("Sigma values less than zero are not valid")
    return widths


def _three(values: Iterable[float], axes: int, what: str, first: float) -> NDArray[np.float32]:
    """Returns a value for each of three axes; an image of two has a first axis of one voxel."""
    array = np.asarray(list(values), dtype=np.float32)
    if array.shape != (axes,):
        raise ValueError(f"Input image is {axes}D, but {what} has {array.size} elements (expected {axes}).")
    return array if axes == 3 else np.insert(array, 0, np.float32(first))


def _kernel(width: np.float32) -> list[float]:
    """Returns the weights of a Gaussian, as SciPy computes them from a width in single precision."""
    if not width > 1e-15:
        return []
    radius = int(4.0 * float(width) + 0.5)
    offsets = np.arange(-radius, radius + 1)
    variance = np.float32(width * width)
    weights = np.exp(np.float64(np.float32(-0.5) / variance) * offsets**2)
    weights = weights / weights.sum()
    values: list[float] = weights.tolist()
    return values

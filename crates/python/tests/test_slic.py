"""Labels against those of scikit-image, and what is refused."""

import warnings

import numpy as np
import pytest

import relevox

skimage = pytest.importorskip("skimage.segmentation")


def assert_same(image, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = skimage.slic(image, **settings)
    found = relevox.slic(image, **settings)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert np.array_equal(found, expected), f"{np.count_nonzero(found != expected)} of {found.size} labels differ"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_segments": 7},
        {"n_segments": 300, "compactness": 0.1},
        {"compactness": 0.01, "start_label": 0},
        {"max_num_iter": 3},
        {"sigma": 1},
        {"sigma": (0, 1.5, 0.7)},
        {"spacing": (3, 1, 1)},
        {"spacing": [2.5, 0.7, 1.0], "sigma": 1.2},
        {"enforce_connectivity": False},
        {"min_size_factor": 0, "max_size_factor": 1.5},
        {"slic_zero": True},
        {"slic_zero": True, "compactness": 0.1, "max_num_iter": 4},
    ],
    ids=str,
)
def test_labels_of_volumes_are_those_of_scikit_image(volume, settings):
    assert_same(volume((17, 25, 22)), channel_axis=None, **settings)


@pytest.mark.parametrize("axis", [0, 1, -1, 3])
def test_channels_may_lie_on_any_axis(volume, axis):
    channels = np.stack([volume((10, 14, 12), seed) for seed in range(4)])
    assert_same(np.moveaxis(channels, 0, axis), channel_axis=axis, n_segments=20, compactness=0.5)


def test_the_default_axis_of_channels_is_the_last(volume):
    assert_same(volume((30, 40, 2)), n_segments=30, compactness=1)
    assert_same(volume((9, 12, 10, 2)), n_segments=30, compactness=1)


@pytest.mark.parametrize("settings", [{}, {"spacing": (2, 1)}, {"sigma": 1.3}, {"sigma": (0.5, 2)}], ids=str)
def test_planes_are_segmented_too(volume, settings):
    assert_same(volume((48, 37)), channel_axis=None, n_segments=40, compactness=0.2, **settings)
    assert_same(volume((48, 37, 4)), n_segments=40, compactness=0.2, **settings)


def test_three_channels_are_segmented_without_the_conversion_to_lab(volume):
    assert_same(volume((30, 40, 3)), convert2lab=False, n_segments=30)
    assert_same(volume((8, 9, 10, 3)), convert2lab=False, n_segments=30)


@pytest.mark.parametrize("start_label", [0, 1])
@pytest.mark.parametrize("enforce", [True, False])
def test_labels_in_a_mask_are_those_of_scikit_image(volume, start_label, enforce):
    image = volume((16, 20, 18))
    mask = image > np.quantile(image, 0.3)
    settings = {"mask": mask, "start_label": start_label, "enforce_connectivity": enforce, "channel_axis": None}
    assert_same(image, n_segments=12, compactness=0.3, **settings)
    assert_same(np.stack([image, image[::-1]], axis=-1), n_segments=12, **(settings | {"channel_axis": -1}))


def test_masked_planes_are_segmented_too(volume):
    image = volume((60, 50))
    assert_same(image, n_segments=15, compactness=0.1, mask=image > 0, channel_axis=None)


def test_values_outside_of_a_mask_do_not_matter(volume):
    image = volume((12, 13, 14))
    mask = np.zeros(image.shape, bool)
    mask[2:9, 3:12, 1:13] = True
    image[0, 0, 0] = np.nan
    assert_same(image, n_segments=10, mask=mask, channel_axis=None)


def test_more_regions_than_voxels_are_one_for_each_voxel(volume):
    assert_same(volume((3, 4, 5)), n_segments=100, channel_axis=None)
    mask = np.zeros((6, 6, 6), bool)
    mask[1:3, 2:4, 1:4] = True
    assert_same(volume((6, 6, 6)), n_segments=50, mask=mask, channel_axis=None)


@pytest.mark.parametrize("stored", [np.asfortranarray, lambda image: image[::-1, :, ::-1], lambda image: image.T], ids=range(3))
def test_arrays_may_be_stored_in_any_way(volume, stored):
    image = stored(volume((14, 15, 16)))
    assert_same(image, channel_axis=None, n_segments=20)
    assert_same(image.astype(">f4").astype(np.float32), channel_axis=None, n_segments=20)


def test_half_precision_is_computed_in_single_as_in_scikit_image(volume):
    assert_same(volume((14, 15, 16)).astype(np.float16), channel_axis=None, n_segments=20)


def test_a_constant_image_is_a_grid():
    assert_same(np.full((12, 12, 12), 4, np.float32), channel_axis=None, n_segments=27)


@pytest.mark.parametrize("dtype", ["float64", "int16", "uint8", "bool", "complex64"])
def test_types_that_scikit_image_computes_otherwise_are_refused(dtype):
    with pytest.raises(TypeError, match="float32"):
        relevox.slic(np.zeros((4, 4, 4), dtype), channel_axis=None)


def test_what_cannot_be_computed_as_in_scikit_image_is_refused(volume):
    image = volume((8, 9, 3))
    for settings in ({}, {"convert2lab": True}):
        with pytest.raises(NotImplementedError, match="convert2lab"):
            relevox.slic(image, **settings)
    large = volume((20, 20, 20))[..., None]
    with pytest.raises(NotImplementedError, match="channel_axis"):
        relevox.slic(large, n_segments=10, mask=np.ones(large.shape[:3], bool))


@pytest.mark.parametrize(
    ("shape", "settings", "error", "text"),
    [
        ((5, 5), {}, ValueError, "two-dimensional"),
        ((5, 5, 5), {"channel_axis": None, "start_label": 2}, ValueError, "start_label"),
        ((5, 5, 5), {"channel_axis": None, "spacing": 2.0}, TypeError, "spacing"),
        ((5, 5, 5), {"channel_axis": None, "spacing": (1, 2)}, ValueError, "spacing"),
        ((5, 5, 5), {"channel_axis": None, "sigma": (1, 2)}, ValueError, "sigma"),
        ((5, 5, 5), {"channel_axis": None, "sigma": -1}, ValueError, "less than zero"),
        ((5, 5, 5), {"channel_axis": None, "mask": np.ones((5, 5, 4))}, ValueError, "same shape"),
        ((5, 5, 5), {"channel_axis": None, "mask": np.zeros((5, 5, 5))}, ValueError, "mask"),
        ((5, 5, 5), {"channel_axis": None, "n_segments": 0}, ValueError, "n_segments"),
        ((5, 5, 5), {"channel_axis": None, "compactness": 0}, ValueError, "compactness"),
        ((5, 5, 4), {"convert2lab": True}, ValueError, "RGB"),
        ((5, 5, 5, 5), {"channel_axis": None}, ValueError, "spatial"),
    ],
)
def test_wrong_arguments_are_named(shape, settings, error, text):
    with pytest.raises(error, match=text):
        relevox.slic(np.ones(shape, np.float32), **settings)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(volume, value):
    image = volume((6, 6, 6))
    image[1, 2, 3] = value
    with pytest.raises(ValueError):
        relevox.slic(image, channel_axis=None)


def test_the_image_is_left_as_it_is(volume):
    image = volume((8, 8, 8))
    before = image.copy()
    relevox.slic(image, channel_axis=None)
    assert np.array_equal(image, before)


def test_the_signature_is_that_of_scikit_image():
    import inspect

    ours, theirs = (inspect.signature(function).parameters for function in (relevox.slic, skimage.slic))
    assert [(name, one.default, one.kind) for name, one in ours.items()] == [
        (name, one.default, one.kind) for name, one in theirs.items()
    ]

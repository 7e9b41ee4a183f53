"""Measures against what their definitions give."""

import numpy as np
import pytest

import relevox
from relevox import eval as measures


@pytest.fixture
def masks():
    a = np.zeros((10, 12, 14), bool)
    b = np.zeros_like(a)
    a[2:6, 3:8, 4:9] = True
    b[3:7, 3:8, 4:9] = True
    return a, b


def test_dice(masks):
    a, b = masks
    assert measures.dice(a, b) == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()))
    assert measures.dice(a, a) == 1
    assert measures.dice(a.astype(np.uint8), b.astype(float)) == measures.dice(b, a)
    with pytest.raises(ValueError):
        measures.dice(a, b[:5])


def test_thresholds(masks):
    a, b = masks
    map = np.where(b, 80, 10).astype(np.float32)
    assert measures.dice_at(map, a, 50) == measures.dice(a, b)
    best = measures.oracle(map, a)
    assert best == (80, measures.dice(a, b))
    for rule in ("otsu", "otsu_volume"):
        assert 10 < measures.threshold(map, rule=rule) <= 80
    assert measures.threshold([0, 10, 90, 100], [50, 50, 3, 3]) in (90, 100)
    assert measures.threshold(np.ones(4)) is None
    with pytest.raises(ValueError, match="otsu"):
        measures.threshold([1, 2], rule="median")
    with pytest.raises(ValueError, match="volumes"):
        measures.threshold([1, 2], [1])


def test_the_mass_of_a_map(masks):
    a, b = masks
    map = b.astype(np.float32)
    assert measures.activation_precision(map, a) == pytest.approx((a & b).sum() / b.sum())
    assert measures.pointing_game(map, a) == pytest.approx((a & b).sum() / b.sum())
    assert measures.activation_precision(np.zeros_like(map), a) is None


def test_hausdorff_distances(masks):
    a, b = masks
    shifted = np.zeros_like(a)
    shifted[1:] = a[:-1]
    assert np.array_equal(shifted, b)
    surface = measures.hausdorff95(a, b, spacing=(2.5, 1, 1))
    assert surface == pytest.approx(2.5)
    assert measures.hausdorff95(a, np.zeros_like(a)) is None
    with pytest.raises(ValueError):
        measures.hausdorff95(a, b, spacing=(0, 1, 1))


def test_curves_start_and_end_at_the_whole_and_the_replaced_image(blob_model, blob_image):
    axes = np.meshgrid(*(np.arange(n) // 4 for n in blob_image.shape[1:]), indexing="ij")
    labels = axes[0] * 100 + axes[1] * 10 + axes[2]
    truth = (labels == labels[4, 4, 4]).astype(float)
    settings = {"fill": "blank", "target": 1}
    removed = measures.deletion(blob_model, blob_image, labels, truth, **settings)
    assert removed.shares[0] == 0 and removed.shares[-1] == 1
    assert removed.logits[0] == pytest.approx(3, rel=1e-5) and np.allclose(removed.logits[1:], 0)
    restored = measures.insertion(blob_model, blob_image, labels, truth, **settings)
    assert restored.logits[0] == 0 and np.allclose(restored.logits[1:], 3)
    assert restored.area > removed.area
    explanation = relevox.explain(blob_model, blob_image, labels=labels, fill="blank", target=1, progress=False)
    again = measures.deletion(blob_model, blob_image, labels, explanation["perturb"].relevance, **settings)
    assert np.array_equal(again.logits, removed.logits)
    with pytest.raises(ValueError, match="relevance"):
        measures.deletion(blob_model, blob_image, labels, [1.0, 2.0], **settings)
    with pytest.raises(TypeError, match="masks"):
        measures.insertion(blob_model, blob_image, labels, truth, masks=None)

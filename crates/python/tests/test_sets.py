"""Sufficient and necessary regions of functions whose sets are known."""

import json

import numpy as np
import pytest

import relevox
from test_explain import grid

LEFT, RIGHT = (slice(0, 4), slice(4, 8), slice(0, 4)), (slice(8, 12), slice(8, 12), slice(12, 16))


def of_boxes(combine):
    """A function that answers from the means of two boxes."""

    def model(batch):
        means = [batch[(slice(None), 0, *box)].mean(axis=(1, 2, 3)) for box in (LEFT, RIGHT)]
        return 4 * combine(*means)[:, None] - 1

    return model


def explain(model, image, **settings):
    labels = grid(image.shape[1:])
    settings = {"labels": labels, "method": "perturb", "fill": "blank", "sets": True, "progress": False} | settings
    return relevox.explain(model, image, **settings), labels


@pytest.fixture
def image():
    return np.ones((1, 12, 14, 16), dtype=np.float32)


def test_of_an_and_both_are_sufficient_and_one_is_necessary(image):
    explanation, labels = explain(of_boxes(np.minimum), image)
    sets = explanation.sets
    assert set(sets.sufficient.regions) == {labels[0, 4, 0], labels[8, 8, 12]}
    assert len(sets.necessary.regions) == 1 and sets.necessary.regions[0] in sets.sufficient.regions
    assert sets.sufficient.logit == pytest.approx(3, rel=1e-6) and sets.necessary.logit == pytest.approx(-1, rel=1e-6)
    assert sets.sufficient.probability == pytest.approx(1 / (1 + np.exp(-3)), rel=1e-6)
    for one in (sets.sufficient, sets.necessary):
        assert np.array_equal(one.mask, np.isin(labels, one.regions)) and one.evaluations > 0
        assert one.regions.dtype == np.int64 and one.mask.dtype == bool


def test_of_an_or_one_is_sufficient_and_both_are_necessary(image):
    # Each alone changes nothing: the ranking has to come from elsewhere.
    explanation, labels = explain(of_boxes(np.maximum), image, method="kernel-shap", samples=600)
    sets = explanation.sets
    assert set(sets.necessary.regions) == {labels[0, 4, 0], labels[8, 8, 12]}
    assert len(sets.sufficient.regions) == 1 and sets.sufficient.regions[0] in sets.necessary.regions


def test_a_share_of_a_plain_value(image):
    explanation, labels = explain(of_boxes(lambda a, b: a + b), image, activation="value", sets=0.5)
    one = explanation.sets.sufficient
    assert one.probability is None and one.logit == pytest.approx(3, rel=1e-6)
    assert len(one.regions) == 1 and one.regions[0] in (labels[0, 4, 0], labels[8, 8, 12])
    every, _ = explain(of_boxes(lambda a, b: a + b), image, activation="value", sets=1)
    assert len(every.sets.sufficient.regions) == 2


def test_an_answer_that_survives_everything_has_no_necessary_set(image):
    with pytest.warns(UserWarning, match="survives the replacement of every region"):
        explanation, _ = explain(lambda batch: of_boxes(np.minimum)(batch) + 5, image)
    sets = explanation.sets
    assert sets.necessary is None and len(sets.sufficient.regions) == 0 and not sets.sufficient.mask.any()


def test_sets_are_saved_and_only_found_on_request(image, tmp_path):
    explanation, labels = explain(of_boxes(np.minimum), image, affine=np.eye(4))
    explanation.save(tmp_path)
    nibabel = pytest.importorskip("nibabel")
    for name in ("sufficient", "necessary"):
        saved = np.asarray(nibabel.load(tmp_path / f"{name}.nii.gz").dataobj)
        assert np.array_equal(saved == 1, getattr(explanation.sets, name).mask)
    stated = json.loads((tmp_path / "explanation.json").read_text())["sets"]
    assert stated["answer"] == "predicted" and len(stated["sufficient"]["regions"]) == 2
    assert stated["necessary"]["logit"] == pytest.approx(-1, rel=1e-6)
    assert "Sufficient regions" in explanation.to_html()
    without, _ = explain(of_boxes(np.minimum), image, sets=False, affine=np.eye(4))
    assert without.sets is None
    with pytest.raises(ValueError, match="content"):
        without.to_nifti(tmp_path / "x.nii.gz", content="sufficient")


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"sets": 1.5}, ValueError, "share"),
        ({"sets": 0.0}, ValueError, "share"),
        ({"sets": float("nan")}, ValueError, "share"),
        ({"sets": "predicted"}, ValueError, "predicted"),
        ({"sets": True, "activation": "value"}, ValueError, "plain value"),
    ],
    ids=str,
)
def test_wrong_shares_are_named(image, settings, error, text):
    with pytest.raises(error, match=text):
        explain(of_boxes(np.minimum), image, **settings)

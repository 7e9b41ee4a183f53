"""Explanations of functions: values, exceptions, axes, files."""

import _thread
import json
import threading
import warnings

import numpy as np
import pytest

import relevox


def grid(shape, step=4):
    """A partition into boxes."""
    axes = np.meshgrid(*(np.arange(n) // step for n in shape), indexing="ij")
    return (axes[0] * 100 + axes[1] * 10 + axes[2]).astype(np.int32)


def explain(model, image, **settings):
    settings = {"labels": grid(image.shape[1:]), "method": "perturb", "fill": "blank", "progress": False} | settings
    return relevox.explain(model, image, **settings)


def test_scores_are_the_changes_that_the_function_states(blob_model, blob_image):
    labels = grid(blob_image.shape[1:])
    explanation = explain(blob_model, blob_image)
    assert explanation.target == 1 and explanation.method == "perturb"
    assert np.allclose(explanation.logits, [0, 3])
    probability = 1 / (1 + np.exp(-3.0))
    assert explanation.probability == pytest.approx(probability, rel=1e-6)
    table = explanation._explained.table("perturb")
    changed = table["region"] == labels[4, 4, 4]
    assert changed.sum() == 1
    assert table["delta_logit"][changed] == pytest.approx(3, rel=1e-5)
    assert table["delta_p"][changed] == pytest.approx(probability - 0.5, rel=1e-5)
    assert np.all(table["delta_logit"][~changed] == 0)
    assert np.array_equal(explanation.map, np.where(labels == labels[4, 4, 4], np.float32(100), np.float32(0)))
    assert np.array_equal(explanation.mask(), labels == labels[4, 4, 4])
    assert np.array_equal(explanation.labels, labels)


def test_the_activation_and_the_target_select_the_logit(blob_model, blob_image):
    assert explain(blob_model, blob_image, activation="sigmoid").logit == pytest.approx(3, rel=1e-6)
    assert explain(blob_model, blob_image, target=0).logit == pytest.approx(-3, rel=1e-6)
    value = explain(blob_model, blob_image, activation="value", target=1)
    assert value.probability is None and value.logit == pytest.approx(3, rel=1e-6)
    one = explain(lambda batch: blob_model(batch)[:, 1], blob_image)
    assert one.logit == pytest.approx(3, rel=1e-6) and one.target == 0
    assert any("sigmoid" in line for line in one.assumed)


def test_fills_replace_regions(blob_model, blob_image):
    delta = lambda **settings: explain(blob_model, blob_image, **settings)._explained.table("perturb")["delta_logit"].max()
    assert delta(fill=0.5) == pytest.approx(1.5, rel=1e-5)
    assert delta(fill=[0.25]) == pytest.approx(2.25, rel=1e-5)
    mean = float(blob_image.mean(dtype=np.float64))
    assert delta(fill="mean") == pytest.approx(3 * (1 - mean), rel=1e-5)
    mask = np.zeros(blob_image.shape[1:], bool)
    mask[:2] = True
    assert delta(fill="mean", mask=mask) == pytest.approx(2.7, rel=1e-5)


def test_supervoxels_are_those_of_slic(blob_model, blob_image):
    blob_image[:, :3] = 0
    explanation = explain(blob_model, blob_image, labels=None, n_segments=20, compactness=0.5)
    mask = blob_image[0] != 0
    expected = relevox.slic(blob_image[0], n_segments=20, compactness=0.5, mask=mask, channel_axis=None)
    assert np.array_equal(explanation.labels, expected) and explanation.background == 0
    assert not explanation.map[:3].any()
    everything = explain(blob_model, blob_image, labels=None, n_segments=20, mask=np.ones(mask.shape))
    assert everything.background is None


def test_labels_below_0_and_backgrounds(blob_model, blob_image):
    labels = grid(blob_image.shape[1:]).astype(np.int64)
    labels[labels == 0] = -1
    explanation = explain(blob_model, blob_image, labels=labels, background=-1)
    assert explanation.background == -1 and np.array_equal(explanation.labels, labels)
    assert -1 not in explanation._explained.table("perturb")["region"]


def test_several_methods_share_their_passes(blob_model, blob_image):
    images = []

    def counted(batch):
        images.append(len(batch))
        return blob_model(batch)

    explanation = explain(counted, blob_image, method=["diffused", "perturb"])
    assert explanation.methods == ["diffused", "perturb"] and explanation.method == "diffused"
    assert explanation["perturb"].map.max() == 100
    regions = len(np.unique(grid(blob_image.shape[1:])))
    # The first call, and the whole image for the target and the baseline.
    assert sum(images) <= regions + 3
    with pytest.raises(KeyError):
        explanation["lime"]


@pytest.mark.parametrize("method", ["lime", "kernel-shap", "hierarchical", "rise", "occlusion"])
def test_other_methods_find_the_box(blob_model, blob_image, method):
    explanation = explain(blob_model, blob_image, method=method, samples=300, seed=3)
    box = np.zeros(blob_image.shape[1:], bool)
    box[4:8, 4:8, 4:8] = True
    if method == "occlusion":  # Its box is larger than the image.
        return
    assert explanation.map[box].mean() > 2 * explanation.map[~box].mean()


def test_gradcam_of_a_function_is_refused(blob_model, blob_image):
    with pytest.raises(ValueError, match="gradcam|Grad-CAM"):
        explain(blob_model, blob_image, method="gradcam")


def test_exceptions_of_the_function_are_raised_as_they_are(blob_model, blob_image):
    class Own(Exception):
        pass

    calls = []

    def failing(batch):
        calls.append(len(batch))
        if len(calls) > 3:
            raise Own("after three calls")
        return blob_model(batch)

    with pytest.raises(Own, match="after three calls"):
        explain(failing, blob_image, batch_size=2)


def test_ctrl_c_stops_the_work(blob_model, blob_image):
    calls = []

    def slow(batch):
        calls.append(len(batch))
        if len(calls) == 4:
            threading.Timer(0, _thread.interrupt_main).start()
            threading.Event().wait(0.2)
        return blob_model(batch)

    with pytest.raises(KeyboardInterrupt):
        explain(slow, blob_image, batch_size=1)
    assert len(calls) < 30


def test_the_batch_size_is_a_limit(blob_model, blob_image):
    sizes = []

    def counted(batch):
        sizes.append(len(batch))
        return blob_model(batch)

    explain(counted, blob_image, batch_size=5)
    assert max(sizes) == 5


@pytest.mark.parametrize(
    ("outputs", "error"),
    [
        (lambda batch: np.zeros((1, 1, 2)), ValueError),
        (lambda batch: {"logits": 1}, TypeError),
        (lambda batch: "text", TypeError),
        (lambda batch: np.full(len(batch), np.nan), ValueError),
    ],
)
def test_wrong_outputs_are_refused(blob_image, outputs, error):
    with pytest.raises(error, match="model|logit|outputs"):
        explain(outputs, blob_image)


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"fill": "median"}, ValueError, "fill"),
        ({"fill": [1, 2]}, ValueError, "fill"),
        ({"method": "saliency"}, ValueError, "method"),
        ({"method": []}, ValueError, "method"),
        ({"target": 2}, ValueError, "target"),
        ({"target": "tumour"}, ValueError, "target"),
        ({"target": 1.0}, TypeError, "target"),
        ({"activation": "tanh"}, ValueError, "activation"),
        ({"labels": np.zeros((2, 2, 2), int)}, ValueError, "labels"),
        ({"labels": np.full((12, 14, 16), 0.5)}, TypeError, "labels"),
        ({"labels": np.full((12, 14, 16), -2)}, ValueError, "labels"),
        ({"mask": np.zeros((2, 2, 2))}, ValueError, "mask"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"labels": None, "channel": 1}, ValueError, "channel"),
        ({"labels": None, "n_segments": 0}, ValueError, "regions"),
        ({"affine": np.zeros((4, 4))}, ValueError, "affine"),
        ({"channel_names": ["a", "b"]}, ValueError, "channel_names"),
    ],
    ids=str,
)
def test_wrong_arguments_are_named(blob_model, blob_image, settings, error, text):
    with pytest.raises(error, match=text):
        explain(blob_model, blob_image, **settings)


def test_models_and_images_of_other_kinds_are_refused(blob_model, blob_image, tmp_path):
    with pytest.raises(TypeError, match="model"):
        explain(3, blob_image)
    with pytest.raises(FileNotFoundError):
        explain(tmp_path / "absent.onnx", blob_image)
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"no network")
    with pytest.raises(ValueError, match="damaged.onnx"):
        explain(damaged, blob_image)
    with pytest.raises(ValueError, match="image"):
        relevox.explain(blob_model, blob_image[0])
    with pytest.raises(ValueError, match="finite|image"):
        explain(blob_model, np.full_like(blob_image, np.nan))
    with pytest.raises(ValueError, match="image"):
        relevox.explain(blob_model, np.zeros_like(blob_image), progress=False)


def test_a_map_that_ranks_nothing_is_said(blob_image):
    with pytest.warns(UserWarning, match="no region changes the output"):
        explanation = explain(lambda batch: np.zeros((len(batch), 2)), blob_image)
    assert not explanation.map.any() and not explanation.mask().any() and explanation.threshold() is None
    assert explanation.overview() and explanation.to_html()


def test_a_function_that_does_not_repeat_its_answer_is_said(blob_image):
    rng = np.random.default_rng(0)
    with pytest.warns(UserWarning, match="repeats its answer"):
        explain(lambda batch: rng.normal(size=(len(batch), 2)), blob_image, target=0)


def test_batches_of_one_and_other_types_are_taken(blob_model, blob_image):
    expected = explain(blob_model, blob_image).map
    labels = grid(blob_image.shape[1:])
    assert np.array_equal(explain(blob_model, blob_image[None], labels=labels).map, expected)
    assert np.array_equal(explain(blob_model, blob_image.astype(np.float64)).map, expected)
    turned = np.asfortranarray(blob_image)
    assert np.array_equal(explain(blob_model, turned).map, expected)
    assert any("rounded" in line for line in explain(blob_model, blob_image.astype(np.float64) + 1e-9).assumed)


def test_progress_goes_to_stderr(blob_model, blob_image, capsys):
    explain(blob_model, blob_image, progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    explain(blob_model, blob_image)
    assert capsys.readouterr().err == ""


def test_scores_are_a_table(blob_model, blob_image):
    scores = explain(blob_model, blob_image).scores
    columns = ["region", "voxels", "value", "relevance", "p_original", "p_perturbed", "delta_p", "delta_logit"]
    assert list(scores) == columns
    try:
        import pandas
    except ImportError:
        assert isinstance(scores, dict)
    else:
        assert isinstance(scores, pandas.DataFrame) and scores.voxels.sum() == blob_image.size


def test_nifti_files_lie_where_the_affine_says(blob_model, blob_image, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    affine = np.array([[0, -2.0, 0, 10], [0, 0, 1.5, -20], [3.0, 0, 0, 30], [0, 0, 0, 1]])
    explanation = explain(blob_model, blob_image, affine=affine)
    assert np.array_equal(explanation.affine, affine)
    explanation.to_nifti(tmp_path / "map.nii.gz")
    explanation.to_nifti(tmp_path / "mask.nii", content="mask", threshold=50)
    explanation.to_nifti(str(tmp_path / "labels.nii.gz"), np.eye(4), content="labels")
    for name, expected, placed in [
        ("map.nii.gz", explanation.map, affine),
        ("mask.nii", explanation.mask(50), affine),
        ("labels.nii.gz", explanation.labels, np.eye(4)),
    ]:
        file = nibabel.load(tmp_path / name)
        assert np.allclose(file.affine, placed) and np.array_equal(np.asarray(file.dataobj), expected)
    with pytest.raises(ValueError, match="affine"):
        explain(blob_model, blob_image).to_nifti(tmp_path / "none.nii.gz")
    with pytest.raises(ValueError, match="content"):
        explanation.to_nifti(tmp_path / "x.nii.gz", content="voxels")


def test_pages_and_pictures(blob_model, blob_image):
    explanation = explain(blob_model, blob_image, affine=np.eye(4), name="case & 1", channel_names=["flair"])
    page = explanation.to_html()
    assert page.lower().startswith("<!doctype html>") and "case &amp; 1" in page and "flair" in page
    frame = explanation._repr_html_()
    assert frame.startswith("<iframe srcdoc=") and "<!doctype" not in frame.lower()
    assert explanation.overview().startswith(b"\x89PNG")
    assert "12 × 14 × 16" in repr(explanation) and "case & 1" in repr(explanation)


def test_saved_files_are_those_of_the_program(blob_model, blob_image, tmp_path):
    explanation = explain(blob_model, blob_image, method=("diffused", "perturb"))
    explanation.save(tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    of_methods = {f"{method}{end}" for method in explanation.methods for end in (".nii.gz", "-mask.nii.gz", ".csv", ".npy")}
    assert names == of_methods | {"overview.png", "index.html", "explanation.json"}
    document = json.loads((tmp_path / "out" / "explanation.json").read_text())
    assert document["target"] == {"output": 1, "class": "output 1", "link": "softmax"}
    header = (tmp_path / "out" / "perturb.csv").read_text().splitlines()[0]
    assert header == "region,voxels,p_original,p_perturbed,delta_p,delta_logit,relevance"
    assert np.array_equal(np.load(tmp_path / "out" / "perturb.npy"), explanation["perturb"].map)


def test_work_in_another_thread_leaves_python_free(blob_model, blob_image):
    found = []
    threads = [threading.Thread(target=lambda: found.append(explain(blob_model, blob_image).map)) for _ in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 3 and all(np.array_equal(found[0], other) for other in found)

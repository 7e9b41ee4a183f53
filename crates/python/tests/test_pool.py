"""Relevance pooled over several images, and averaged over several partitions."""

import numpy as np
import pytest

import relevox
from test_explain import grid

SHAPE = (12, 12, 12)


def image_of(seed):
    """Noise with a bright box, one of the regions of the grid."""
    rng = np.random.default_rng(seed)
    image = rng.normal(1, 0.05, (1, *SHAPE)).astype(np.float32)
    corner = 4 * rng.integers(0, 3, 3)
    box = tuple(slice(at, at + 4) for at in corner)
    image[(0, *box)] += 1
    return image, box


def bright(batch):
    """Answers for bright voxels."""
    return (batch > 1.5).mean(axis=(1, 2, 3, 4))[:, None] * 100 - 2


def noise(batch):
    """Answers to what has no meaning: single voxels."""
    return 20 * np.sin(100 * batch.reshape(len(batch), -1)).mean(axis=1)[:, None]


def explained(model, image, method="perturb"):
    return relevox.explain(model, image, labels=grid(SHAPE), method=method, fill="mean", progress=False)


@pytest.fixture
def images():
    return [image_of(seed) for seed in range(5)]


def maps(explanations):
    return [one.map for one in explanations]


def test_the_appearance_of_other_images_says_what_matters(images):
    labels = grid(SHAPE)
    cases = [explained(bright, image) for image, _ in images]
    pooled = relevox.pool(cases, leaf=1, progress=False)
    for one, own, (_, box) in zip(pooled, cases, images):
        assert one.method == "pooled" and one.methods == ["perturb", "pooled"]
        assert np.array_equal(one["perturb"].map, own.map) and own.methods == ["perturb"]
        table = one._explained.table("pooled")
        assert table["region"][np.argmax(table["relevance"])] == labels[box][0, 0, 0]
        assert one.map[box].min() == 100 and one.mask()[box].all()
        assert "Pooled relevance" in one.to_html() and one.overview().startswith(b"\x89PNG")
        assert one.logit == own.logit


def test_no_image_learns_from_itself_or_its_patient(images):
    cases = [explained(bright, image) for image, _ in images]
    before = maps(relevox.pool(cases, seed=3, progress=False))
    assert all(np.array_equal(a, b) for a, b in zip(before, maps(relevox.pool(cases, seed=3, progress=False))))
    # The relevance of the first is another: only predictions of the others change.
    other = [explained(noise, images[0][0]), *cases[1:]]
    after = maps(relevox.pool(other, seed=3, progress=False))
    assert np.array_equal(after[0], before[0])
    assert all(not np.array_equal(a, b) for a, b in zip(after[1:], before[1:]))
    groups = ["a", "a", "b", "c", "d"]
    grouped = [maps(relevox.pool(some, groups, seed=3, progress=False)) for some in (cases, other)]
    assert [np.array_equal(a, b) for a, b in zip(*grouped)] == [True, True, False, False, False]


def test_the_relevance_of_the_chosen_method_is_pooled(images):
    cases = [explained(bright, image, ["diffused", "perturb"]) for image, _ in images]
    pooled = relevox.pool([one["perturb"] for one in cases], progress=False)
    alone = relevox.pool([explained(bright, image) for image, _ in images], progress=False)
    assert all(np.array_equal(a.map, b.map) for a, b in zip(pooled, alone))
    again = relevox.pool([one["perturb"] for one in pooled], seed=9, progress=False)
    assert again[0].methods == ["diffused", "perturb", "pooled"]


def test_what_cannot_be_pooled_is_named(images):
    cases = [explained(bright, image) for image, _ in images]
    for some, settings, text in [
        (cases[:1], {}, "2 patients"),
        ([], {}, "2 patients"),
        (cases, {"groups": ["a"] * 5}, "2 patients"),
        (cases, {"groups": ["a"]}, "groups"),
        (cases, {"trees": 0}, "trees"),
        (cases, {"leaf": 0}, "leaf"),
        (cases, {"parts": 1}, "parts"),
    ]:
        with pytest.raises(ValueError, match=text):
            relevox.pool(some, progress=False, **settings)
    two = np.concatenate([images[0][0]] * 2)
    with pytest.raises(ValueError, match="features"):
        relevox.pool([*cases, explained(bright, two)], progress=False)
    averaged = explained(bright, images[0][0], ["averaged"])
    with pytest.raises(ValueError, match="method by region"):
        relevox.pool([*cases, averaged], progress=False)
    more = relevox.explain(bright, images[1][0], method="averaged", n_segments=9, partitions=[(0, 5), (0, 7)], progress=False)
    for others in (cases, [more]):
        with pytest.raises(ValueError, match="averaged over 2 partitions"):
            relevox.pool([averaged, *others], progress=False)
    with pytest.raises(ValueError, match="single case"):
        explained(bright, images[0][0], "pooled")


@pytest.fixture
def labelled():
    """Images of two classes: a box is bright in one of them and dark in the other."""
    cases = []
    for seed in range(12):
        image, box = image_of(seed)
        if seed % 2:
            image[(0, *box)] -= 1.9
        cases.append((image, box, seed % 2 == 0))
    return cases


def signed(batch):
    """Bright voxels speak for the class, dark ones against it."""
    return ((batch > 1.5) * 1.0 - (batch < 0.5) * 1.0).mean(axis=(1, 2, 3, 4))[:, None] * 50


def test_what_speaks_for_the_labels_is_kept(labelled):
    cases = [explained(signed, image) for image, _, _ in labelled]
    labels = [label for _, _, label in labelled]
    # Six images have a bright box, and six a dark one: five others are like it.
    pooled = relevox.pool(cases, labels=labels, neighbours=5, progress=False)
    for one, (_, box, _) in zip(pooled, labelled):
        assert one.method == "pooled-label" and one.methods == ["perturb", "pooled-label"]
        inside = np.zeros(SHAPE, bool)
        inside[box] = True
        assert np.array_equal(one.map == 100, inside) and not one.map[~inside].any()
        assert np.array_equal(one.mask(), inside)
        assert "Pooled relevance for the label" in one.to_html()
    without = relevox.pool(cases, labels=[seed // 2 % 2 == 0 for seed in range(12)], neighbours=5, progress=False)
    assert not any(one.map.any() for one in without)
    # With all regions of the others as neighbours, every region of an image has the same evidence.
    assert all(len(np.unique(one.map)) == 1 for one in relevox.pool(cases, labels=labels, neighbours=10**6, progress=False))


def test_what_has_no_evidence_for_labels_is_named(labelled):
    cases = [explained(signed, image) for image, _, _ in labelled]
    labels = [label for _, _, label in labelled]
    pooled = relevox.pool(cases, progress=False)
    for some, of, settings, text in [
        (cases, labels[1:], {}, "12 cases"),
        (cases, [True] * 12, {}, "both classes"),
        (cases, labels, {"groups": ["a"] * 12}, "2 patients"),
        (cases, [2, *labels[1:]], {}, "True or False, found 2"),
        (cases, labels, {"neighbours": 0}, "neighbours"),
        (cases, labels, {"errors": -1}, "errors"),
        (pooled, labels, {}, "signed values"),
    ]:
        with pytest.raises(ValueError, match=text):
            relevox.pool(some, labels=of, progress=False, **settings)


def test_partitions_are_averaged(images):
    image = np.concatenate([images[0][0], images[1][0] * 0.7])
    settings = {"fill": "blank", "progress": False, "compactness": 0.3}

    def single(channel, n_segments):
        return relevox.explain(bright, image, method="diffused", channel=channel, n_segments=n_segments, **settings).map

    def mean(*maps):
        total = np.sum(maps, axis=0, dtype=np.float32)
        return (total - total.min()) / (total.max() - total.min()) * 100

    def averaged(**more):
        return relevox.explain(bright, image, method=["averaged", "diffused"], n_segments=10, **settings, **more)

    found = averaged(partitions=[(1, 20), (0, 30)])
    assert np.abs(found.map - mean(single(0, 10), single(1, 20), single(0, 30))).max() < 1e-3
    assert np.array_equal(found["diffused"].map, single(0, 10))
    by_region = [found.map[found.labels == region].mean() for region in found._explained.table("averaged")["region"]]
    assert np.allclose(found.relevance, by_region, atol=1e-3)
    assert np.array_equal(averaged().map, averaged(partitions=[(0, 10), (0, 25)]).map)
    for partitions, text in [([(2, 20)], "channel from 0 to 1"), ([(0, 10)], "differs"), ([(1, 9), (1, 9)], "twice"), ([], "differs")]:
        with pytest.raises(ValueError, match=text):
            averaged(partitions=partitions)
    with pytest.raises(ValueError, match="averaged"):
        relevox.explain(bright, image, partitions=[(0, 5)], progress=False)


def test_relevance_of_each_partition_is_pooled_and_averaged_with_its_own(images):
    several = [np.concatenate([image, image * 0.7]) for image, _ in images]

    def noisy(batch):
        return bright(batch) + noise(batch)

    def explanations(method, **regions):
        return [relevox.explain(noisy, image, method=method, fill="mean", compactness=0.3, progress=False, **regions) for image in several]

    averaged = relevox.pool(explanations("averaged", n_segments=10, partitions=[(1, 30)]), leaf=1, seed=2, progress=False)
    partitions = [explanations("diffused", channel=channel, n_segments=count) for channel, count in [(0, 10), (1, 30)]]
    pooled = [relevox.pool(cases, leaf=1, seed=2, progress=False) for cases in partitions]
    for found, *single in zip(averaged, *partitions, *pooled):
        total = np.sum([one.map for one in single], axis=0)
        assert np.abs(found.map - (total - total.min()) / (total.max() - total.min()) * 100).max() < 1e-3
        assert found.method == "averaged-pooled" and found.methods == ["averaged", "averaged-pooled"]
        assert not np.array_equal(found.map, found["averaged"].map)
        assert "Averaged and pooled relevance" in found.to_html()

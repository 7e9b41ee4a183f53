"""Networks of PyTorch against PyTorch itself, Captum and MONAI."""

import warnings

import numpy as np
import pytest

import relevox

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402


class Small(nn.Module):
    """Two convolutions, a mean and a linear layer."""

    def __init__(self, channels=2, outputs=3, last=None):
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Conv3d(channels, 6, 3, padding=1)
        self.norm = nn.BatchNorm3d(6)
        self.second = nn.Conv3d(6, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, outputs)
        self.last = last or nn.Identity()
        nn.init.normal_(self.head.weight)

    def forward(self, x):
        x = torch.relu(self.norm(self.first(x)))
        return self.last(self.head(torch.relu(self.second(x)).mean((2, 3, 4))))


class Unexportable(Small):
    """Sorts voxels, for which there is no operation."""

    def forward(self, x):
        order = x.flatten(2).sort(-1).values[..., -9:].mean((1, 2), keepdim=True)
        return super().forward(x) + order[:, 0]


@pytest.fixture
def image():
    torch.manual_seed(0)
    return torch.rand(1, 2, 16, 18, 20)


@pytest.fixture
def regions():
    axes = torch.meshgrid(*(torch.arange(n) // 6 for n in (16, 18, 20)), indexing="ij")
    return (axes[0] * 16 + axes[1] * 4 + axes[2])[None, None]


@pytest.fixture
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


def assert_close(found, expected, tolerance=1e-5, outputs=0.0):
    """Equal within a share of the largest value, beside the rounding of outputs of which they are differences."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    rounding = 2.0**-22 * float(np.abs(np.asarray(outputs)).max())
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max() + rounding


def outputs_of(net, image):
    with torch.no_grad():
        return net(image)


def test_modules_are_exported_and_agree_with_passes_through_them(image, regions, no_warning):
    net = Small().train()
    labels = regions[0, 0].numpy()
    settings = {"labels": labels, "fill": "blank", "method": "perturb", "progress": False}
    found = relevox.explain(net, image, **settings)
    assert net.training and net.norm.training
    net.eval()
    with torch.no_grad():
        assert_close(found.logits, net(image)[0], 1e-5)
    by_calls = relevox.explain(lambda batch: net(batch), image, **settings)
    table, expected = found._explained.table("perturb"), by_calls._explained.table("perturb")
    assert_close(table["delta_logit"], expected["delta_logit"], 1e-4)
    assert not any("called" in line for line in found.assumed)


def test_changed_parameters_are_exported_again(image, regions, no_warning):
    net = Small().eval()
    settings = {"labels": regions[0, 0], "method": "perturb", "progress": False}
    first = relevox.explain(net, image, **settings).logits
    assert np.array_equal(relevox.explain(net, image, **settings).logits, first)
    with torch.no_grad():
        net.head.bias.add_(1e-4)
    assert_close(relevox.explain(net, image, **settings).logits, first + np.float32(1e-4), 1e-5)


def test_modules_that_cannot_be_exported_are_called(image, regions):
    net = Unexportable().eval()
    with pytest.warns(UserWarning, match="called in batches"):
        found = relevox.explain(net, image, labels=regions[0, 0], method="perturb", fill="blank", progress=False)
    with torch.no_grad():
        assert_close(found.logits, net(image)[0])
    assert any("called in batches" in line for line in found.assumed)


@pytest.mark.parametrize(("last", "outputs"), [(nn.Softmax(1), 3), (nn.Sigmoid(), 1)])
def test_a_last_activation_is_left_out_of_explanations_and_not_of_ablations(image, regions, last, outputs, no_warning):
    net = Small(outputs=outputs, last=last).eval()
    found = relevox.explain(net, image, labels=regions[0, 0], method="perturb", progress=False, target=0)
    with torch.no_grad():
        assert found.probability == pytest.approx(float(net(image)[0, 0]), rel=1e-4)
    captum = pytest.importorskip("captum.attr")
    expected = captum.FeatureAblation(net).attribute(image, target=0, feature_mask=regions)
    attributions = relevox.FeatureAblation(net).attribute(image, target=0, feature_mask=regions)
    assert_close(attributions, expected, outputs=outputs_of(net, image))


def test_files_of_networks(image, regions, tmp_path, no_warning):
    net = Small().eval()
    path = tmp_path / "net.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (image,), str(path), dynamo=False)
    settings = {"labels": regions[0, 0], "method": "perturb", "progress": False}
    found, expected = relevox.explain(path, image, **settings), relevox.explain(net, image, **settings)
    assert np.array_equal(found.logits, expected.logits) and np.array_equal(found.map, expected.map)
    assert relevox.explain(str(path), image, **settings).target == expected.target
    cam = relevox.explain(path, image, method="gradcam", progress=False)
    assert cam.map.shape == image.shape[2:]
    half = image[:, :, :8]
    assert_close(relevox.explain(path, half, **(settings | {"labels": regions[0, 0, :8]})).logits, outputs_of(net, half)[0])


def test_tensors_go_to_functions_as_tensors(image, regions):
    net, kinds = Small().eval(), set()

    def function(batch):
        kinds.add(type(batch))
        return net(batch)

    relevox.explain(function, image, labels=regions[0, 0], progress=False)
    assert kinds == {torch.Tensor}


@pytest.mark.parametrize(
    "settings",
    [
        {"target": 1},
        {"target": 2, "baselines": 0.5},
        {"target": torch.tensor(0), "perturbations_per_eval": 3},
        {"target": 1, "baselines": "image"},
    ],
    ids=str,
)
def test_ablations_are_those_of_captum(image, regions, settings, no_warning):
    captum = pytest.importorskip("captum.attr")
    net = Small().eval()
    if settings.get("baselines") == "image":
        settings = settings | {"baselines": image.flip(2)}
    expected = captum.FeatureAblation(net).attribute(image, feature_mask=regions, **settings)
    for forward in (net, lambda batch: net(batch)):
        found = relevox.FeatureAblation(forward).attribute(image, feature_mask=regions, **settings)
        assert isinstance(found, torch.Tensor) and found.dtype == expected.dtype
        assert_close(found, expected, outputs=outputs_of(net, image))


def test_ablations_of_batches_and_of_single_channels(image, regions, no_warning):
    captum = pytest.importorskip("captum.attr")
    net = Small().eval()
    images = torch.cat([image, image.flip(4) * 0.5])
    by_channel = torch.cat([regions, regions + 100], 1)
    for settings in (
        {"feature_mask": by_channel, "target": [1, 2]},
        {"feature_mask": torch.cat([by_channel, by_channel.flip(2)]), "target": 0},
    ):
        expected = captum.FeatureAblation(net).attribute(images, **settings)
        found = relevox.FeatureAblation(net).attribute(images, **settings)
        assert_close(found, expected, outputs=outputs_of(net, images))


def test_each_element_is_a_feature_without_a_mask(no_warning):
    captum = pytest.importorskip("captum.attr")
    net = Small(channels=1, outputs=1).eval()
    image = torch.rand(1, 1, 4, 5, 4)
    expected = captum.FeatureAblation(net).attribute(image)
    assert_close(relevox.FeatureAblation(net).attribute(image), expected, outputs=outputs_of(net, image))


def test_all_outputs_without_a_target(image, regions, no_warning):
    captum = pytest.importorskip("captum.attr")
    net = Small().eval()
    expected = captum.FeatureAblation(net).attribute(image, feature_mask=regions)
    found = relevox.FeatureAblation(net).attribute(image, feature_mask=regions)
    assert_close(found, expected, outputs=outputs_of(net, image))


def test_what_captum_alone_can_do_is_refused(image, regions):
    ablation = relevox.FeatureAblation(Small().eval())
    for settings in ({"inputs": (image, image)}, {"inputs": image, "additional_forward_args": 1}):
        with pytest.raises(NotImplementedError):
            ablation.attribute(target=0, **settings)
    with pytest.raises(TypeError, match="float32"):
        ablation.attribute(image.double(), target=0)
    with pytest.raises(ValueError, match="inputs"):
        ablation.attribute(image[0], target=0)
    with pytest.raises(ValueError, match="target"):
        ablation.attribute(image, target=3, feature_mask=regions)
    with pytest.raises(ValueError, match="feature_mask"):
        ablation.attribute(image, target=0, feature_mask=regions[..., :5])


def test_metatensors_bring_their_affine(tmp_path):
    data = pytest.importorskip("monai.data")
    nibabel = pytest.importorskip("nibabel")
    affine = torch.tensor([[-2.0, 0, 0, 9], [0, 0, 1, 3], [0, 3, 0, -5], [0, 0, 0, 1]], dtype=torch.float64)
    image = data.MetaTensor(torch.rand(1, 8, 9, 10) + 0.1, affine=affine)
    labels = torch.arange(8)[:, None, None].expand(8, 9, 10)
    explanation = relevox.explain(
        lambda batch: batch[:, 0, :4].mean((1, 2, 3)), image, labels=labels, method="perturb", fill="blank", progress=False
    )
    explanation.to_nifti(tmp_path / "map.nii.gz")
    file = nibabel.load(tmp_path / "map.nii.gz")
    assert np.allclose(file.affine, affine) and np.array_equal(np.asarray(file.dataobj), explanation.map)


def test_networks_of_monai(no_warning):
    nets = pytest.importorskip("monai.networks.nets")
    captum = pytest.importorskip("captum.attr")
    torch.manual_seed(0)
    net = nets.DenseNet121(spatial_dims=3, in_channels=1, out_channels=2).eval()
    image = torch.rand(1, 1, 32, 32, 32)
    mask = torch.as_tensor(relevox.slic(image[0, 0].numpy(), n_segments=6, channel_axis=None))[None, None]
    found = relevox.FeatureAblation(net).attribute(image, target=1, feature_mask=mask)
    expected = captum.FeatureAblation(net).attribute(image, target=1, feature_mask=mask)
    assert_close(found, expected, 1e-4, outputs=outputs_of(net, image))

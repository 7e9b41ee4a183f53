"""Images and a small network for all tests."""

import numpy as np
import pytest


@pytest.fixture
def volume():
    """Builds a volume of blobs and noise in single precision."""

    def build(shape, seed=0):
        rng = np.random.default_rng(seed)
        axes = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
        values = sum(np.sin(axis / (2 + at)) for at, axis in enumerate(axes))
        return (values + rng.normal(0, 0.3, shape)).astype(np.float32)

    return build


@pytest.fixture
def blob_model():
    """A function whose second output is the mean of a box, the only place that it looks at."""

    def model(batch):
        inside = batch[:, 0, 4:8, 4:8, 4:8].mean(axis=(1, 2, 3))
        return np.stack([np.zeros_like(inside), 3 * inside], axis=1)

    return model


@pytest.fixture
def blob_image():
    """An image of small values with a bright box."""
    image = np.full((1, 12, 14, 16), 0.1, dtype=np.float32)
    image[0, 4:8, 4:8, 4:8] = 1
    return image

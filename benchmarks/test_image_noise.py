"""The measure of noise, on a few pictures and the demo model."""

from __future__ import annotations

import image_noise
import numpy as np
import pytest

from negtrace.data.demo_world.drawing import render
from negtrace.data.demo_world.items import sample_items


@pytest.fixture(scope="module")
def items():
    return list(sample_items(6, 0))


@pytest.fixture(scope="module")
def files(items):
    rng = np.random.default_rng(0)
    return [image_noise.jpeg(image_noise.textured(render(item.scene, 512), rng)) for item in items]


@pytest.fixture(scope="module")
def loaded():
    return next(model for name, model, _ in image_noise.models() if name == "demo model")


def test_own_way_is_the_pipelines_transform(files, loaded):
    picture = image_noise.pillow(files[0])
    pixels = loaded.preprocess.transforms[-1](image_noise.OWN(files[0], 48))
    assert (pixels == loaded.preprocess(picture)).all()


def test_every_way_gives_pixels_that_differ_as_much_as_it_says(files):
    own = [image_noise.OWN(file, 48) for file in files]
    moved = {}
    for (kind, way), read in image_noise.WAYS.items():
        pixels = [read(file, 48) for file in files]
        assert all(p.shape == (3, 48, 48) and p.min() >= 0 and p.max() <= 1 for p in pixels)
        moved[kind, way] = max(float((a - b).abs().max()) for a, b in zip(pixels, own, strict=True))
    assert 0 < moved[image_noise.RIGHT, "resized as float tensor"] < 0.05
    assert moved[image_noise.OTHER, "without antialiasing"] > 0.2
    assert all(value > 0 for (kind, _), value in moved.items() if kind == image_noise.OTHER)


def test_noise_of_d_by_hand(items, loaded):
    """A change along one item's sentences moves its d by the square of their difference."""
    differences = image_noise.sentence_differences(loaded, items)
    own = np.eye(len(items), differences.shape[1])
    change = differences / np.square(differences).sum(axis=1, keepdims=True)
    found = image_noise.noise_of_d(loaded, items, own, change)
    assert found["share"] < 1e-5  # every d moves by exactly 1
    assert found["common"] > 1e5
    present = np.arange(len(items)) % 2 == 1  # how the demo's items are dealt
    found = image_noise.noise_of_d(loaded, items, own, change * np.where(present, 3, 1)[:, None])
    d = np.diagonal(differences)
    assert found["share"] == pytest.approx(1 / d.std(), rel=1e-4)
    assert found["common"] == pytest.approx(3, rel=1e-4)

"""Statistics of batch normalisation from images, against the batches' own moments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dicecast.networks.unet import UNet
from dicecast.training.initial import by_layer
from dicecast.training.normalisation import with_statistics_of


@pytest.fixture(scope="module")
def backbone(trainer: Any) -> Any:
    return trainer(0)


def test_the_first_statistics_are_the_moments_of_the_first_convolution(
    backbone: Any, trainer: Any
) -> None:
    images = trainer.data.train.images[:20]
    refreshed = with_statistics_of(backbone, images, 8)
    convolved = backbone.with_layers(first="encoder_0_conv_1")
    raw = by_layer(backbone.network, backbone.weights)
    kernel = raw["encoder_0_conv_1"][0]
    padded = np.pad(images / 255.0, [(0, 0), (1, 1), (1, 1), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    outputs = np.einsum("nhwcij,ijcf->nhwf", windows, kernel)
    batches = [outputs[:8], outputs[8:16]]
    *_, mean, variance = by_layer(refreshed.network, refreshed.weights)["encoder_0_norm_1"]
    np.testing.assert_allclose(mean, np.mean([b.mean((0, 1, 2)) for b in batches], 0), rtol=1e-4)
    np.testing.assert_allclose(variance, np.mean([b.var((0, 1, 2)) for b in batches], 0), rtol=2e-3)
    assert convolved.key == backbone.key


def test_nothing_but_the_statistics_changes(backbone: Any, trainer: Any) -> None:
    before = [np.array(w) for w in backbone.weights]
    refreshed = with_statistics_of(backbone, trainer.data.train.images[:8])
    for one, other in zip(backbone.weights, before, strict=True):
        np.testing.assert_array_equal(one, other)
    trainable = len(backbone.network.trainable_variables)
    for one, other in zip(refreshed.weights[:trainable], before[:trainable], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(refreshed.weights[-1], before[-1])


def test_the_order_of_the_images_of_a_batch_does_not_matter(backbone: Any, trainer: Any) -> None:
    images = trainer.data.train.images[:8]
    one, other = (with_statistics_of(backbone, i) for i in (images, images[::-1]))
    for a, b in zip(one.weights, other.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_network_without_batch_normalisation_is_left_alone(trainer: Any) -> None:
    plain = trainer(0, normalisation="none", epochs=1)
    assert with_statistics_of(plain, trainer.data.train.images[:8]) is plain
    assert isinstance(trainer.architecture, UNet)

"""The probabilistic U-Net: its divergence, and where its latent variable comes from."""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, stats

from dicecast.networks.noise import Noise, noise_in_network
from dicecast.networks.truth import truth_in_network
from dicecast.networks.unet import UNet
from dicecast.plugins import estimators

MODULE: Any = sys.modules[estimators.get("probabilistic_unet").__module__]
RNG = np.random.default_rng(0)


def test_the_divergence_is_the_integral() -> None:
    posterior, prior = np.array([[0.3, -0.4]]), np.array([[-0.5, 0.2]])
    first, second = (stats.norm(p[0, 0], np.exp(p[0, 1])) for p in (posterior, prior))
    expected, _ = integrate.quad(
        lambda x: first.pdf(x) * (first.logpdf(x) - second.logpdf(x)), -15, 15
    )
    found = MODULE.gaussian_divergence(*(p.astype(np.float32) for p in (posterior, prior)))
    assert float(found[0]) == pytest.approx(expected, rel=1e-5)
    both = np.concatenate([posterior, posterior], axis=1)[:, [0, 0, 1, 1]].astype(np.float32)
    assert float(MODULE.gaussian_divergence(both, both * 0 + both)[0]) == pytest.approx(0, abs=1e-6)


@pytest.fixture(scope="module")
def latent() -> Any:
    head = MODULE.LatentHead(3, 2, 1.0)
    layer = MODULE.Latent(head, 2, "latent")
    images = keras.Input((8, 8, 3))
    layer([keras.Input((6,)), images])
    return layer


def inputs() -> list[np.ndarray]:
    prior = RNG.normal(size=(2, 6)).astype(np.float32)
    return [prior, RNG.random((2, 8, 8, 3)).astype(np.float32)]


def noise(shared: bool) -> Noise:
    return Noise(np.int32(1), np.int32(0), shared=shared)


def test_without_truth_it_is_drawn_from_the_prior(latent: Any) -> None:
    prior, images = inputs()
    np.testing.assert_array_equal(ops.convert_to_numpy(latent([prior, images])), prior[:, :3])
    with noise_in_network(noise(shared=True)):
        drawn = ops.convert_to_numpy(latent([prior, images]))
    standard = (drawn - prior[:, :3]) / np.exp(prior[:, 3:])
    np.testing.assert_allclose(standard[0], standard[1], rtol=1e-4)
    assert not latent.losses


def test_with_the_truth_it_is_drawn_from_the_posterior(latent: Any) -> None:
    prior, images = inputs()
    masks = np.zeros((2, 8, 8), np.int32)
    found = []
    for truth in (masks, masks + 1):
        with truth_in_network(truth), noise_in_network(noise(shared=False)):
            found.append(ops.convert_to_numpy(latent([prior, images])))
    assert not np.allclose(*found)
    with truth_in_network(masks), noise_in_network(noise(shared=False)):
        elsewhere = ops.convert_to_numpy(latent([prior + 5, images]))
    np.testing.assert_array_equal(elsewhere, found[0])


def test_the_posterior_learns(trainer: Any) -> None:
    head = MODULE.LatentHead(2, 2, 1.0)
    backbone = trainer(0, epochs=2, heads={"logits": head})
    moved = {layer.name for layer in backbone.network.layers if "latent" in layer.name}
    assert moved == {"logits_latent"}
    fresh = trainer(0, epochs=1, heads={"logits": head})
    layer = backbone.network.get_layer("logits_latent")
    places = {id(v): i for i, v in enumerate(backbone.network.trainable_variables)}
    for variable in layer.trainable_variables:
        place = places[id(variable)]
        assert not np.array_equal(backbone.weights[place], fresh.weights[place])


def test_it_fits_networks_of_other_sizes_and_classes() -> None:
    head = MODULE.LatentHead(2, 2, 1.0)
    network = UNet(width=2, depth=1, heads={"logits": head}).build((10, 14, 1), 4)
    assert network.output["logits"].shape == (None, 10, 14, 4)

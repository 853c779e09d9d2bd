from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, stats

from dicecast.networks.backend import compiled
from dicecast.networks.contract import ConvolutionSpec
from dicecast.networks.noise import Noise, noise_in_network
from dicecast.plugins import estimators

MODULE: Any = sys.modules[estimators.get("rank1_bayesian").__module__]
PRIOR = 0.1
DRAWS = 3000


def make(components: int = 2) -> Any:
    """A 1x1 convolution of 2 channels to 3, with means and deviations that all differ."""
    settings = MODULE.RankOnePosterior(components, PRIOR, initial_std=0.05)
    layer = settings.layer(ConvolutionSpec(3, 1, False, "conv"))
    layer.build((None, 1, 1, 2))
    rng = np.random.default_rng(0)
    for gaussian in layer.gaussians.values():
        gaussian["mean"].assign(rng.normal(1.0, 0.2, gaussian["mean"].shape))
        gaussian["spread"].assign(rng.normal(-2.0, 0.5, gaussian["spread"].shape))
    return layer


def parameters(layer: Any, side: str) -> tuple[np.ndarray, np.ndarray]:
    mean, spread = (ops.convert_to_numpy(layer.gaussians[side][k]) for k in ("mean", "spread"))
    return mean.astype(np.float64), np.log1p(np.exp(spread.astype(np.float64)))


def integrated(mean: float, std: float) -> float:
    """KL(N(mean, std) || N(1, PRIOR)) by quadrature."""
    posterior, prior = stats.norm(mean, std), stats.norm(1.0, PRIOR)

    def integrand(value: float) -> float:
        return float(posterior.pdf(value) * (posterior.logpdf(value) - prior.logpdf(value)))

    return float(integrate.quad(integrand, mean - 12 * std, mean + 12 * std)[0])


def test_the_divergence_is_the_integral_averaged_over_components() -> None:
    layer = make()
    layer(np.ones((1, 1, 1, 2), np.float32))
    pairs = [
        pair
        for side in ("incoming", "outgoing")
        for pair in zip(*(values.ravel() for values in parameters(layer, side)), strict=True)
    ]
    assert len(pairs) == 2 * (2 + 3)
    expected = sum(integrated(*pair) for pair in pairs) / 2
    (loss,) = layer.losses
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_a_posterior_equal_to_the_prior_costs_nothing() -> None:
    layer = MODULE.RankOnePosterior(3, PRIOR, PRIOR).layer(ConvolutionSpec(3, 1, False, "conv"))
    layer.build((None, 1, 1, 2))
    for gaussian in layer.gaussians.values():
        gaussian["mean"].assign(np.ones(gaussian["mean"].shape))
    assert float(layer.divergence()) == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("shared", [True, False])
def test_draws_have_the_mean_and_the_variance_of_their_component(shared: bool) -> None:
    layer = make()
    inputs = np.full((2, 1, 1, 2), [1.0, 2.0], np.float32)

    def draw(index: Any) -> Any:
        with noise_in_network(Noise(np.int32(3), index, shared)):
            return layer(inputs)[:, 0, 0]

    graph = compiled(draw, "none")
    drawn = np.stack([ops.convert_to_numpy(graph(np.int32(i))) for i in range(2 * DRAWS)])
    # In a draw both rows have the component of the index; in training the rows take turns.
    seen = drawn[1::2, 0] if shared else drawn[:, 1]
    (mean_in, std_in), (mean_out, std_out) = (
        (mean[1], std[1]) for mean, std in (parameters(layer, s) for s in ("incoming", "outgoing"))
    )
    weights = np.array([[1.0], [2.0]]) * ops.convert_to_numpy(layer.kernel)[0, 0]
    sums, variances = mean_in @ weights, std_in**2 @ weights**2
    mean = sums * mean_out
    variance = (sums**2 + variances) * (mean_out**2 + std_out**2) - mean**2
    error = np.abs(seen.mean(axis=0) - mean) / np.sqrt(variance / len(seen))
    assert error.max() < 5
    # Nearly Gaussian: the fourth moment of a product of two is a little larger.
    assert (np.abs(seen.var(axis=0) / variance - 1) < 7 * np.sqrt(2 / len(seen))).all()


def test_examples_of_a_training_batch_have_factors_of_their_own() -> None:
    layer = make(components=1)
    inputs = np.ones((4, 1, 1, 2), np.float32)
    with noise_in_network(Noise(np.int32(0), np.int32(0), shared=False)):
        rows = ops.convert_to_numpy(layer(inputs))[:, 0, 0]
    assert len(np.unique(rows, axis=0)) == 4


def test_without_noise_it_has_the_means_of_the_first_component() -> None:
    layer = make()
    inputs = np.full((1, 1, 1, 2), [1.0, 2.0], np.float32)
    kernel = ops.convert_to_numpy(layer.kernel)[0, 0]
    incoming, outgoing = (parameters(layer, side)[0][0] for side in ("incoming", "outgoing"))
    expected = (np.array([1.0, 2.0]) * incoming) @ kernel * outgoing
    np.testing.assert_allclose(ops.convert_to_numpy(layer(inputs))[0, 0, 0], expected, rtol=1e-5)


def test_the_posterior_stays_float32_where_the_network_computes_in_bfloat16() -> None:
    layer = make()
    layer.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    with noise_in_network(Noise(np.int32(0), np.int32(0), shared=True)):
        assert layer(np.ones((1, 1, 1, 2), np.float32)).dtype == "bfloat16"
    assert layer.losses[0].dtype == "float32"

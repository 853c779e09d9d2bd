from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from dicecast.networks.backend import compiled
from dicecast.networks.contract import ConvolutionSpec
from dicecast.networks.noise import Noise, noise_in_network
from dicecast.plugins import estimators
from dicecast.training.evidence import EvidenceLowerBound

Variational: Any = estimators.get("variational")
MODULE: Any = sys.modules[Variational.__module__]
INPUTS = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype(np.float32)
DRAWS = 1500


def make(method: str = "flipout", std: float = 0.2, use_bias: bool = False) -> Any:
    settings = MODULE.Posterior(method, prior_std=0.3, initial_std=std)
    layer = MODULE.VariationalConvolution2D(ConvolutionSpec(3, 3, use_bias, "conv"), settings)
    layer.build((None, 4, 4, 2))
    mean = np.random.default_rng(1).normal(0, 0.5, (3, 3, 2, 3))
    layer.mean.assign(mean)
    return layer


def run(layer: Any, inputs: np.ndarray = INPUTS, **noise: Any) -> np.ndarray:
    with noise_in_network(Noise(np.int32(0), **noise) if noise else None):
        return ops.convert_to_numpy(layer(inputs))


def convolved(inputs: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A 3x3 convolution with zero padding, one window at a time."""
    padded = np.pad(inputs.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    outputs = np.zeros((*inputs.shape[:3], kernel.shape[-1]))
    for row, column in np.ndindex(inputs.shape[1:3]):
        window = padded[:, row : row + 3, column : column + 3]
        outputs[:, row, column] = np.einsum("bhwc,hwcf->bf", window, kernel)
    return outputs


def sampled(method: str, shared: bool, draws: int, inputs: np.ndarray = INPUTS) -> np.ndarray:
    layer = make(method)

    def draw(index: Any) -> Any:
        with noise_in_network(Noise(np.int32(0), index, shared)):
            return layer(inputs)

    graph = compiled(draw, "none")
    return np.stack([ops.convert_to_numpy(graph(np.int32(i))) for i in range(draws)])


@pytest.fixture(scope="module")
def flipout() -> np.ndarray:
    return sampled("flipout", False, DRAWS)


@pytest.fixture(scope="module")
def reparameterised() -> np.ndarray:
    return sampled("reparameterised", False, DRAWS)


def test_without_noise_it_is_the_convolution_with_the_mean() -> None:
    layer = make(use_bias=True)
    layer.bias.assign([1.0, -2.0, 0.5])
    kernel = ops.convert_to_numpy(layer.mean)
    expected = convolved(INPUTS, kernel) + np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(run(layer), expected, atol=1e-5)


@pytest.mark.parametrize("std", [0.01, 0.2, 1.5])
def test_the_posterior_starts_with_the_given_deviation(std: float) -> None:
    spread = ops.convert_to_numpy(make(std=std).spread)
    np.testing.assert_allclose(np.log1p(np.exp(spread)), std, rtol=1e-4)


def test_the_divergence_is_the_closed_form_of_two_gaussians() -> None:
    layer = make(std=0.2)
    spread = np.random.default_rng(2).normal(-1, 0.5, (3, 3, 2, 3))
    layer.spread.assign(spread)
    run(layer)
    (loss,) = layer.losses
    mean = ops.convert_to_numpy(layer.mean).astype(np.float64)
    std, prior = np.log1p(np.exp(spread)), 0.3
    expected = np.log(prior / std) + (std**2 + mean**2) / (2 * prior**2) - 0.5
    assert float(loss) == pytest.approx(expected.sum(), rel=1e-4)


@pytest.mark.parametrize("method", ["flipout", "reparameterised"])
def test_draws_have_the_mean_and_the_variance_of_the_posterior(
    method: str, flipout: np.ndarray, reparameterised: np.ndarray
) -> None:
    draws = {"flipout": flipout, "reparameterised": reparameterised}[method]
    kernel = ops.convert_to_numpy(make().mean)
    mean = convolved(INPUTS, kernel)
    variance = convolved(INPUTS**2, np.full_like(kernel, 0.2**2))
    # The standard error of a mean is sqrt(v / n), of a Gaussian's variance v sqrt(2 / n); the 144
    # outputs are far inside 5.5 of them.
    error = np.abs(draws.mean(axis=0) - mean) / np.sqrt(variance / DRAWS)
    assert error.max() < 5.5
    spread = np.abs(draws.var(axis=0) / variance - 1) / np.sqrt(2 / DRAWS)
    assert spread.max() < 5.5


def between_examples(draws: np.ndarray) -> np.ndarray:
    """Correlation of what two examples of a batch with equal inputs see, place by place."""
    first, second = draws[:, 0].reshape(len(draws), -1), draws[:, 1].reshape(len(draws), -1)
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(first.T, second.T, strict=True)])


@pytest.mark.parametrize(
    ("method", "shared", "together"),
    [
        ("flipout", False, False),
        ("flipout", True, True),
        ("reparameterised", False, True),
        ("reparameterised", True, True),
    ],
)
def test_flipout_decorrelates_the_examples_of_a_training_batch_alone(
    method: str, shared: bool, together: bool
) -> None:
    draws = sampled(method, shared, 300, np.repeat(INPUTS[:1], 2, axis=0))
    correlation = between_examples(draws)
    if together:
        np.testing.assert_allclose(draws[:, 0], draws[:, 1], atol=1e-5)
    else:
        assert np.abs(correlation).max() < 5 / np.sqrt(300)


@pytest.mark.parametrize("method", ["flipout", "reparameterised"])
def test_a_draw_is_one_kernel_whatever_the_batch(method: str) -> None:
    layer = make(method)
    whole = run(layer, index=np.int32(4), shared=True)
    part = run(layer, INPUTS[[2, 0]], index=np.int32(4), shared=True)
    np.testing.assert_allclose(part, whole[[2, 0]], atol=1e-5)
    assert np.abs(run(layer, index=np.int32(5), shared=True) - whole).max() > 1e-2
    # Linear in its inputs, as one kernel is.
    double = run(layer, 2 * INPUTS, index=np.int32(4), shared=True)
    np.testing.assert_allclose(double, 2 * whole, atol=1e-5)


def test_training_sees_the_sum_of_the_divergences_of_all_layers(trainer: Any) -> None:
    settings = MODULE.Posterior("flipout", prior_std=0.3, initial_std=0.03)
    backbone = trainer(
        0,
        convolution=MODULE.VariationalConvolution(settings),
        objective=EvidenceLowerBound(1.0, 0.5),
        epochs=1,
    )
    # 10 kernels of the blocks, of which 2 are cut in two, and the logits', each mean and spread.
    spreads = [weight for weight in backbone.weights if weight.ndim == 4]
    assert len(spreads) == 2 * 13
    logged = backbone.log[0]["state"]["divergence"]
    assert logged * 24 * 16 * 16 > 0.5 * sum(kernel.size for kernel in spreads[::2])


def test_the_posterior_stays_float32_where_the_network_computes_in_bfloat16() -> None:
    layer = make(std=0.03, use_bias=True)
    layer.dtype_policy = keras.DTypePolicy("mixed_bfloat16")
    outputs = run(layer, index=np.int32(0), shared=True)
    assert outputs.dtype == "bfloat16"
    assert layer.losses[0].dtype == "float32"

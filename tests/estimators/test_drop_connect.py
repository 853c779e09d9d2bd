from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from keras import ops

from dicecast.data.cases import FittingData
from dicecast.networks.backend import as_tensors, compiled
from dicecast.networks.contract import ConvolutionSpec
from dicecast.networks.noise import Noise, noise_in_network
from dicecast.plugins import estimators

MODULE: Any = sys.modules[estimators.get("drop_connect").__module__]
RATE = 0.25
DRAWS = 2000


def make(size: int = 1) -> Any:
    layer = MODULE.DropConnectConvolution(RATE).layer(ConvolutionSpec(3, size, True, "conv"))
    layer.build((None, 4, 4, 8))
    layer.bias.assign([[1.0, -2.0, 0.5]])
    return layer


def draws(layer: Any, inputs: np.ndarray, count: int, shared: bool = True) -> np.ndarray:
    def draw(index: Any) -> Any:
        with noise_in_network(Noise(np.int32(0), index, shared)):
            return layer(inputs)

    graph = compiled(draw, "none")
    return np.stack([ops.convert_to_numpy(graph(np.int32(index))) for index in range(count)])


def test_the_mean_over_draws_tends_to_the_layer_without_noise() -> None:
    layer = make(size=3)
    inputs = np.random.default_rng(0).normal(size=(1, 4, 4, 8)).astype(np.float32)
    drawn = draws(layer, inputs, DRAWS)
    error = drawn.std(axis=0) / np.sqrt(DRAWS)
    assert (np.abs(drawn.mean(axis=0) - ops.convert_to_numpy(layer(inputs))) < 5 * error).all()


@pytest.mark.parametrize("shared", [True, False])
def test_single_weights_are_dropped_or_scaled_and_biases_are_kept(shared: bool) -> None:
    layer = make()
    # Each case shows one input channel alone, so each output is one weight and the bias.
    inputs = np.eye(8, dtype=np.float32)[:, None, None, :]
    weights = draws(layer, inputs, 200, shared)[:, :, 0, 0] - [1.0, -2.0, 0.5]
    kernel = ops.convert_to_numpy(layer.kernel)[0, 0]
    factors = weights / kernel
    dropped = np.abs(factors) < 1e-3
    np.testing.assert_allclose(factors[~dropped], 1 / (1 - RATE), rtol=1e-3)
    assert abs(dropped.mean() - RATE) < 5 * np.sqrt(RATE * (1 - RATE) / dropped.size)
    # By itself: rows of one input and columns of one output are hit in part.
    assert 0 < dropped[0].mean() < 1


def test_rate_0_is_the_softmax_network(trainer: Any, fitting: FittingData) -> None:
    images = np.asarray(fitting.validation.images, np.float32) / 255
    plain = trainer(0)
    other = trainer(0, convolution=MODULE.DropConnectConvolution(0.0))
    logits = [
        ops.convert_to_numpy(
            backbone.outputs(
                as_tensors(backbone.weights), images, Noise(np.int32(0), np.int32(0), shared=True)
            )["logits"]
        )
        for backbone in (plain, other)
    ]
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-3)

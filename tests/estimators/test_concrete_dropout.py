from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keras import ops
from scipy import stats

from dicecast.data.cases import Cases, FittingData
from dicecast.networks.backend import compiled
from dicecast.networks.contract import ConvolutionSpec
from dicecast.networks.noise import Noise, noise_in_network
from dicecast.plugins import estimators
from dicecast.training.initial import by_layer

MODULE: Any = sys.modules[estimators.get("concrete_dropout").__module__]
CHANNELS = 6


def make(rate: float, length_scale: float = 0.5) -> Any:
    """A 1x1 convolution that passes its channels on."""
    settings = MODULE.LearnedRates(rate, length_scale)
    layer = settings.layer(ConvolutionSpec(CHANNELS, 1, False, "conv"))
    layer.build((None, 1, 1, CHANNELS))
    layer.kernel.assign(np.eye(CHANNELS)[None, None])
    return layer


def learned(backbone: Any) -> np.ndarray:
    weights = by_layer(backbone.network, backbone.weights).values()
    logits = [w for layer in weights for w in layer if w.ndim == 0]
    return 1 / (1 + np.exp(-MODULE.QUICKNESS * np.array(logits)))


@pytest.mark.parametrize("rate", [1e-6, 0.05, 0.5, 0.9])
@pytest.mark.parametrize("length_scale", [0.0, 0.5])
def test_the_regularisers_are_those_of_the_paper(rate: float, length_scale: float) -> None:
    layer = make(rate, length_scale)
    kernel = np.random.default_rng(0).normal(size=(1, 1, CHANNELS, CHANNELS))
    layer.kernel.assign(kernel)
    layer(np.ones((1, 1, 1, CHANNELS), np.float32))
    # The paper's M is the kernel that inputs without a divisor would have.
    paper_kernel = kernel / (1 - rate)
    of_weights = length_scale**2 * (1 - rate) / 2 * (paper_kernel**2).sum()
    expected = of_weights - CHANNELS * stats.bernoulli(rate).entropy()
    (loss,) = layer.losses
    assert float(loss) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("shared", [True, False])
def test_channels_are_dropped_at_the_rate(shared: bool) -> None:
    layer, inputs, rate = make(0.2), np.ones((2, 1, 1, CHANNELS), np.float32), 0.2

    def draw(index: Any) -> Any:
        with noise_in_network(Noise(np.int32(0), index, shared)):
            return layer(inputs)[:, 0, 0]

    graph = compiled(draw, "none")
    drawn = np.stack([ops.convert_to_numpy(graph(np.int32(index))) for index in range(2000)])
    left = drawn * (1 - rate)
    # Of relaxed variables about one in ten is between dropped and kept.
    assert left.min() >= 0.0
    assert left.max() <= 1.0 + 1e-6
    assert ((left > 0.1) & (left < 0.9)).mean() < 0.1
    # A relaxed variable is below 1/2 exactly where a Bernoulli variable would be 0.
    error = np.sqrt(rate * (1 - rate) / (left.size / (2 if shared else 1)))
    assert abs((left < 0.5).mean() - rate) < 5 * error
    np.testing.assert_array_equal((left[:, 0] == left[:, 1]).all(), shared)


def test_without_noise_nothing_is_dropped() -> None:
    inputs = np.random.default_rng(0).normal(size=(2, 1, 1, CHANNELS)).astype(np.float32)
    np.testing.assert_allclose(ops.convert_to_numpy(make(0.4)(inputs)), inputs, rtol=1e-6)


def test_rates_fall_where_data_are_plenty_and_further_than_where_they_are_few(
    trainer: Any, fitting: FittingData, disc_cases: Callable[..., Cases]
) -> None:
    estimator = estimators.create("concrete_dropout", {"initial_rate": 0.2})

    def rates(cases: int, epochs: int) -> np.ndarray:
        data = dataclasses.replace(fitting, train=disc_cases(cases, 0))
        schedule = dataclasses.replace(trainer.schedule, epochs=epochs)
        trained = dataclasses.replace(trainer, schedule=schedule).on(data)
        return learned(estimator.fit(data, trained, 0).backbone)

    few, plenty = rates(8, 60), rates(480, 1)
    assert plenty.mean() < 0.15
    assert plenty.mean() < 0.8 * few.mean()

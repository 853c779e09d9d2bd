from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from dicecast.networks.backend import value_and_gradient
from dicecast.networks.layers import BatchNormalization

SHAPE = (3, 4, 5, 6)


def make(kind: type, seed: int = 0) -> keras.layers.Layer:
    layer = kind(momentum=0.9, epsilon=1e-3)
    layer.build((None, *SHAPE[1:]))
    rng = np.random.default_rng(seed)
    layer.set_weights(
        [rng.normal(1, 0.5, 6), rng.normal(size=6), rng.normal(size=6), rng.uniform(0.5, 2, 6)]
    )
    return layer


def values(seed: int = 1, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(seed).normal(3.0, 2.0, shape).astype(np.float32)


@pytest.mark.parametrize("shape", [SHAPE, (1, 1, 2, 6), (7, 8, 8, 6)])
def test_training_gives_the_outputs_and_statistics_of_keras(shape: tuple[int, ...]) -> None:
    ours, theirs = make(BatchNormalization), make(keras.layers.BatchNormalization)
    for step in range(3):
        batch = values(step, shape)
        np.testing.assert_allclose(
            ops.convert_to_numpy(ours(batch, training=True)),
            ops.convert_to_numpy(theirs(batch, training=True)),
            rtol=1e-5,
            atol=2e-5,
        )
    for mine, keras_own in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, keras_own, rtol=1e-5)


def test_moving_variance_follows_the_population_variance() -> None:
    layer = make(BatchNormalization)
    before, batch = layer.get_weights(), values()
    layer(batch, training=True)
    expected = 0.9 * before[3] + 0.1 * batch.var(axis=(0, 1, 2))
    np.testing.assert_allclose(layer.get_weights()[3], expected, rtol=1e-5)


def test_gradients_are_those_of_keras() -> None:
    batch, target = values(), values(2)

    def gradients(kind: type) -> list[np.ndarray]:
        layer = make(kind)
        fixed = [ops.convert_to_tensor(v) for v in layer.get_weights()[2:]]

        def loss(tensors: list) -> tuple:
            outputs, _ = layer.stateless_call(tensors[1:], fixed, tensors[0], training=True)
            return ops.mean(ops.power(outputs, 3) * target), None

        weights = [ops.convert_to_tensor(v) for v in (batch, *layer.get_weights()[:2])]
        return [ops.convert_to_numpy(g) for g in value_and_gradient(loss, weights)[2]]

    for ours, theirs in zip(
        gradients(BatchNormalization), gradients(keras.layers.BatchNormalization), strict=True
    ):
        assert np.abs(theirs).max() > 1e-3
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("training", [False, None])
def test_prediction_uses_the_stored_statistics_and_leaves_them(training: bool | None) -> None:
    layer, batch = make(BatchNormalization), values()
    scale, offset, mean, variance = before = layer.get_weights()
    outputs = ops.convert_to_numpy(layer(batch, training=training))
    expected = (batch - mean) / np.sqrt(variance + 1e-3) * scale + offset
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)

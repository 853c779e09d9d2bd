"""Layers whose randomness comes from ``active_noise``, and the fused batch normalisation."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from dicecast.networks.backend import Tensor, batch_normalise
from dicecast.networks.noise import active_noise


class Dropout(keras.layers.Layer):  # type: ignore[misc]
    """Dropout that is on whenever noise is active, in training and in prediction alike.

    ``keras.layers.Dropout`` cannot do this: in a functional model ``training=False`` of ``predict``
    overrides ``training=True`` of the call, and the draws are then silently all equal.

    Args:
        rate: Share of values set to zero, in [0, 1); the others are divided by ``1 - rate``.
        name: Unique in the network; it decides which numbers are drawn.
    """

    def __init__(self, rate: float, name: str) -> None:
        super().__init__(name=name)
        self.rate = rate

    def call(self, inputs: Tensor) -> Tensor:
        """Return ``inputs`` with values dropped, or unchanged without noise."""
        noise = active_noise()
        if noise is None or self.rate == 0.0:
            return inputs
        kept = noise.uniform(self.name, tuple(ops.shape(inputs))) >= self.rate
        return inputs * ops.cast(kept, inputs.dtype) * (1.0 / (1.0 - self.rate))


class BatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation that uses the fused kernel in training and equals Keras' in result."""

    def call(self, inputs: Tensor, training: bool | None = None, mask: Any = None) -> Tensor:
        """Normalise by the batch's moments in training, by the stored ones otherwise."""
        if not training:
            return super().call(inputs, training=False)
        outputs, mean, variance = batch_normalise(inputs, self.gamma, self.beta, self.epsilon)
        for stored, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            stored.assign(
                stored * self.momentum + ops.cast(new, stored.dtype) * (1 - self.momentum)
            )
        return outputs

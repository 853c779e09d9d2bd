"""Layers of backbones: dropout drawn from ``active_noise``, and quicker forms of Keras' own."""

from __future__ import annotations

from math import prod
from typing import Any

import keras
from keras import ops

from dicecast.networks.backend import Tensor, batch_normalise, masked_relu
from dicecast.networks.contract import ConvolutionSpec
from dicecast.networks.noise import active_noise, kept_chance

UPSAMPLED_TAPS = 4
"""Multiplications for each channel and output pixel of ``upsampled_convolution``."""


class Dropout(keras.layers.Layer):  # type: ignore[misc]
    """Dropout that is on whenever noise is active, in training and in prediction alike.

    ``keras.layers.Dropout`` cannot do this: in a functional model ``training=False`` of ``predict``
    overrides ``training=True`` of the call, and the draws are then silently all equal.

    Args:
        rate: Share of values set to zero, in [0, 1), rounded to a multiple of 2**-16 and to at most
            255/256; the others are divided by ``1 - rate``.
        name: Unique in the network; it decides which numbers are drawn.
        spatial: Whether a channel is dropped at all its pixels or at none.
    """

    draws_noise = True

    def __init__(self, rate: float, name: str, spatial: bool = False) -> None:
        super().__init__(name=name)
        self.rate, self.spatial, self.rectifies = rate, spatial, False

    def rectifying(self, normalisation: BatchNormalization) -> Dropout:
        """Let this layer, which must follow the normalisation, do the ReLU between them as well.

        The same function as the three layers. In training, the factor of the values that are kept
        goes through the ReLU into the normalisation's scale and offset, and a ReLU with a mask of
        zeros and ones is left: fewer passes over memory, in the gradient above all.
        """
        self.rectifies, normalisation.gain = True, 1.0 / kept_chance(self.rate)
        return self

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Return ``inputs`` with values dropped, or unchanged without noise."""
        noise = active_noise()
        if noise is None or self.rate == 0.0:
            return ops.relu(inputs) if self.rectifies else inputs
        shape = tuple(ops.shape(inputs))
        if self.spatial:
            shape = (shape[0], *[1] * (len(shape) - 2), shape[-1])
        mask = noise.kept(self.name, shape, self.rate, inputs.dtype)
        if self.rectifies and training:
            return masked_relu(inputs, mask)
        # The mask is scaled rather than the values: a draw has one for all cases.
        mask = mask * ops.cast(1.0 / kept_chance(self.rate), mask.dtype)
        return (ops.relu(inputs) if self.rectifies else inputs) * mask


class BatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation that uses the fused kernel in training and equals Keras' in result.

    Attributes:
        gain: Factor of the output in training with noise; see ``Dropout.rectifying``.
        rectifies: Whether it does the ReLU after it too, in training; see ``Rectifier``.
    """

    gain = 1.0
    rectifies = False

    def by_moments(self, training: bool | None) -> bool:
        """Return whether the moments of the batch normalise it, not the stored ones."""
        return bool(training and self.trainable)

    def call(self, inputs: Tensor, training: bool | None = None, mask: Any = None) -> Tensor:
        """Normalise by the batch's moments in training, unless frozen; else by the stored ones."""
        gain = self.gain if training and active_noise() is not None else 1.0
        if not self.by_moments(training):
            outputs = super().call(inputs, training=False)
            return outputs if gain == 1.0 else outputs * gain
        scale, offset = (ops.cast(value, "float32") * gain for value in (self.gamma, self.beta))
        outputs, mean, variance = batch_normalise(
            inputs, scale, offset, self.epsilon, self.rectifies
        )
        for stored, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            stored.assign(
                stored * self.momentum + ops.cast(new, stored.dtype) * (1 - self.momentum)
            )
        return outputs


class Rectifier(keras.layers.ReLU):  # type: ignore[misc]
    """The ReLU after a batch normalisation: in training both are one kernel, where there is one.

    Args:
        normalisation: The layer whose output alone it reads, and that nothing else reads.
        name: Of the layer.
    """

    def __init__(self, normalisation: BatchNormalization, name: str) -> None:
        super().__init__(name=name)
        self.by_moments = normalisation.by_moments
        normalisation.rectifies = True

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Return the positive part, which in training the normalisation has given already."""
        return inputs if self.by_moments(training) else super().call(inputs)


class UpsamplingConvolution2D(keras.layers.Conv2D):  # type: ignore[misc]
    """A 3x3 convolution of the input doubled in size by nearest neighbours; "same" padding."""

    def call(self, inputs: Tensor) -> Tensor:
        """Return ``(batch, 2 height, 2 width, filters)``."""
        outputs = upsampled_convolution(inputs, ops.convert_to_tensor(self.kernel))
        return outputs + self.bias if self.use_bias else outputs

    def multiply_adds(self, training: bool) -> int:
        """Return the multiplications of an example; see ``layer_operations``."""
        return int(UPSAMPLED_TAPS * self.input.shape[-1] * prod(self.output.shape[1:]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the output."""
        batch, *sides, _ = input_shape
        return (batch, *(side and 2 * side for side in sides), self.filters)


def he_normal(spec: ConvolutionSpec) -> Any:
    """Return the initialiser of He et al. 2015 (eq. 10) for one convolution or a part of a sum."""
    return keras.initializers.VarianceScaling(2.0 * spec.share)


def upsampled_convolution(inputs: Tensor, kernel: Tensor) -> Tensor:
    """Convolve the input, doubled by nearest neighbours, with a 3x3 kernel; "same" padding.

    Each input pixel covers 2x2 pixels of the doubled image, so two neighbouring taps of the kernel
    often see the same value. Their sum, taken first, makes this a transposed convolution with
    stride 2 and a 4x4 kernel: 4 multiplications an output pixel instead of 9, the same result.

    Args:
        inputs: ``(batch, height, width, channels)``.
        kernel: ``(3, 3, channels, filters)``.

    Returns:
        ``(batch, 2 height, 2 width, filters)``.
    """
    for axis in (0, 1):
        first, second, third = ops.unstack(kernel, 3, axis=axis)
        kernel = ops.stack([third, second + third, first + second, first], axis=axis)
    kernel = ops.transpose(kernel, (0, 1, 3, 2))
    return ops.conv_transpose(inputs, kernel, strides=2, padding="same")

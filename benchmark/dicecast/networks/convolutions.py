"""Bases of convolutions whose weights are drawn, or belong to members that share one kernel."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import keras
from keras import ops

from dicecast.networks.backend import Tensor
from dicecast.networks.contract import ConvolutionSpec
from dicecast.networks.layers import UPSAMPLED_TAPS, he_normal, upsampled_convolution
from dicecast.networks.noise import Noise, active_noise


class DrawnConvolution2D(keras.layers.Layer):  # type: ignore[misc]
    """A kernel, a bias for each member, and the convolution with whatever is made of them.

    Args:
        spec: What the backbone asks for.
        members: How many biases there are to choose from.
    """

    draws_noise = True

    def __init__(self, spec: ConvolutionSpec, members: int = 1) -> None:
        super().__init__(name=spec.name)
        self.spec, self.members = spec, members

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Create the kernel and the biases."""
        size, filters = self.spec.kernel_size, self.spec.filters
        self.kernel = self.add_weight(
            shape=(size, size, input_shape[-1], filters),
            initializer=he_normal(self.spec),
            name="kernel",
        )
        if self.spec.use_bias:
            self.bias = self.add_weight(
                shape=(self.members, filters), initializer="zeros", name="bias"
            )

    def convolved(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Return the convolution of ``inputs`` with a kernel, without the bias."""
        kernel = ops.cast(kernel, inputs.dtype)
        if self.spec.upsample:
            return upsampled_convolution(inputs, kernel)
        return ops.conv(inputs, kernel, padding="same")

    def biased(self, outputs: Tensor, member: Tensor) -> Tensor:
        """Add the biases of the members ``(rows,)``, if there are any."""
        if not self.spec.use_bias:
            return outputs
        return outputs + _over_pixels(ops.take(self.bias, member, axis=0), outputs)

    def multiply_adds(self, training: bool) -> int:
        """Return the multiplications of an example; see ``layer_operations``."""
        taps = UPSAMPLED_TAPS if self.spec.upsample else self.spec.kernel_size**2
        return int(taps * self.input.shape[-1] * prod(self.output.shape[1:]))


class Factors(NamedTuple):
    """What the channels of a convolution are multiplied with.

    Attributes:
        incoming: ``(rows, channels)``; a row for each example of the batch, or one for all.
        outgoing: ``(rows, filters)``.
    """

    incoming: Tensor
    outgoing: Tensor


class FactoredConvolution2D(DrawnConvolution2D):
    """``convolution(x * incoming) * outgoing + bias``: a kernel times a matrix of rank one.

    In training each example belongs to one of the members in turn, in a draw all belong to the
    draw's; without noise the layer is that of the first member. A subclass gives the factors.
    """

    def factors(self, noise: Noise | None, member: Tensor) -> Factors:
        """Return the factors of the members ``(rows,)``, drawn from ``noise`` if there is any."""
        raise NotImplementedError(f"{type(self).__name__} must define factors(noise, member)")

    def call(self, inputs: Tensor) -> Tensor:
        """Convolve each example with its member's kernel."""
        noise = active_noise()
        if noise is None:
            member = ops.zeros((1,), "int32")
        else:
            member = noise.members(self.members, ops.shape(inputs)[0])
        incoming, outgoing = self.factors(noise, member)
        kernel: Any = ops.convert_to_tensor(self.kernel)
        if noise is None or noise.shared:
            # A kernel is smaller than the activations, so that is where to multiply.
            merged = kernel * ops.reshape(incoming, (-1, 1)) * outgoing[0]
            outputs = self.convolved(inputs, merged)
        else:
            scaled = self.convolved(inputs * _over_pixels(incoming, inputs), kernel)
            outputs = scaled * _over_pixels(outgoing, scaled)
        return self.biased(outputs, member)


def _over_pixels(rows: Tensor, like: Tensor) -> Tensor:
    return ops.cast(rows, like.dtype)[:, None, None, :]

"""Floating-point operations of a network, counted from the shapes of its layers as they run.

Two a multiply-add of convolutions and matrix products, borders included; what is done element by
element (normalisation, activations, noise) is not counted, so that a share of the machine's rate
of matrix products says what part of the time went into them.
"""

from __future__ import annotations

from math import prod
from typing import Any

import keras
from keras import tree

TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


def layer_operations(layer: Any, training: bool = False) -> int:
    """Return the operations of a layer's forward pass for one example.

    Args:
        layer: With a method ``multiply_adds(training)`` of its own, for one example; or a
            convolution or dense layer of Keras. Any other layer counts as nothing.
        training: Whether it trains; a layer may do more then.
    """
    if hasattr(layer, "multiply_adds"):
        return 2 * int(layer.multiply_adds(training))
    kernel = getattr(layer, "kernel", None)
    if kernel is None:
        return 0
    # Each position of the kernel's is one of the output, but of the input when transposed.
    tensor = layer.input if isinstance(layer, TRANSPOSED) else layer.output
    return int(2 * prod(tensor.shape[1:-1]) * prod(kernel.shape))


def prediction_operations(network: Any) -> int:
    """Return the operations of predicting one example with a functional ``keras.Model``."""
    return sum(layer_operations(layer) for layer in network.layers)


def training_operations(network: Any) -> int:
    """Return the operations of one training example: forward, and the gradients.

    The gradient of a layer's weights costs as much as its forward pass, and so does that of its
    input, which is needed where there are weights before it.
    """
    total, learned = 0, set[int]()
    for layer in network.layers:
        read = [] if isinstance(layer, keras.layers.InputLayer) else tree.flatten(layer.input)
        needs_input_gradient = any(id(tensor) in learned for tensor in read)
        if needs_input_gradient or layer.trainable_variables:
            learned.update(map(id, tree.flatten(layer.output)))
        total += layer_operations(layer, training=True) * (3 if needs_input_gradient else 2)
    return total

"""A batch normalisation that does the ReLU after it as well: the same function as two layers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from dicecast.networks.backend import compiled, value_and_gradient
from dicecast.networks.layers import BatchNormalization, Rectifier
from dicecast.networks.unet import UNet

RNG = np.random.default_rng(0)


def block(fused: bool, channels: int, trainable: bool, dtype: str) -> keras.Model:
    inputs = keras.Input((8, 8, channels))
    norm = BatchNormalization(dtype=dtype)
    norm.trainable = trainable
    relu = Rectifier(norm, "relu") if fused else layers.ReLU()
    tensor = relu(norm(inputs))
    return keras.Model(inputs, {"once": tensor, "twice": 2.0 * tensor})


def run(model: keras.Model, inputs: Any, training: bool, accelerate: str) -> list[np.ndarray]:
    """Return outputs, statistics, and the gradients by inputs, scale and offset."""

    def loss(tensors: list[Any]) -> tuple[Any, Any]:
        stored = [variable.value for variable in model.non_trainable_variables]
        outputs, moved = model.stateless_call(tensors[1:], stored, tensors[0], training=training)
        value = ops.sum(ops.power(outputs["once"], 3)) + ops.sum(outputs["twice"])
        return value, [*outputs.values(), *moved]

    trainable = [variable.value for variable in model.trainable_variables]
    run = compiled(lambda *tensors: value_and_gradient(loss, list(tensors))[1:], accelerate)
    found, gradients = run(ops.convert_to_tensor(inputs), *trainable)
    return [np.asarray(ops.cast(value, "float32")) for value in [*found, *gradients]]


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(
    ("channels", "training", "trainable", "accelerate"),
    [
        (4, True, True, "none"),
        (4, True, True, "xla"),
        (3, True, True, "none"),
        (4, False, True, "none"),
        (4, True, False, "none"),
    ],
    ids=["fours", "xla", "threes", "predicting", "frozen"],
)
def test_it_equals_two_layers(
    channels: int, training: bool, trainable: bool, accelerate: str, dtype: str
) -> None:
    inputs = RNG.normal(1.0, 2.0, (3, 8, 8, channels)).astype(np.float32)
    both = [block(fused, channels, trainable, dtype) for fused in (True, False)]
    weights = [RNG.uniform(0.5, 1.5, weight.shape) for weight in both[0].get_weights()]
    for model in both:
        model.set_weights(weights)
    ours, plain = (run(model, inputs, training, accelerate) for model in both)
    assert len(ours) == len(plain)
    for one, other in zip(ours, plain, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("normalisation", "fused"), [("batch", True), ("group", False), ("none", False)]
)
def test_the_network_fuses_where_a_batch_normalisation_is_in_front(
    normalisation: Any, fused: bool
) -> None:
    network = UNet(4, 1, normalisation).build((8, 8, 1), 2)
    assert isinstance(network.get_layer("encoder_0_relu_1"), Rectifier) == fused

"""Dropout that does the ReLU in front of it as well: the same function as separate layers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from dicecast.networks.backend import value_and_gradient
from dicecast.networks.layers import BatchNormalization, Dropout
from dicecast.networks.noise import Noise, noise_in_network
from dicecast.networks.unet import UNet

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(3, 8, 8, 4)).astype(np.float32)
WEIGHTS = [
    np.asarray(values, np.float32)
    for values in (RNG.normal(1, 0.5, 4), RNG.normal(size=4), RNG.normal(size=4), np.ones(4))
]
SHARED, OWN = (Noise(np.int32(1), np.int32(2), shared=shared) for shared in (True, False))


def block(fused: bool, spatial: bool = False) -> keras.Model:
    """Normalisation, ReLU and dropout, with a second reader of the output."""
    inputs = keras.Input(INPUTS.shape[1:])
    norm, dropout = BatchNormalization(), Dropout(0.3, "dropout", spatial=spatial)
    tensor = norm(inputs)
    outputs = dropout.rectifying(norm)(tensor) if fused else dropout(layers.ReLU()(tensor))
    model = keras.Model(inputs, {"once": outputs, "twice": 2.0 * outputs})
    model.set_weights(WEIGHTS)
    return model


def run(model: keras.Model, training: bool) -> list[np.ndarray]:
    """Return outputs, statistics, and the gradients by inputs, scale and offset."""
    trainable, stored = (
        [ops.convert_to_tensor(variable.value) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )

    def loss(tensors: list[Any]) -> tuple[Any, Any]:
        outputs, moved = model.stateless_call(tensors[1:], stored, tensors[0], training=training)
        value = ops.sum(ops.power(outputs["once"], 3) * INPUTS) + ops.sum(outputs["twice"])
        return value, [*outputs.values(), *moved]

    _, found, gradients = value_and_gradient(loss, [ops.convert_to_tensor(INPUTS), *trainable])
    return [ops.convert_to_numpy(value) for value in [*found, *gradients]]


@pytest.mark.parametrize("spatial", [False, True])
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("noise", [OWN, SHARED, None], ids=["own", "shared", "none"])
def test_it_equals_separate_layers(
    noise: Noise | None, training: bool, frozen: bool, spatial: bool
) -> None:
    found = []
    for fused in (True, False):
        model = block(fused, spatial)
        model.layers[1].trainable = not frozen
        with noise_in_network(noise):
            found.append(run(model, training))
    assert len(found[0]) == len(found[1]) == 7
    for ours, plain in zip(*found, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-5 * np.abs(plain).max())


@pytest.mark.parametrize(
    ("normalisation", "fused"), [("batch", True), ("group", False), ("none", False)]
)
def test_the_network_fuses_where_a_batch_normalisation_is_in_front(
    normalisation: Any, fused: bool
) -> None:
    network = UNet(4, 1, normalisation, dropout_rate=0.3).build((8, 8, 1), 2)
    assert network.get_layer("bottleneck_dropout").rectifies == fused
    assert fused == ("bottleneck_relu_2" not in {layer.name for layer in network.layers})


class Doubled(Dropout):
    """A dropout of another kind, which does not know of the ReLU."""

    def call(self, inputs: Any) -> Any:
        return 2.0 * inputs


class Doubling:
    def layer(self, rate: float, name: str) -> Dropout:
        return Doubled(rate, name)


def test_another_kind_of_dropout_follows_a_relu_of_its_own() -> None:
    network = UNet(4, 1, dropout_rate=0.3, dropout=Doubling()).build((8, 8, 1), 2)
    assert network.get_layer("bottleneck_dropout").input is (
        network.get_layer("bottleneck_relu_2").output
    )

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from dicecast.errors import PluginError
from dicecast.networks.inference import InferenceNetwork
from dicecast.networks.layers import BatchNormalization, Dropout, upsampled_convolution
from dicecast.networks.noise import Noise, active_noise, noise_in_network
from dicecast.networks.unet import UNet

RNG = np.random.default_rng(0)
IMAGES = RNG.random((3, 16, 16, 3)).astype(np.float32)
NOISE = Noise(np.int32(1), np.int32(2), shared=True)


def weights_of(network: Any) -> list[np.ndarray]:
    """Weights unlike those a network starts with, so that no statistic is 0 or 1."""
    variables = (*network.trainable_variables, *network.non_trainable_variables)
    drawn = [RNG.normal(0, 0.3, v.shape).astype(np.float32) for v in variables]
    positive = [v.path.endswith(("gamma", "variance")) for v in variables]
    return [abs(w) + 0.5 if p else w for w, p in zip(drawn, positive, strict=True)]


def plain(network: Any, weights: list[np.ndarray], noise: Noise | None) -> dict[str, np.ndarray]:
    trainable = len(network.trainable_variables)
    with noise_in_network(noise):
        outputs, _ = network.stateless_call(
            weights[:trainable], weights[trainable:], IMAGES, training=False
        )
    return {name: ops.convert_to_numpy(value) for name, value in outputs.items()}


def check(network: Any, noise: Noise | None) -> set[str]:
    """Compare with the plain network; return what was computed before any draw."""
    weights = weights_of(network)
    inference = InferenceNetwork(network)
    prepared = inference.prepare(weights, IMAGES)
    outputs = inference.outputs(prepared, noise)
    for name, expected in plain(network, weights, noise).items():
        scale = np.abs(expected).max()
        np.testing.assert_allclose(
            ops.convert_to_numpy(outputs[name]), expected, atol=1e-5 * scale, err_msg=name
        )
    return set(prepared.values)


@pytest.mark.parametrize("noise", [None, NOISE], ids=["mean network", "noise"])
@pytest.mark.parametrize("normalisation", ["batch", "group", "none"])
@pytest.mark.parametrize("placement", ["bottleneck", "bottleneck_and_decoder", "everywhere"])
def test_it_equals_the_plain_network(
    noise: Noise | None, normalisation: Any, placement: Any
) -> None:
    architecture = UNet(
        4, 2, normalisation, dropout_rate=0.3, dropout_placement=placement, heads={"sigma": 2}
    )
    check(architecture.build((16, 16, 3), 3), noise)


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({}, {"logits"}),
        (
            {"dropout_rate": 0.3},
            {"bottleneck_norm_2", "decoder_0_conv_1_skip", "decoder_1_conv_1_skip"},
        ),
        ({"dropout_rate": 0.3, "dropout_placement": "everywhere"}, {"encoder_0_norm_2"}),
    ],
)
def test_what_no_noise_reaches_is_computed_before_the_draws(fields: Any, kept: set[str]) -> None:
    assert check(UNet(4, 2, **fields).build((16, 16, 3), 2), NOISE) == kept


def test_a_network_that_is_noisy_from_the_start_keeps_its_images() -> None:
    inputs = keras.Input((16, 16, 3))
    outputs = {"logits": layers.Conv2D(2, 1)(Dropout(0.5, name="first")(inputs))}
    assert check(keras.Model(inputs, outputs), NOISE) == {inputs.name}


def branching(activation: str | None) -> Any:
    """A normalisation that must not be folded: its convolution is read elsewhere, or bent."""
    inputs = keras.Input((16, 16, 3))
    convolved = layers.Conv2D(4, 3, padding="same", activation=activation)(inputs)
    normalised = BatchNormalization()(convolved)
    both = normalised if activation else layers.Concatenate()([normalised, convolved])
    return keras.Model(inputs, {"logits": layers.Conv2D(2, 1)(both)})


@pytest.mark.parametrize("activation", [None, "relu"])
def test_a_normalisation_that_cannot_be_folded_stands(activation: str | None) -> None:
    check(branching(activation), None)


def test_a_bias_before_the_normalisation_is_folded_too() -> None:
    inputs = keras.Input((16, 16, 3))
    tensor = BatchNormalization()(layers.Conv2D(4, 3, padding="same")(inputs))
    check(keras.Model(inputs, {"logits": tensor}), None)


class Undeclared(layers.Layer):
    def call(self, inputs: Any) -> Any:
        noise = active_noise()
        return inputs if noise is None else inputs + noise.normal("n", inputs.shape, "float32")


def test_a_layer_that_draws_noise_without_saying_so_is_named_an_error() -> None:
    inputs = keras.Input((16, 16, 3))
    network = keras.Model(inputs, {"logits": Undeclared()(inputs)})
    with pytest.raises(PluginError, match="draws_noise = True"):
        InferenceNetwork(network).prepare([], IMAGES)


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (8, 6)])
def test_upsampled_convolution_is_upsampling_then_convolution(size: tuple[int, int]) -> None:
    inputs = RNG.normal(size=(2, *size, 3)).astype(np.float32)
    kernel = RNG.normal(size=(3, 3, 3, 4)).astype(np.float32)
    doubled = inputs.repeat(2, axis=1).repeat(2, axis=2)
    expected = ops.convert_to_numpy(ops.conv(doubled, kernel, padding="same"))
    found = ops.convert_to_numpy(upsampled_convolution(inputs, kernel))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_join_is_one_convolution_of_the_upsampled_and_the_skip() -> None:
    network = UNet(4, 1, normalisation="none").build((16, 16, 3), 2)
    weights = {
        variable.path: value
        for variable, value in zip(network.trainable_variables, weights_of(network), strict=True)
    }
    for variable in network.trainable_variables:
        variable.assign(weights[variable.path])
    names = ["bottleneck_relu_2", "encoder_0_relu_2", "decoder_0_conv_1"]
    outputs = [network.get_layer(name).output for name in names]
    deep, skip, joined = (
        ops.convert_to_numpy(value) for value in keras.Model(network.input, outputs)(IMAGES)
    )
    kernel = np.concatenate(
        [weights[f"decoder_0_conv_1_{part}/kernel"] for part in ("deep", "skip")], axis=2
    )
    inputs = np.concatenate([deep.repeat(2, axis=1).repeat(2, axis=2), skip], axis=-1)
    expected = ops.convert_to_numpy(ops.conv(inputs, kernel, padding="same"))
    expected += weights["decoder_0_conv_1_deep/bias"]
    np.testing.assert_allclose(joined, expected, atol=1e-5 * np.abs(expected).max())


def test_the_parts_of_a_join_start_like_one_he_normal_convolution() -> None:
    network = UNet(32, 1).build((16, 16, 3), 2)
    for part in ("deep", "skip"):
        kernel = ops.convert_to_numpy(network.get_layer(f"decoder_0_conv_1_{part}").kernel)
        assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * (64 + 32))), rel=0.05)

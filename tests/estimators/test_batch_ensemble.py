from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from keras import ops

from dicecast.data.cases import FittingData
from dicecast.networks.backend import as_tensors
from dicecast.networks.contract import ConvolutionSpec
from dicecast.networks.noise import Noise, noise_in_network
from dicecast.plugins import estimators
from dicecast.training.initial import by_layer

MODULE: Any = sys.modules[estimators.get("batch_ensemble").__module__]
MEMBERS = 3


@pytest.fixture(scope="module")
def backbone(trainer: Any) -> Any:
    return trainer(0, convolution=MODULE.FastWeights(MEMBERS, 0.3))


@pytest.fixture(scope="module")
def images(fitting: FittingData) -> np.ndarray:
    return np.asarray(fitting.validation.images, np.float32) / 255


def alone(backbone: Any, trainer: Any, member: int) -> Any:
    """The plain backbone with the kernels that a member has: ``alpha * W * gamma``."""
    network = trainer.architecture.build((16, 16, 3), 2)
    known = by_layer(backbone.network, backbone.weights)
    for layer in network.layers:
        weights = known[layer.name]
        if weights and weights[0].ndim == 4:
            kernel, *bias, alpha, gamma = weights
            merged = kernel * alpha[member][:, None] * gamma[member]
            weights = [merged, *(one[member] for one in bias)]
        layer.set_weights(weights)
    return network


@pytest.mark.parametrize("member", range(MEMBERS))
def test_a_member_is_the_network_with_the_merged_kernels_run_alone(
    backbone: Any, trainer: Any, images: np.ndarray, member: int
) -> None:
    noise = Noise(np.int32(5), np.int32(member + MEMBERS), shared=True)
    drawn = backbone.outputs(as_tensors(backbone.weights), images, noise)["logits"]
    expected = alone(backbone, trainer, member)(images, training=False)["logits"]
    np.testing.assert_allclose(
        ops.convert_to_numpy(drawn), ops.convert_to_numpy(expected), atol=1e-4
    )


def test_without_draws_the_network_is_its_first_member(
    backbone: Any, trainer: Any, images: np.ndarray
) -> None:
    mean = backbone.outputs(as_tensors(backbone.weights), images)["logits"]
    expected = alone(backbone, trainer, 0)(images, training=False)["logits"]
    np.testing.assert_allclose(
        ops.convert_to_numpy(mean), ops.convert_to_numpy(expected), atol=1e-4
    )


@pytest.mark.parametrize("upsample", [False, True])
def test_an_example_of_a_training_batch_sees_its_own_member(upsample: bool) -> None:
    layer = MODULE.FastWeights(MEMBERS, 0.5).layer(ConvolutionSpec(4, 3, True, "c", upsample))
    inputs = np.random.default_rng(0).normal(size=(5, 4, 4, 2)).astype(np.float32)
    layer.build(inputs.shape)
    layer.bias.assign(np.arange(MEMBERS * 4).reshape(MEMBERS, 4))

    def run(index: int, shared: bool) -> np.ndarray:
        with noise_in_network(Noise(np.int32(0), np.int32(index), shared)):
            return ops.convert_to_numpy(layer(inputs))

    together = run(7, shared=False)
    for row in range(5):
        member = (7 * 5 + row) % MEMBERS
        np.testing.assert_allclose(together[row], run(member, shared=True)[row], atol=1e-5)


def test_training_moves_the_factors_of_every_member(backbone: Any, trainer: Any) -> None:
    start = trainer(0, convolution=MODULE.FastWeights(MEMBERS, 0.3), epochs=1)
    before = by_layer(start.network, start.weights)["bottleneck_conv_1"]
    after = by_layer(backbone.network, backbone.weights)["bottleneck_conv_1"]
    for old, new in zip(before[1:], after[1:], strict=True):
        assert (np.abs(new - old).max(axis=1) > 1e-4).all()

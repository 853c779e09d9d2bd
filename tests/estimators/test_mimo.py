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
from dicecast.training.objective import Step

MODULE: Any = sys.modules[estimators.get("mimo").__module__]
MEMBERS, CLASSES = 3, 4


@pytest.fixture(scope="module")
def backbone(trainer: Any, fitting: FittingData) -> Any:
    return estimators.create("mimo", {"members": MEMBERS}).fit(fitting, trainer, 0).backbone


@pytest.fixture(scope="module")
def images(fitting: FittingData) -> np.ndarray:
    return np.asarray(fitting.validation.images, np.float32) / 255


def noise(index: int, shared: bool) -> Noise:
    return Noise(np.int32(0), np.int32(index), shared)


def probabilities(backbone: Any, images: np.ndarray, of: Noise | None) -> np.ndarray:
    logits = backbone.outputs(as_tensors(backbone.weights), images, of)["logits"]
    return ops.convert_to_numpy(ops.softmax(logits))


@pytest.mark.parametrize("repetition", [0.0, 0.4])
def test_each_member_learns_the_mask_of_the_image_it_is_shown(repetition: float) -> None:
    masks = np.random.default_rng(0).integers(0, CLASSES, (10, 4, 4)).astype(np.int32)
    # The images are the logits of their masks, and the network passes them on.
    images = 50.0 * np.eye(CLASSES, dtype=np.float32)[masks]
    channels = MEMBERS * CLASSES
    spec = ConvolutionSpec(channels, 1, False, "conv", of_images=True)
    layer = MODULE.ImagesTogether(MEMBERS, repetition).layer(spec)
    layer.build(images.shape)
    layer.kernel.assign(np.eye(channels)[None, None])
    with noise_in_network(noise(3, shared=False)):
        logits = MODULE.MemberLogits(MEMBERS, "logits")(layer(images, training=True))
    assert logits.shape == (MEMBERS * 10, 4, 4, CLASSES)
    loss = MODULE.MemberLoss(MEMBERS, repetition)

    def of_step(index: int) -> float:
        step = Step(ops.zeros(()), 10, ops.zeros(()), noise(index, shared=False))
        return float(loss({"logits": logits}, masks, step, {})[0])

    assert of_step(3) == pytest.approx(0.0, abs=0.01)
    # With the order of another step the masks belong to other images.
    assert of_step(4) > 5.0


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_members_see_the_batch_in_orders_of_their_own_but_for_what_is_repeated(
    share: float,
) -> None:
    rows = np.arange(200)
    orders = [
        ops.convert_to_numpy(MODULE.shown(noise(1, shared=False), m, rows, share)) for m in range(3)
    ]
    np.testing.assert_array_equal(orders[0], rows)
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), rows)
        np.testing.assert_array_equal(order[: int(share * 200)], rows[: int(share * 200)])
    assert (orders[1] == orders[2]).mean() < share + 0.1
    assert (orders[1] == rows).mean() < share + 0.1


def test_the_members_differ_after_training(backbone: Any, images: np.ndarray) -> None:
    drawn = [probabilities(backbone, images, noise(member, shared=True)) for member in range(3)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(drawn[first] - drawn[second]).max() > 0.01


def test_without_draws_the_network_is_the_mean_of_its_members(
    backbone: Any, images: np.ndarray
) -> None:
    drawn = [probabilities(backbone, images, noise(member, shared=True)) for member in range(3)]
    np.testing.assert_allclose(
        probabilities(backbone, images, None), np.mean(drawn, axis=0), atol=1e-5
    )


@pytest.mark.parametrize("of", [None, noise(1, shared=True)])
def test_a_prediction_does_not_depend_on_the_batch(
    backbone: Any, images: np.ndarray, of: Noise | None
) -> None:
    whole = probabilities(backbone, images, of)
    part = probabilities(backbone, images[[5, 2]], of)
    np.testing.assert_allclose(part, whole[[5, 2]], atol=1e-5)


def test_all_members_together_cost_one_pass(backbone: Any, trainer: Any) -> None:
    plain = trainer.architecture.build((16, 16, 3), 2)
    extra = backbone.inference.operations(MEMBERS) - backbone.inference.operations(1)
    assert extra == 0
    convolution, head = plain.get_layer("encoder_0_conv_1"), plain.get_layer("logits")
    further = sum(2 * 16 * 16 * np.prod(layer.kernel.shape) for layer in (convolution, head))
    expected = type(backbone.inference)(plain).operations(1) + (MEMBERS - 1) * further
    assert backbone.inference.operations(MEMBERS) == expected

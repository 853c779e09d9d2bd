"""Ensembles from less than a training a member: snapshots, branches, normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dicecast.errors import DicecastError
from dicecast.networks.noise import Noise
from dicecast.networks.unet import UNet
from dicecast.plugins import estimators
from dicecast.training.initial import by_layer


def fit(name: str, fitting: Any, trainer: Any, **settings: Any) -> Any:
    return estimators.create(name, settings).fit(fitting, trainer, 0)


def test_snapshots_are_taken_where_the_rate_has_fallen(fitting: Any, trainer: Any) -> None:
    predictive = fit("snapshot_ensemble", fitting, trainer, members=3)
    cycled = trainer(0, epochs=6, cycles=3, patience=0, snapshots=(2, 4, 6))
    assert predictive.count == 3
    for place, weights in enumerate(cycled.snapshots):
        for stacked, one in zip(predictive.state, weights, strict=True):
            np.testing.assert_array_equal(stacked[place], one)


def test_branches_share_the_trunk_and_differ_in_the_decoder(fitting: Any, trainer: Any) -> None:
    predictive = fit("deep_sub_ensemble", fitting, trainer, members=3)
    layers = by_layer(predictive.backbone.network, predictive.state)
    for name, stacks in layers.items():
        for stack in stacks:
            equal = bool((stack == stack[0]).all())
            own = name.startswith(("decoder_", "logits"))
            # A bias that never left zero is equal too.
            assert equal != own or not stack.any(), name
    first = predictive.backbone.weights
    for stack, one in zip(predictive.state, first, strict=True):
        np.testing.assert_array_equal(stack[0], one)


def test_a_draw_is_a_whole_network_with_its_branch(
    fitting: Any, trainer: Any, images: np.ndarray
) -> None:
    predictive = fit("deep_sub_ensemble", fitting, trainer, members=3)
    prepared = predictive.prepare(predictive.state, images / np.float32(255))
    for index in range(3):
        noise = Noise(np.int32(0), np.int32(index), shared=True)
        drawn = predictive.outputs(predictive.state, prepared, noise)["logits"]
        member = predictive.backbone.with_weights([stack[index] for stack in predictive.state])
        [(_, whole)] = member.predict(images)
        np.testing.assert_allclose(drawn, whole["logits"], rtol=1e-3, atol=1e-4)
    full = predictive.backbone.inference.operations(1)
    assert full < predictive.operations < 3 * full


def test_batch_norm_draws_leave_the_stored_statistics_alone(
    fitting: Any, trainer: Any, sampler: Any, images: np.ndarray
) -> None:
    backbone = trainer(0)
    before = [np.array(w) for w in backbone.weights]
    predictive = fit("monte_carlo_batch_norm", fitting, trainer, draws=3)
    [prediction] = sampler.predict(predictive, images, 0)
    assert prediction.maps["variance"].max() > 0
    for one, other in zip(backbone.weights, before, strict=True):
        np.testing.assert_array_equal(one, other)
    trainable = len(backbone.network.trainable_variables)
    for stack, one in zip(predictive.state[:trainable], before[:trainable], strict=True):
        assert (stack == one).all()


def test_batch_norm_over_all_training_images_is_nearly_the_softmax(
    fitting: Any, trainer: Any, sampler: Any, images: np.ndarray
) -> None:
    whole = fit("monte_carlo_batch_norm", fitting, trainer, draws=2, batch_size=len(fitting.train))
    [many] = sampler.predict(whole, images, 0)
    assert many.maps["variance"].max() < 1e-6
    few = fit("monte_carlo_batch_norm", fitting, trainer, draws=8, batch_size=2)
    [noisy] = sampler.predict(few, images, 0)
    assert noisy.maps["variance"].mean() > 10 * many.maps["variance"].mean()


def test_batch_norm_needs_batch_normalisation(fitting: Any, trainer_in: Any, tmp_path: Any) -> None:
    plain = trainer_in(tmp_path, architecture=UNet(width=4, depth=2, normalisation="group"))
    with pytest.raises(DicecastError, match="batch normalisation"):
        fit("monte_carlo_batch_norm", fitting, plain)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("deep_sub_ensemble", ("decoder_", "logits")),
        ("monte_carlo_batch_norm", ()),
        ("true_class_probability", ("true_class_probability",)),
    ],
)
def test_weights_that_are_shared_count_once(
    fitting: Any, trainer: Any, name: str, own: tuple[str, ...]
) -> None:
    """Those of the softmax backbone, and for each further draw or head those that are its own."""
    plain = trainer(0)
    predictive = fit(name, fitting, trainer)
    network = predictive.backbone.network
    new = sum(
        int(np.prod(variable.shape))
        for layer in network.layers
        if own and layer.name.startswith(own)
        for variable in layer.trainable_variables
    )
    copies = max(1, predictive.num_draws - 1)
    assert predictive.num_parameters == plain.num_parameters + copies * new

"""What an estimator may change of a training: where it starts, what moves, what is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from dicecast.data.cases import FittingData
from dicecast.errors import PluginError
from dicecast.networks.contract import Features
from dicecast.networks.truth import active_truth
from dicecast.networks.unet import UNet
from dicecast.training.adam import cosine_decay
from dicecast.training.initial import by_layer
from dicecast.training.objective import SegmentationLoss, State, Step
from dicecast.training.schedule import Schedule

SHORT = Schedule(epochs=2, batch_size=8, learning_rate=0.01, patience=0)


@pytest.fixture
def trainer(trainer_in: Callable[..., Any], tmp_path: Path) -> Any:
    return trainer_in(tmp_path, schedule=SHORT)


@pytest.fixture
def base(trainer: Any) -> Any:
    return trainer(0)


def test_only_the_named_layers_move(trainer: Any, base: Any) -> None:
    tuned = trainer(1, initial=base, trained=("decoder_0", "logits"))
    before, after = (by_layer(b.network, b.weights) for b in (base, tuned))
    for name in before:
        for one, other in zip(before[name], after[name], strict=True):
            moved = not np.array_equal(one, other)
            assert moved == name.startswith(("decoder_0", "logits")), name
    assert tuned.num_parameters < base.num_parameters


def test_a_new_head_on_a_frozen_backbone_leaves_the_logits_alone(trainer: Any, base: Any) -> None:
    tuned = trainer(1, initial=base, trained=("extra",), heads={"extra": 1}, objective=ExtraLoss())
    images = trainer.data.validation.images
    [(_, plain)] = base.predict(images)
    [(_, both)] = tuned.predict(images)
    np.testing.assert_allclose(both["logits"], plain["logits"], atol=1e-5)
    assert both["extra"].shape == (*plain["logits"].shape[:3], 1)


def test_names_that_are_in_no_layer_are_refused(trainer: Any, base: Any) -> None:
    with pytest.raises(PluginError, match="no layer with weights"):
        trainer(0, initial=base, trained=("nothing",))


def test_networks_with_no_layer_in_common_are_refused(trainer: Any, base: Any) -> None:
    with pytest.raises(PluginError, match="none in common"):
        trainer(0, initial=base, width=base.network.get_layer("encoder_0_conv_1").filters * 3)


def test_a_start_without_weights_is_refused(trainer: Any, base: Any) -> None:
    with pytest.raises(PluginError, match="that is trained"):
        trainer(0, initial=base.with_weights([]))


def test_snapshots_are_the_weights_after_their_epochs(trainer: Any, base: Any) -> None:
    kept = trainer(0, epochs=2, snapshots=(1, 2), final_rate=1.0)
    alone = trainer(0, epochs=1, snapshots=(1,), final_rate=1.0)
    assert [len(b.snapshots) for b in (base, alone, kept)] == [0, 1, 2]
    for one, other in zip(kept.snapshots[0], alone.snapshots[0], strict=True):
        np.testing.assert_array_equal(one, other)
    best = kept.with_weights(kept.snapshots[1]).weights
    assert any(not np.array_equal(a, b) for a, b in zip(best, kept.snapshots[0], strict=True))


def test_a_start_from_other_weights_is_another_training(trainer: Any, base: Any) -> None:
    again = trainer(0, initial=base)
    assert again.key != base.key
    assert again.log[0]["loss"] < base.log[0]["loss"]


def test_other_data_train_another_backbone_and_count_as_used(trainer: Any, base: Any) -> None:
    data: FittingData = trainer.data
    fewer = replace(data, train=data.train.take(np.arange(len(data.train) // 2)))
    part = trainer.on(fewer)(0)
    assert part.key != base.key
    assert set(trainer.used) == {base.key, part.key}


def test_further_outputs_are_those_of_the_layers(trainer: Any, base: Any) -> None:
    wider = base.with_layers(deep="bottleneck_relu_2")
    images = trainer.data.validation.images
    [(rows, outputs)] = wider.predict(images)
    assert rows == slice(0, len(images))
    [(_, plain)] = base.predict(images)
    np.testing.assert_array_equal(outputs["logits"], plain["logits"])
    names = ("decoder_0_relu_2", "logits")
    kernel, bias = by_layer(base.network, base.weights)["logits"]
    [(_, last)] = base.with_layers(last=names[0]).predict(images)
    np.testing.assert_allclose(
        last["last"] @ kernel[0, 0] + bias, plain["logits"], rtol=1e-4, atol=1e-4
    )
    assert wider.with_layers(deep="bottleneck_relu_2").network is not base.network
    assert base.with_layers(deep="bottleneck_relu_2").network is wider.network


class _Truthful(keras.layers.Layer):
    """Adds the truth where there is one."""

    def call(self, inputs: Any) -> Any:
        truth = active_truth()
        return inputs if truth is None else inputs + ops.cast(truth, inputs.dtype)[..., None]


@dataclass(frozen=True)
class TruthfulHead:
    def build(self, features: Features, name: str) -> Any:
        assert list(features.blocks)[-1] == "decoder_0"
        return _Truthful(name=name)(keras.layers.Conv2D(1, 1, name=f"{name}_conv")(features.last))


@dataclass(frozen=True)
class ExtraLoss(SegmentationLoss):
    def __call__(
        self, outputs: dict[str, Any], targets: Any, step: Step, state: State
    ) -> tuple[Any, State]:
        loss, state = super().__call__(outputs, targets, step, state)
        return loss + ops.mean(ops.square(outputs["extra"])), state


@dataclass(frozen=True)
class SawTruth(SegmentationLoss):
    """Logs how far the head's output differs from the truth, apart from its convolution."""

    def initial_state(self) -> dict[str, float]:
        return {"correlation": 0.0}

    def __call__(
        self, outputs: dict[str, Any], targets: Any, step: Step, state: State
    ) -> tuple[Any, State]:
        loss, _ = super().__call__(outputs, targets, step, state)
        truth = ops.cast(targets, "float32")
        gap = ops.mean(outputs["seen"][..., 0] * truth) - ops.mean(outputs["seen"]) * ops.mean(
            truth
        )
        return loss, {"correlation": gap / ops.var(truth)}


def test_layers_see_the_truth_in_training_and_not_in_prediction(trainer: Any) -> None:
    backbone = trainer(0, epochs=1, heads={"seen": TruthfulHead()}, objective=SawTruth())
    assert backbone.log[-1]["state"]["correlation"] > 0.5
    assert active_truth() is None
    kernel, bias = by_layer(backbone.network, backbone.weights)["seen_conv"]
    layers = {"last": "decoder_0_relu_2"}
    [(_, outputs)] = backbone.with_layers(**layers).predict(trainer.data.validation.images)
    np.testing.assert_allclose(
        outputs["seen"], outputs["last"] @ kernel[0, 0] + bias, rtol=1e-4, atol=1e-4
    )


def test_a_head_named_logits_replaces_them() -> None:
    network = UNet(width=4, depth=1, heads={"logits": TwiceTheLast()}).build((8, 8, 3), 2)
    assert network.output["logits"].shape == (None, 8, 8, 2)
    assert [layer.name for layer in network.layers][-1].startswith("logits")


@dataclass(frozen=True)
class TwiceTheLast:
    def build(self, features: Features, name: str) -> Any:
        hidden = keras.layers.Conv2D(4, 1, name=f"{name}_hidden")(features.last)
        return keras.layers.Conv2D(features.num_classes, 1, name=name)(hidden)


def test_the_learning_rate_starts_anew_in_each_cycle() -> None:
    progress = np.array([0.0, 0.25, 0.4999, 0.5, 0.75], np.float32)
    rates = ops.convert_to_numpy(cosine_decay(2.0, ops.convert_to_tensor(progress), 2, 0.1))
    np.testing.assert_allclose(rates, [2.0, 1.1, 0.2, 2.0, 1.1], atol=1e-3)

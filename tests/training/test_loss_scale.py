from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from dicecast.training import loss_scale, trainer
from dicecast.training.batches import Examples
from dicecast.training.loss_scale import LossScale
from dicecast.training.schedule import Schedule
from dicecast.training.trainer import Task, Trained, train


def after(scale: LossScale, finite: bool) -> tuple[float, float]:
    following = scale.after(ops.convert_to_tensor(finite))
    return float(following.factor), float(following.finite_steps)


def test_the_factor_halves_at_once_doubles_late_and_stays_above_one() -> None:
    scale = LossScale(ops.convert_to_tensor(8.0), ops.convert_to_tensor(5.0))
    assert after(scale, True) == (8.0, 6.0)
    assert after(scale, False) == (4.0, 0.0)
    late = scale._replace(finite_steps=ops.convert_to_tensor(loss_scale.STEPS_TO_DOUBLE - 1.0))
    assert after(late, True) == (16.0, 0.0)
    assert after(scale._replace(factor=ops.convert_to_tensor(1.0)), False) == (1.0, 0.0)


class FaintSlope:
    """The mean output, times a number that float16 gradients cannot hold."""

    def initial_state(self) -> dict[str, float]:
        return {}

    def __call__(self, outputs: Any, targets: Any, step: Any, state: Any) -> Any:
        return ops.mean(outputs["logits"]) * self.slope, state

    def __init__(self, slope: float) -> None:
        self.slope = slope


def trained(slope: float, monkeypatch: pytest.MonkeyPatch, initial: float) -> Trained:
    monkeypatch.setattr(loss_scale, "INITIAL", initial)
    inputs = keras.Input((2, 2, 1))
    layer = keras.layers.Conv2D(1, 1, dtype="mixed_float16")
    network = keras.Model(inputs, {"logits": layer(inputs)})
    network.dtype_policy = keras.DTypePolicy("mixed_float16")
    data = Examples(np.ones((4, 2, 2, 1), np.float32), np.zeros((4, 2, 2), np.uint8))
    task = Task(network, FaintSlope(slope), lambda out, true: -ops.mean(out["logits"], (1, 2, 3)))
    start = [np.ones((1, 1, 1, 1), np.float32), np.zeros(1, np.float32)]
    schedule = Schedule(epochs=3, batch_size=4, learning_rate=0.1, patience=0)
    return train(task, start, (data, data), schedule, seed=0)


def test_a_gradient_below_the_smallest_float16_still_moves_the_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A slope of 4e-7 over 16 pixels is 2.5e-8 a pixel; the smallest float16 is 6e-8.
    lost = trained(4e-7, monkeypatch, initial=1.0)
    assert lost.weights[0].item() == 1.0
    found = trained(4e-7, monkeypatch, initial=2.0**15)
    assert found.weights[0].item() < 0.98


def test_a_step_whose_gradient_overflows_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first two steps overflow (65,504 is the largest float16), the third does not.
    result = trained(1.0, monkeypatch, initial=2.0**21)
    assert len(result.log) == 3
    assert np.isfinite(result.weights[0]).all()


def test_other_precisions_are_not_scaled() -> None:
    assert float(LossScale.start(needed=False).factor) == 1.0
    assert float(LossScale.start(needed=True).factor) == loss_scale.INITIAL
    assert trainer.LossScale is LossScale

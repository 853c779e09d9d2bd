from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from dicecast.networks.backend import value_and_gradient
from dicecast.networks.probabilities import classes_first, log_softmax, one_hot
from dicecast.training.objective import cross_entropy_and_dice
from dicecast.training.softmax_loss import softmax_cross_entropy_and_dice


def plain(logits: object, targets: np.ndarray, weight: float) -> object:
    truth = one_hot(targets, logits.shape[-1])
    return cross_entropy_and_dice(log_softmax(classes_first(logits)), truth, weight)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("spread", [0.1, 3.0, 300.0])
def test_value_and_gradient_are_those_of_the_plain_form(
    classes: int, weight: float, spread: float
) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, spread, (3, 4, 5, classes)).astype(np.float32)
    targets = rng.integers(0, classes, (3, 4, 5)).astype(np.int32)

    def found(loss: object) -> tuple[float, np.ndarray]:
        value, _, (gradient,) = value_and_gradient(
            lambda weights: (7.0 * loss(weights[0], targets, weight), None),
            [ops.convert_to_tensor(logits)],
        )
        return float(value), ops.convert_to_numpy(gradient)

    (value, gradient), (expected, slope) = map(found, (softmax_cross_entropy_and_dice, plain))
    assert value == pytest.approx(expected, rel=1e-5)
    assert np.abs(slope).max() > 1e-3
    np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-6 * np.abs(slope).max())


def test_a_class_that_is_nowhere_has_a_finite_gradient() -> None:
    logits = ops.convert_to_tensor(np.full((1, 2, 2, 3), [90.0, -90.0, 0.0], np.float32))
    targets = np.zeros((1, 2, 2), np.int32)
    _, _, (gradient,) = value_and_gradient(
        lambda weights: (softmax_cross_entropy_and_dice(weights[0], targets, 1.0), None), [logits]
    )
    assert np.isfinite(ops.convert_to_numpy(gradient)).all()

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from dicecast.data.cases import FittingData, SegmentationData
from dicecast.networks.noise import Noise
from dicecast.plugins import estimators
from dicecast.training.objective import Step

Estimator: Any = estimators.get("learned_confidence")
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (4, 6, 5, 3)).astype(np.float32)
CONFIDENCE = RNG.normal(0, 1.5, (4, 6, 5, 1)).astype(np.float32)
TARGETS = RNG.integers(0, 3, (4, 6, 5)).astype(np.int32)
NOISE = Noise(np.int32(3), np.int32(7), shared=False)


def loss_and_state(
    budget: float, weight: float = 0.1, initial: float = 0.1, regularisation: float = 0.0
) -> tuple[float, dict[str, float]]:
    objective = estimators_loss(budget, initial)
    step = Step(ops.zeros(()), 10, ops.convert_to_tensor(regularisation), NOISE)
    state = {"lambda": ops.convert_to_tensor(weight), "mean_confidence": ops.ones(())}
    outputs = {"logits": LOGITS, "confidence": CONFIDENCE}
    loss, moved = objective(outputs, TARGETS, step, state)
    return float(loss), {name: float(value) for name, value in moved.items()}


def estimators_loss(budget: float, initial: float) -> Any:
    module = __import__("sys").modules[Estimator.__module__]
    return module.ConfidenceLoss(budget, initial)


def by_hand(weight: float) -> tuple[float, float]:
    """The loss pixel by pixel in double precision, and the mean of -log c."""
    asks = ops.convert_to_numpy(NOISE.uniform("learned_confidence_hint", CONFIDENCE.shape)) < 0.5
    entropy, price, pixels = 0.0, 0.0, 0
    overlap, volume = np.zeros(3), np.zeros(3)
    for place in np.ndindex(TARGETS.shape):
        logits = LOGITS[place].astype(np.float64)
        probability = np.exp(logits) / np.exp(logits).sum()
        truth = np.eye(3)[TARGETS[place]]
        confidence = 1 / (1 + np.exp(-float(CONFIDENCE[place][0])))
        counted = confidence if asks[place][0] else 1.0
        hinted = counted * probability + (1 - counted) * truth
        entropy -= np.log(hinted[TARGETS[place]])
        price -= np.log(confidence)
        overlap += hinted * truth
        volume += hinted + truth
        pixels += 1
    dice = np.mean((2 * overlap[1:] + 1) / (volume[1:] + 1))
    price /= pixels
    return entropy / pixels + 1 - dice + weight * price, price


@pytest.mark.parametrize("weight", [0.1, 1.5])
def test_the_loss_is_the_one_of_the_paper_on_hinted_probabilities(weight: float) -> None:
    expected, _ = by_hand(weight)
    assert loss_and_state(0.3, weight)[0] == pytest.approx(expected, rel=1e-5)
    assert loss_and_state(0.3, weight, regularisation=0.5)[0] == pytest.approx(
        expected + 0.5, rel=1e-5
    )


def test_lambda_moves_so_that_the_price_stays_at_the_budget() -> None:
    _, price = by_hand(0.1)
    # Too few hints asked for (the price is below the budget): asking becomes cheaper.
    assert loss_and_state(price + 0.1)[1]["lambda"] == pytest.approx(0.1 / 1.01)
    # Too many: it becomes dearer.
    assert loss_and_state(price - 0.1)[1]["lambda"] == pytest.approx(0.1 / 0.99)


def test_the_mean_confidence_is_logged() -> None:
    expected = (1 / (1 + np.exp(-CONFIDENCE.astype(np.float64)))).mean()
    assert loss_and_state(0.3)[1]["mean_confidence"] == pytest.approx(expected, rel=1e-5)
    assert estimators_loss(0.3, 0.25).initial_state() == {"lambda": 0.25, "mean_confidence": 1.0}


def test_a_hint_is_asked_for_at_half_of_the_pixels_each_by_itself() -> None:
    shape = (40, 16, 16, 1)
    asks = ops.convert_to_numpy(NOISE.uniform("learned_confidence_hint", shape)) < 0.5
    assert abs(asks.mean() - 0.5) < 5 * 0.5 / np.sqrt(asks.size)
    assert len(np.unique(asks.reshape(40, -1), axis=0)) == 40


def test_saturated_confidence_and_logits_stay_finite() -> None:
    objective = estimators_loss(0.3, 0.1)
    step = Step(ops.zeros(()), 10, ops.zeros(()), NOISE)
    for sign in (-1, 1):
        outputs = {"logits": LOGITS * 1e3 * sign, "confidence": CONFIDENCE * 1e3 * sign}
        loss, _ = objective(
            outputs, TARGETS, step, {"lambda": ops.convert_to_tensor(0.1), "mean_confidence": 1.0}
        )
        assert np.isfinite(float(loss))


def test_the_map_is_one_minus_the_confidence_and_varies(
    fitting: FittingData, trainer: Any, sampler: Any, disc_data: SegmentationData
) -> None:
    predictive = Estimator().fit(fitting, trainer, 0)
    images = disc_data.test["in_distribution"].images
    (prediction,) = sampler.predict(predictive, images, 0)
    learned = prediction.maps["learned_confidence"]
    outputs = predictive.backbone.outputs(
        predictive.backbone.weights, images.astype(np.float32) / 255
    )
    logit = ops.convert_to_numpy(outputs["confidence"])[..., 0].astype(np.float64)
    np.testing.assert_allclose(learned, 1 - 1 / (1 + np.exp(-logit)), atol=1e-5)
    assert learned.std() > 1e-3
    assert (learned.std(axis=(1, 2)) > 1e-4).all()
    states = [entry["state"] for entry in predictive.backbone.log]
    assert all(0 < state["mean_confidence"] < 1 for state in states)
    assert states[0]["lambda"] != states[-1]["lambda"]

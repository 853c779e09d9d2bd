from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import log_softmax, one_hot
from dicecast.training.objective import SegmentationLoss, Step, cross_entropy_and_dice


def random_case(classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (3, 4, 5, classes)).astype(np.float32)
    return logits, rng.integers(0, classes, (3, 4, 5)).astype(np.int32)


def by_hand(logits: np.ndarray, targets: np.ndarray, weight: float) -> float:
    """One pixel and one class at a time, in double precision."""
    logits = logits.astype(np.float64)
    classes = logits.shape[-1]
    entropy, count = 0.0, 0
    overlap, volume = np.zeros(classes), np.zeros(classes)
    for place in np.ndindex(targets.shape):
        probability = np.exp(logits[place] - logits[place].max())
        probability /= probability.sum()
        true = targets[place]
        entropy -= np.log(probability[true])
        count += 1
        overlap[true] += probability[true]
        volume += probability
        volume[true] += 1
    dice = [(2 * overlap[c] + 1) / (volume[c] + 1) for c in range(1, classes)]
    return entropy / count + weight * (1 - np.mean(dice))


def step(regularisation: float = 0.0) -> Step:
    return Step(
        ops.convert_to_tensor(0.0),
        10,
        ops.convert_to_tensor(regularisation),
        Noise(np.int32(0), np.int32(0), shared=False),
    )


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_segmentation_loss_is_cross_entropy_plus_weighted_dice(classes: int, weight: float) -> None:
    logits, targets = random_case(classes)
    loss, state = SegmentationLoss(weight)({"logits": logits}, targets, step(), {})
    assert float(loss) == pytest.approx(by_hand(logits, targets, weight), rel=1e-5)
    assert state == {}


def test_regularisation_is_added_to_the_segmentation_loss() -> None:
    logits, targets = random_case(2)
    plain, _ = SegmentationLoss()({"logits": logits}, targets, step(), {})
    more, _ = SegmentationLoss()({"logits": logits}, targets, step(0.75), {})
    assert float(more) - float(plain) == pytest.approx(0.75, rel=1e-5)


def test_perfect_logits_cost_nothing_and_empty_masks_stay_finite() -> None:
    empty = np.zeros((2, 4, 4), np.int32)
    truth = one_hot(empty, 2)
    sure = cross_entropy_and_dice(log_softmax(50.0 * truth), truth)
    assert float(sure) == pytest.approx(0.0, abs=1e-6)
    wrong = cross_entropy_and_dice(log_softmax(50.0 * (1 - truth)), truth)
    assert np.isfinite(float(wrong))
    assert float(wrong) > 10

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import ops
from scipy import special, stats

from dicecast.data.cases import Cases, FittingData
from dicecast.estimation.sampling import Sampler
from dicecast.networks.noise import Noise
from dicecast.plugins import estimators
from dicecast.training.objective import Step

Estimator: Any = estimators.get("true_class_probability")
MODULE: Any = sys.modules[Estimator.__module__]
RNG = np.random.default_rng(0)
STEP = Step(0.0, 10, 0.25, Noise(np.int32(0), np.int32(0), shared=False))


@pytest.mark.parametrize("weight", [1.0, 7.0])
@pytest.mark.parametrize("classes", [2, 4])
def test_the_loss_is_the_squared_distance_from_the_true_class_probability(
    weight: float, classes: int
) -> None:
    logits = RNG.normal(0, 2, (2, 5, 6, classes)).astype(np.float32)
    outputs = {
        "logits": logits,
        "true_class_probability": RNG.normal(size=(2, 5, 6, 1)).astype(np.float32),
    }
    truth = RNG.integers(0, classes, (2, 5, 6)).astype(np.int32)
    loss, _ = MODULE.TrueClassLoss(weight)(outputs, truth, STEP, {})
    chances = special.softmax(logits.astype(np.float64), axis=-1)
    total = 0.0
    for place in np.ndindex(truth.shape):
        expected = chances[*place, truth[place]]
        got = special.expit(outputs["true_class_probability"][*place, 0])
        factor = 1.0 if chances[place].argmax() == truth[place] else weight
        total += factor * (got - expected) ** 2
    assert float(loss) == pytest.approx(total / truth.size + 0.25, rel=1e-4)


def test_masks_and_probabilities_are_those_of_softmax_to_the_bit(
    fitting: FittingData, trainer: Any, sampler: Any
) -> None:
    images = fitting.validation.images
    (plain,) = sampler.predict(estimators.create("softmax", {}).fit(fitting, trainer, 0), images, 0)
    (found,) = sampler.predict(Estimator().fit(fitting, trainer, 0), images, 0)
    np.testing.assert_array_equal(found.mask, plain.mask)
    np.testing.assert_array_equal(found.mean_probabilities, plain.mean_probabilities)


def mislabelled(cases: Cases) -> Cases:
    """Discs whose true class is a coin's throw where the image is red."""
    rng = np.random.default_rng(1)
    images, masks = cases.images.copy(), cases.masks.copy()
    red = np.zeros(masks.shape, bool)
    for case in red:
        top, left = rng.integers(0, 10, 2)
        case[top : top + 6, left : left + 6] = True
    images[red] = (255, 0, 0)
    masks[red] = rng.integers(0, 2, int(red.sum()))
    return dataclasses.replace(cases, images=images, masks=masks)


def test_the_head_knows_where_the_truth_is_unlikely(
    trainer_in: Callable[..., Any], disc_cases: Callable[..., Cases], tmp_path: Path
) -> None:
    train, validation = (mislabelled(disc_cases(n, seed)) for n, seed in ((60, 5), (20, 6)))
    data = FittingData(("background", "disc"), train, validation)
    trainer = trainer_in(tmp_path, data=data)
    trainer.schedule = dataclasses.replace(trainer.schedule, epochs=12)
    predictive = Estimator(channels=8).fit(data, trainer, 0)
    (found,) = Sampler(2).predict(predictive, validation.images, 0)
    uncertainty = found.maps["true_class_probability"]
    of_truth = np.take_along_axis(
        found.mean_probabilities, np.asarray(validation.masks)[..., None].astype(int), axis=-1
    )[..., 0]
    # Within the planted squares a coin decides, so that no map explains all.
    assert stats.spearmanr(uncertainty.ravel(), of_truth.ravel()).statistic < -0.5
    assert np.square(1 - uncertainty - of_truth).mean() < 0.8 * of_truth.var()
    red = (validation.images == (255, 0, 0)).all(axis=-1)
    assert np.median(uncertainty[red]) > 0.3 > 2 * np.median(uncertainty[~red])


def test_the_head_has_trained_to_its_last_epoch(fitting: FittingData, trainer: Any) -> None:
    backbone = Estimator().fit(fitting, trainer, 0).backbone
    assert len(backbone.log) == trainer.schedule.epochs
    layers = [layer.name for layer in backbone.network.layers if layer.trainable_variables]
    assert layers
    assert all(name.startswith("true_class_probability") for name in layers)
    images, truth = fitting.train.images, np.asarray(fitting.train.masks)
    [(_, outputs)] = backbone.predict(images)
    loss, _ = MODULE.TrueClassLoss(5.0)(outputs, truth.astype(np.int32), STEP, {})
    assert float(loss) - 0.25 == pytest.approx(backbone.log[-1]["loss"], rel=0.5)
    assert backbone.log[-1]["loss"] < backbone.log[0]["loss"]
    assert ops.shape(outputs["true_class_probability"]) == (*truth.shape, 1)

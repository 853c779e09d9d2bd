from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from scipy import optimize, special

from dicecast.data.cases import FittingData
from dicecast.plugins import estimators

Estimator: Any = estimators.get("temperature_scaling")
MODULE: Any = sys.modules[Estimator.__module__]


def likelihood(logits: np.ndarray, truth: np.ndarray, temperature: float) -> float:
    logs = special.log_softmax(logits.astype(np.float64) / temperature, axis=-1)
    return float(-np.mean(np.take_along_axis(logs, truth[..., None].astype(int), axis=-1)))


@pytest.fixture(scope="module")
def validation(fitting: FittingData, trainer: Any) -> tuple[np.ndarray, np.ndarray]:
    [(_, outputs)] = trainer(0).predict(fitting.validation.images)
    return outputs["logits"], np.asarray(fitting.validation.masks)


def test_the_temperature_minimises_the_likelihood_of_all_validation_pixels(
    fitting: FittingData, trainer: Any, validation: tuple[np.ndarray, np.ndarray]
) -> None:
    _, temperature = Estimator().fit(fitting, trainer, 0).state
    found = optimize.minimize_scalar(
        lambda inverse: likelihood(*validation, 1 / inverse), bracket=(0.01, 1.0)
    )
    assert temperature == pytest.approx(1 / found.x, rel=1e-3)
    assert abs(temperature - 1) > 0.01


@pytest.mark.parametrize("true", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_temperature_that_made_the_labels_is_found(true: float, classes: int) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3 * true, (40_000, classes)).astype(np.float32)
    chances = special.softmax(logits / true, axis=1)
    truth = (chances.cumsum(axis=1) < rng.uniform(size=(40_000, 1))).sum(axis=1)
    truth = np.minimum(truth, classes - 1).astype(np.uint8)
    assert MODULE.best_temperature(logits, truth) == pytest.approx(true, rel=0.05)


def test_without_a_wrong_pixel_the_temperature_stays_in_its_range() -> None:
    logits = np.array([[3.0, -1.0], [-2.0, 4.0]], np.float32)
    found = MODULE.best_temperature(logits, np.array([0, 1], np.uint8))
    assert MODULE.RANGE[0] <= found < 0.1


def test_probabilities_are_those_of_scaled_logits_and_masks_those_of_softmax(
    fitting: FittingData,
    trainer: Any,
    sampler: Any,
    validation: tuple[np.ndarray, np.ndarray],
) -> None:
    images = fitting.validation.images
    predictive = Estimator().fit(fitting, trainer, 0)
    (plain,) = sampler.predict(estimators.create("softmax", {}).fit(fitting, trainer, 0), images, 0)
    (scaled,) = sampler.predict(predictive, images, 0)
    expected = special.softmax(validation[0] / predictive.state[1], axis=-1)
    np.testing.assert_allclose(scaled.mean_probabilities, expected, atol=1e-5)
    np.testing.assert_array_equal(scaled.mask, plain.mask)
    (one,) = sampler.predict(MODULE._TemperedPredictive(trainer(0), 1.0), images, 0)
    np.testing.assert_array_equal(one.mean_probabilities, plain.mean_probabilities)


def test_two_temperatures_share_a_graph_and_not_a_result(trainer: Any, sampler: Any) -> None:
    images = trainer.data.validation.images
    cold, hot = (MODULE._TemperedPredictive(trainer(0), t) for t in (0.5, 5.0))
    (sharp,), (soft,) = (sampler.predict(one, images, 0) for one in (cold, hot))
    assert cold.graph_key == hot.graph_key
    assert (sharp.maps["max_softmax"] < soft.maps["max_softmax"]).all()

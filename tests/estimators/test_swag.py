"""SWAG: the Gaussian over the weights, and draws from it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from dicecast.plugins import estimators
from dicecast.training.normalisation import with_statistics_of


@pytest.fixture
def module() -> Any:
    return sys.modules[type(estimators.create("swag", {})).__module__]


def test_a_scale_of_zero_gives_the_averaged_weights(
    fitting: Any, trainer: Any, sampler: Any, images: np.ndarray
) -> None:
    fixed = estimators.create("swag", {"draws": 2, "epochs": 3, "scale": 0.0})
    predictive = fixed.fit(fitting, trainer, 0)
    walk = trainer(
        0,
        initial=trainer(0),
        epochs=3,
        learning_rate=0.25 * trainer.schedule.learning_rate,
        final_rate=1.0,
        patience=0,
        snapshots=(1, 2, 3),
    )
    mean = [np.mean(w, axis=0) for w in zip(*walk.snapshots, strict=True)]
    averaged = with_statistics_of(
        walk.with_weights(mean), fitting.train.images, trainer.schedule.batch_size
    )
    [(_, outputs)] = averaged.predict(images)
    exponential = np.exp(outputs["logits"] - outputs["logits"].max(axis=-1, keepdims=True))
    [prediction] = sampler.predict(predictive, images, 0)
    np.testing.assert_allclose(
        prediction.mean_probabilities,
        exponential / exponential.sum(axis=-1, keepdims=True),
        atol=1e-5,
    )
    assert prediction.maps["variance"].max() < 1e-9


def test_draws_have_the_mean_and_covariance_of_the_two_parts(module: Any) -> None:
    generator = np.random.default_rng(0)
    snapshots = [[generator.normal(size=(2,)), generator.normal(size=(1, 2))] for _ in range(6)]
    gaussian = module.LowRankGaussian(snapshots, rank=4)
    draws = np.array(
        [
            np.concatenate([w.ravel() for w in gaussian.draw(generator, scale=0.5)])
            for _ in range(40_000)
        ]
    )
    flat = np.array([np.concatenate([w.ravel() for w in s]) for s in snapshots])
    running = np.array([flat[: i + 1].mean(axis=0) for i in range(6)])
    deviations = (flat - running)[-4:]
    expected = 0.5 * (np.diag(flat.var(axis=0)) + deviations.T @ deviations / 3)
    np.testing.assert_allclose(draws.mean(axis=0), flat.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(np.cov(draws.T), expected, atol=0.03)

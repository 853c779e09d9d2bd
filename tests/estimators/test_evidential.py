"""Evidential networks against SciPy's Dirichlet, and by hand."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from keras import ops
from scipy import special, stats

from dicecast.networks.noise import Noise
from dicecast.plugins import estimators
from dicecast.training.objective import Step

MODULE: Any = sys.modules[estimators.get("evidential").__module__]
RNG = np.random.default_rng(0)


def test_the_divergence_is_that_of_the_dirichlet() -> None:
    alpha = RNG.uniform(0.5, 8, (3, 1, 1, 2)).astype(np.float32)
    found = ops.convert_to_numpy(MODULE.divergence_from_uniform(alpha))
    for place in range(2):
        one = alpha[:, 0, 0, place].astype(float)
        density = stats.dirichlet(one)
        # KL = -entropy - E[log uniform], whose density on the simplex is (classes - 1)!.
        expected = -density.entropy() - special.gammaln(3)
        assert found[0, 0, place] == pytest.approx(expected, rel=1e-4)
    flat = ops.convert_to_numpy(MODULE.divergence_from_uniform(np.ones((4, 1, 1, 1), np.float32)))
    assert flat == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("progress", [0.0, 0.25, 1.0])
def test_the_loss_is_that_of_the_formula(progress: float) -> None:
    logits = RNG.normal(size=(2, 3, 3, 3)).astype(np.float32)
    targets = RNG.integers(0, 3, (2, 3, 3)).astype(np.int32)
    step = Step(np.float32(progress), 8, ops.zeros(()), Noise(np.int32(0), np.int32(0), False))
    loss, state = MODULE.EvidentialLoss(0.5)({"logits": logits}, targets, step, {})
    alpha = np.logaddexp(0, logits.astype(float)) + 1
    truth = np.eye(3)[targets]
    total = alpha.sum(axis=-1, keepdims=True)
    fit = (truth * (special.digamma(total) - special.digamma(alpha))).sum(axis=-1).mean()
    wrong = (alpha - 1) * (1 - truth) + 1
    price = np.mean(
        [-stats.dirichlet(a).entropy() - special.gammaln(3) for a in wrong.reshape(-1, 3)]
    )
    mean = alpha / total
    overlap = (mean * truth).sum(axis=(0, 1, 2))[1:]
    dice = (2 * overlap + 1) / ((mean + truth).sum(axis=(0, 1, 2))[1:] + 1)
    expected = fit + (1 - dice.mean()) + min(progress / 0.5, 1) * price
    assert float(loss) == pytest.approx(expected, rel=1e-4)
    assert float(state["mean_vacuity"]) == pytest.approx((3 / total).mean(), rel=1e-5)


def test_the_map_is_the_vacuity_and_the_probabilities_the_dirichlets_mean(
    fitting: Any, trainer: Any, sampler: Any, images: np.ndarray
) -> None:
    predictive = estimators.create("evidential", {}).fit(fitting, trainer, 0)
    [prediction] = sampler.predict(predictive, images, 0)
    [(_, outputs)] = predictive.backbone.predict(images)
    alpha = np.logaddexp(0, outputs["logits"].astype(float)) + 1
    total = alpha.sum(axis=-1)
    np.testing.assert_allclose(prediction.maps["evidential"], 2 / total, atol=1e-5)
    np.testing.assert_allclose(prediction.mean_probabilities, alpha / total[..., None], atol=1e-5)

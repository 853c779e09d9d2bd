from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from scipy import optimize, special, stats

from dicecast.data.cases import FittingData
from dicecast.estimation.last_layer import with_features
from dicecast.networks.backend import compiled
from dicecast.networks.noise import Noise
from dicecast.plugins import estimators

Estimator: Any = estimators.get("laplace_last_layer")
MODULE: Any = sys.modules[Estimator.__module__]
RNG = np.random.default_rng(0)
PHI = np.concatenate([RNG.normal(size=(7, 2)), np.ones((7, 1))], axis=1)
WEIGHTS = RNG.normal(size=(3, 3))
CHANCES = special.softmax(PHI @ WEIGHTS, axis=1)
DRAWS = 500
STRUCTURES = ["full", "kronecker", "diagonal"]


def loss(weights: np.ndarray) -> float:
    """The cross-entropy expected under the model's own labels: its Hessian is Gauss-Newton's."""
    logs = special.log_softmax(PHI @ weights.reshape(WEIGHTS.shape), axis=1)
    return float(-(CHANCES * logs).sum())


def hessian() -> np.ndarray:
    step, size = 1e-3, WEIGHTS.size
    found = np.empty((size, size))
    for one, other in np.ndindex(size, size):
        total = 0.0
        for first, second in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            moved = WEIGHTS.ravel().copy()
            moved[one] += first * step
            moved[other] += second * step
            total += first * second * loss(moved)
        found[one, other] = total / (4 * step**2)
    return found


def matrix(structure: str, phi: np.ndarray = PHI, chances: np.ndarray = CHANCES) -> np.ndarray:
    sums = MODULE.curvature_sums(structure, phi, chances)
    values, basis = MODULE.curvature(structure, sums, len(phi))
    assert values.min() >= 0
    np.testing.assert_allclose(basis.T @ basis, np.eye(len(basis)), atol=1e-9)
    return (basis * values) @ basis.T


def test_the_matrix_is_the_hessian_by_finite_differences() -> None:
    np.testing.assert_allclose(matrix("full"), hessian(), atol=2e-5)


def test_the_diagonal_is_that_of_the_full_matrix() -> None:
    np.testing.assert_allclose(matrix("diagonal"), np.diag(np.diag(matrix("full"))), atol=1e-9)


def test_the_kronecker_product_is_of_the_means_of_its_factors() -> None:
    outer = np.mean([np.outer(phi, phi) for phi in PHI], axis=0)
    of_logits = np.mean([np.diag(p) - np.outer(p, p) for p in CHANCES], axis=0)
    np.testing.assert_allclose(matrix("kronecker"), len(PHI) * np.kron(outer, of_logits), atol=1e-9)
    one = matrix("kronecker", PHI[:1], CHANCES[:1])
    np.testing.assert_allclose(one, matrix("full", PHI[:1], CHANCES[:1]), atol=1e-9)


def test_the_prior_precision_maximises_the_marginal_likelihood() -> None:
    values = RNG.gamma(1.0, 50.0, WEIGHTS.size)

    def evidence(precision: float) -> float:
        """log N(w; 0, 1/t) - 1/2 log det of the posterior precision, but for constants."""
        prior = stats.norm(0, precision**-0.5).logpdf(WEIGHTS).sum()
        return float(prior - 0.5 * np.linalg.slogdet(np.diag(values + precision))[1])

    found = optimize.minimize_scalar(lambda t: -evidence(t), bracket=(0.1, 1.0))
    assert MODULE.best_prior_precision(values, WEIGHTS) == pytest.approx(found.x, rel=1e-3)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_last_layers_have_the_stated_mean_and_covariance(
    fitting: FittingData, trainer: Any, structure: str
) -> None:
    predictive = Estimator(structure=structure, prior_precision=2.0).fit(fitting, trainer, 0)
    _, mean, root = predictive.state
    [(_, outputs)] = with_features(trainer(0)).predict(fitting.train.images)
    phi = outputs["features"].reshape(-1, 4).astype(np.float64)
    phi = np.concatenate([phi, np.ones((len(phi), 1))], axis=1)
    logits = outputs["logits"].reshape(-1, 2).astype(np.float64)
    np.testing.assert_allclose(phi @ mean, logits, atol=1e-3)
    precision = matrix(structure, phi, special.softmax(logits, axis=1)) + 2.0 * np.eye(10)
    graph = compiled(
        lambda state, index: predictive.layer(state, Noise(np.int32(3), index, shared=True))
    )
    draws = np.stack([graph(predictive.state, np.int32(i)) for i in range(DRAWS)])
    np.testing.assert_allclose(root @ root.T @ precision, np.eye(10), atol=1e-2)
    standard = (draws - mean).reshape(DRAWS, -1) @ np.linalg.cholesky(precision)
    assert np.abs(standard.mean(axis=0)).max() < 5 / np.sqrt(DRAWS)
    assert np.abs(standard.T @ standard / DRAWS - np.eye(10)).max() < 6 * np.sqrt(2 / DRAWS)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_with_a_growing_prior_precision_the_draws_tend_to_the_softmax(
    fitting: FittingData, trainer: Any, sampler: Any, structure: str
) -> None:
    images = fitting.validation.images
    (plain,) = sampler.predict(estimators.create("softmax", {}).fit(fitting, trainer, 0), images, 0)
    distances, variances = [], []
    for precision in (1e-2, 1e2, 1e5, 1e9):
        settings = {"structure": structure, "prior_precision": precision}
        predictive = estimators.create("laplace_last_layer", settings).fit(fitting, trainer, 0)
        (drawn,) = sampler.predict(predictive, images, 0)
        distances.append(np.abs(drawn.mean_probabilities - plain.mean_probabilities).max())
        variances.append(drawn.maps["variance"].max())
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 1e-3
    assert distances[-1] < 1e-4
    # A difference of two sums in float32.
    assert variances[0] > 1e-4
    assert variances[-1] < 1e-6


def test_without_a_prior_precision_it_is_fitted(fitting: FittingData, trainer: Any) -> None:
    fitted = Estimator(structure="full").fit(fitting, trainer, 0)
    weights = fitted.state[1]
    backbone = with_features(trainer(0))
    values, _ = Estimator(structure="full")._curvature(backbone, fitting.train)
    precision = MODULE.best_prior_precision(values, weights)
    same = Estimator(structure="full", prior_precision=precision).fit(fitting, trainer, 0)
    np.testing.assert_allclose(fitted.state[2], same.state[2], rtol=1e-5)

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from keras import ops
from scipy import special, stats

from dicecast.data.cases import FittingData
from dicecast.errors import DicecastError
from dicecast.estimation.last_layer import with_features
from dicecast.plugins import estimators

Estimator: Any = estimators.get("feature_density")
MODULE: Any = sys.modules[Estimator.__module__]
RNG = np.random.default_rng(0)


def pixels(counts: tuple[int, ...], features: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Features of correlated Gaussians, one a class."""
    truth = np.repeat(np.arange(len(counts)), counts)
    mixing = RNG.normal(size=(len(counts), features, features))
    centres = RNG.normal(0, 3, (len(counts), features))
    standard = RNG.normal(size=(len(truth), features))
    values = np.einsum("nf,nfg->ng", standard, mixing[truth]) + centres[truth]
    return values.astype(np.float32), truth.astype(np.uint8)


def expected(features: np.ndarray, truth: np.ndarray, at: np.ndarray) -> np.ndarray:
    logs = []
    for label in np.unique(truth):
        chosen = features[truth == label].astype(np.float64)
        normal = stats.multivariate_normal(
            chosen.mean(axis=0), np.cov(chosen.T, bias=True), allow_singular=False
        )
        logs.append(normal.logpdf(at) + np.log((truth == label).mean()))
    return -special.logsumexp(logs, axis=0)


@pytest.mark.parametrize("counts", [(200, 100), (50, 300, 0, 80)])
def test_the_density_is_that_of_scipys_gaussians(counts: tuple[int, ...]) -> None:
    features, truth = pixels(counts)
    gaussians = MODULE.fit_gaussians(features, truth)
    at = np.concatenate([features[::7], RNG.normal(0, 10, (20, 3)).astype(np.float32)])
    found = ops.convert_to_numpy(MODULE.surprise(gaussians, at))
    np.testing.assert_allclose(found, expected(features, truth, at), rtol=1e-3, atol=1e-3)


def test_features_that_never_vary_do_no_harm() -> None:
    features, truth = pixels((100, 100))
    with_dead = np.concatenate([features, np.zeros((200, 2), np.float32)], axis=1)
    plain = MODULE.surprise(MODULE.fit_gaussians(features, truth), features)
    found = MODULE.surprise(MODULE.fit_gaussians(with_dead, truth), with_dead)
    # The dead features add the same to all.
    gap = ops.convert_to_numpy(found) - ops.convert_to_numpy(plain)
    np.testing.assert_allclose(gap, gap.mean(), atol=1e-3)


def test_features_that_are_all_alike_are_refused() -> None:
    with pytest.raises(DicecastError, match="no covariance"):
        MODULE.fit_gaussians(np.ones((9, 3), np.float32), np.zeros(9, np.uint8))


def test_the_position_is_numpys_interpolation() -> None:
    knots = np.sort(RNG.normal(size=33)).astype(np.float32)
    knots[4:7] = knots[5]
    values = np.concatenate([RNG.normal(0, 2, 200), knots[[0, 32]]]).astype(np.float32)
    found = ops.convert_to_numpy(MODULE.position(knots, values.reshape(2, 101)))
    np.testing.assert_allclose(
        found.ravel(), np.interp(values, knots, np.linspace(0, 1, 33)), atol=1e-5
    )


@pytest.fixture(scope="module")
def features(fitting: FittingData, trainer: Any) -> dict[str, np.ndarray]:
    found = {}
    for role, cases in (("train", fitting.train), ("validation", fitting.validation)):
        [(_, outputs)] = with_features(trainer(0)).predict(cases.images)
        found[role] = outputs["features"]
    return found


def test_the_map_is_the_share_of_less_surprising_validation_pixels(
    fitting: FittingData, trainer: Any, sampler: Any, features: dict[str, np.ndarray]
) -> None:
    images = fitting.validation.images
    (prediction,) = sampler.predict(Estimator().fit(fitting, trainer, 0), images, 0)
    found = prediction.maps["feature_density"]
    truth = np.asarray(fitting.train.masks).ravel()
    gaussians = MODULE.fit_gaussians(features["train"].reshape(-1, 4), truth)
    values = ops.convert_to_numpy(MODULE.surprise(gaussians, features["validation"]))
    share = (stats.rankdata(values, method="min") - 1).reshape(values.shape) / values.size
    np.testing.assert_allclose(found, share, atol=3e-3)
    (plain,) = sampler.predict(estimators.create("softmax", {}).fit(fitting, trainer, 0), images, 0)
    np.testing.assert_array_equal(prediction.mask, plain.mask)
    np.testing.assert_allclose(prediction.mean_probabilities, plain.mean_probabilities, atol=1e-6)


def test_features_from_far_away_get_one(
    fitting: FittingData, trainer: Any, features: dict[str, np.ndarray]
) -> None:
    _, gaussians, knots = Estimator().fit(fitting, trainer, 0).state
    far = features["validation"] + 50 * np.array([1, -1, 1, -1], np.float32)
    values = MODULE.surprise(MODULE.Gaussians(*gaussians), far)
    np.testing.assert_array_equal(ops.convert_to_numpy(MODULE.position(knots, values)), 1.0)


def test_images_that_look_otherwise_are_more_surprising(
    fitting: FittingData, trainer: Any, sampler: Any
) -> None:
    near = fitting.validation.images
    strange = RNG.choice([0, 255], near.shape).astype(np.uint8)
    predictive = Estimator().fit(fitting, trainer, 0)
    usual, other = (
        next(sampler.predict(predictive, images, 0)).maps["feature_density"].mean(axis=(1, 2))
        for images in (near, strange)
    )
    assert other.min() > usual.max()


def test_few_pixels_give_nearly_the_same_map(
    fitting: FittingData, trainer: Any, sampler: Any
) -> None:
    images = fitting.validation.images
    maps = [
        next(sampler.predict(Estimator(pixels).fit(fitting, trainer, 0), images, 0)).maps[
            "feature_density"
        ]
        for pixels in (2**18, 1500)
    ]
    assert np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1] > 0.97
    assert not np.array_equal(*maps)

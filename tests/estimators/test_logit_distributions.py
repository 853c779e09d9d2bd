"""Heteroscedastic logits and stochastic segmentation networks: the samples are what is stated."""

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

HETEROSCEDASTIC: Any = sys.modules[estimators.get("heteroscedastic").__module__]
NETWORK: Any = sys.modules[estimators.get("stochastic_segmentation_network").__module__]
RNG = np.random.default_rng(0)


def noise(index: int, shared: bool = True) -> Noise:
    return Noise(np.int32(3), np.int32(index), shared=shared)


def step(progress: float = 0.9) -> Step:
    return Step(np.float32(progress), 8, ops.zeros(()), noise(0, shared=False))


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def test_samples_of_the_network_have_the_stated_covariance() -> None:
    height, width, classes, rank = 1, 2, 2, 3
    outputs = {
        "factor": normal(1, height, width, classes * rank),
        "diagonal": normal(1, height, width, classes),
    }
    drawn = np.array(
        [
            ops.convert_to_numpy(NETWORK.deviation(outputs, noise(index), "draw")).ravel()
            for index in range(4000)
        ]
    )
    factor = outputs["factor"].reshape(-1, rank)
    expected = factor @ factor.T + np.diag(np.exp(outputs["diagonal"].ravel()) + 1e-5)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.15)
    np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.12 * expected.max())


def test_all_cases_share_a_draw_and_none_a_training_sample() -> None:
    outputs = {"factor": np.ones((2, 1, 1, 4), np.float32), "diagonal": np.zeros((2, 1, 1, 2))}
    outputs["diagonal"] = outputs["diagonal"].astype(np.float32)
    one, other = ops.convert_to_numpy(NETWORK.deviation(outputs, noise(0), "draw"))
    np.testing.assert_array_equal(one, other)
    one, other = ops.convert_to_numpy(NETWORK.deviation(outputs, noise(0, shared=False), "0"))
    assert not np.allclose(one, other)


def test_without_spread_the_likelihood_is_the_cross_entropy() -> None:
    logits = normal(2, 4, 4, 3)
    targets = RNG.integers(0, 3, (2, 4, 4)).astype(np.int32)
    outputs = {
        "logits": logits,
        "factor": np.zeros((2, 4, 4, 6), np.float32),
        "diagonal": np.full((2, 4, 4, 3), -60, np.float32),
    }
    loss, _ = NETWORK.SampledLikelihood(4, 0.0, dice_weight=0.0)(outputs, targets, step(), {})
    logs = special.log_softmax(logits.astype(float), axis=-1)
    expected = -np.take_along_axis(logs, targets[..., None], axis=-1).mean()
    assert float(loss) == pytest.approx(expected, abs=0.02)
    warm = NETWORK.SampledLikelihood(4, 0.5, dice_weight=0.0)
    assert float(warm(outputs, targets, step(0.1), {})[0]) == pytest.approx(expected, abs=1e-5)


def test_the_likelihood_is_the_mean_over_samples_of_whole_images() -> None:
    logits, targets = normal(1, 2, 2, 2), np.array([[[0, 1], [1, 1]]], np.int32)
    outputs = {"logits": logits, "factor": normal(1, 2, 2, 2), "diagonal": normal(1, 2, 2, 2)}
    loss, _ = NETWORK.SampledLikelihood(2, 0.0, dice_weight=0.0)(outputs, targets, step(), {})
    moved = ops.convert_to_numpy(NETWORK.deviation(outputs, step().noise, "0"))
    joint = []
    for sample in (logits + moved, logits - moved):
        logs = special.log_softmax(sample.astype(float), axis=-1)
        joint.append(np.take_along_axis(logs, targets[..., None], axis=-1).sum())
    expected = -(special.logsumexp(joint) - np.log(2)) / 4
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_heteroscedastic_samples_are_gaussian_with_the_learned_scale() -> None:
    scale = normal(1, 1, 1, 2)
    outputs = {"logits": normal(1, 1, 1, 2), "scale": scale}
    drawn = np.array(
        [
            ops.convert_to_numpy(
                HETEROSCEDASTIC.noisy_logits(outputs, noise(index), "draw")
            ).ravel()
            for index in range(3000)
        ]
    )
    for place in range(2):
        expected = stats.norm(
            outputs["logits"].ravel()[place], np.logaddexp(0, scale.ravel()[place])
        )
        assert stats.kstest(drawn[:, place], expected.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.08


def test_the_heteroscedastic_map_is_the_scale_of_the_predicted_class(
    fitting: Any, trainer: Any, sampler: Any, images: np.ndarray
) -> None:
    predictive = estimators.create("heteroscedastic", {"draws": 2}).fit(fitting, trainer, 0)
    [prediction] = sampler.predict(predictive, images, 0)
    [(_, outputs)] = predictive.backbone.predict(images)
    scale = np.logaddexp(0, outputs["scale"].astype(float))
    chosen = np.take_along_axis(scale, outputs["logits"].argmax(axis=-1)[..., None], axis=-1)[
        ..., 0
    ]
    np.testing.assert_allclose(prediction.maps["heteroscedastic"], chosen / (1 + chosen), atol=1e-5)

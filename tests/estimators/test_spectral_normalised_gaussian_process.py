"""SNGP: the norm is kept, the features give the kernel, the posterior is Laplace's."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from keras import ops
from scipy import special
from scipy.spatial.distance import cdist

from dicecast.networks.contract import ConvolutionSpec
from dicecast.plugins import estimators
from dicecast.training.initial import by_layer

MODULE: Any = sys.modules[estimators.get("spectral_normalised_gaussian_process").__module__]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("upsample", [False, True])
def test_the_spectral_norm_is_kept_to_the_bound(upsample: bool) -> None:
    layer = MODULE.SpectralConvolution2D(ConvolutionSpec(5, 3, False, "one", upsample), 0.5)
    images = RNG.normal(size=(1, 4, 4, 3)).astype(np.float32)
    for _ in range(60):
        layer(images, training=True)
    whole = ops.convert_to_numpy(layer.kernel).reshape(-1, 5)
    kept = ops.convert_to_numpy(layer.bounded_kernel(False)).reshape(-1, 5)
    assert np.linalg.norm(whole, 2) > 0.6
    assert np.linalg.norm(kept, 2) == pytest.approx(0.5, rel=1e-3)
    np.testing.assert_allclose(kept, whole * 0.5 / np.linalg.norm(whole, 2), rtol=1e-3)


def test_a_kernel_below_the_bound_is_left_alone() -> None:
    layer = MODULE.SpectralConvolution2D(ConvolutionSpec(4, 1, True, "one"), 100.0)
    layer(np.zeros((1, 2, 2, 3), np.float32))
    np.testing.assert_array_equal(
        ops.convert_to_numpy(layer.bounded_kernel(False)), ops.convert_to_numpy(layer.kernel)
    )


def test_products_of_random_features_tend_to_the_gaussian_kernel() -> None:
    points = RNG.normal(size=(1, 1, 6, 3)).astype(np.float32)
    waves = ops.convert_to_numpy(MODULE.RandomFeatures(20_000, 1.5, "waves")(points))[0, 0]
    expected = np.exp(-0.5 * cdist(points[0, 0], points[0, 0], "sqeuclidean") / 1.5**2)
    np.testing.assert_allclose(waves @ waves.T, expected, atol=0.04)


def test_the_covariance_is_that_of_one_image_after_the_other() -> None:
    waves, logits = RNG.normal(size=(5, 2, 3, 4)), RNG.normal(size=(5, 2, 3, 2))
    precision = 2.0 * np.eye(4)
    for image, scores in zip(waves, logits, strict=True):
        for row, score in zip(image.reshape(-1, 4), scores.reshape(-1, 2), strict=True):
            p = special.softmax(score)[0]
            precision += p * (1 - p) * np.outer(row, row) / 6
    found = MODULE.posterior_covariance(
        iter([(waves[:3], logits[:3]), (waves[3:], logits[3:])]), 2.0
    )
    np.testing.assert_allclose(found, np.linalg.inv(precision), rtol=1e-5, atol=1e-7)


def test_the_variance_tempers_the_logits_and_rises_away_from_the_training_images(
    fitting: Any, trainer: Any, sampler: Any, images: np.ndarray
) -> None:
    settings = {"features": 32, "mean_field_factor": 3.0}
    predictive = estimators.create("spectral_normalised_gaussian_process", settings).fit(
        fitting, trainer, 0
    )
    [(_, outputs)] = predictive.backbone.predict(images)
    waves = outputs["features"].astype(float)
    variance = np.einsum("nhwi,ij,nhwj->nhw", waves, predictive.state[1], waves)
    tempered = outputs["logits"] / np.sqrt(1 + 3.0 * variance)[..., None]
    [prediction] = sampler.predict(predictive, images, 0)
    np.testing.assert_allclose(
        prediction.mean_probabilities, special.softmax(tempered, axis=-1), atol=1e-5
    )
    inverted = 255 - images
    [strange] = sampler.predict(predictive, inverted, 0)
    name = "gaussian_process_variance"
    assert strange.maps[name].mean() > prediction.maps[name].mean()
    weights = by_layer(predictive.backbone.network, predictive.backbone.weights)
    assert "logits_features" in weights

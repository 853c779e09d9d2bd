import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from dicecast.metrics.pixels.ambiguity import (
    Correlated,
    SoftOverlap,
    generalised_energy_distance,
    rater_variance,
    rater_variance_ncc,
    shares_of_raters,
    soft_dice,
    sum_correlated,
    sum_overlap,
)


def distance(one, other, classes):
    """One minus the mean Jaccard index over foreground classes; empty and empty is 0."""
    indices = [
        jaccard_score((one == label).ravel(), (other == label).ravel(), zero_division=1.0)
        for label in range(1, classes)
    ]
    return 1 - np.mean(indices)


@pytest.mark.parametrize("classes", [2, 4])
def test_the_energy_distance_is_that_of_a_loop_over_pairs(batch_of, classes):
    batch = batch_of(images=2, classes=classes, size=6)
    draws = batch.draws[:, :5].copy()
    draws[0, :2] = 0
    for image, found in enumerate(generalised_energy_distance(draws, batch.raters, classes)):
        sets = draws[image], batch.raters[image]
        across, of_draws, of_raters = (
            np.mean([distance(a, b, classes) for a in left for b in right])
            for left, right in (sets, sets[:1] * 2, sets[1:] * 2)
        )
        np.testing.assert_allclose(found, 2 * across - of_draws - of_raters, atol=1e-6)


def test_energy_distance_of_known_sets():
    blank, full = np.zeros((1, 1, 3, 3), np.uint8), np.ones((1, 1, 3, 3), np.uint8)
    both = np.concatenate([blank, full], axis=1)
    cases = [(blank, blank, 0), (full, blank, 2), (both, both, 0), (both, blank, 0.5)]
    for draws, raters, expected in cases:
        found = generalised_energy_distance(draws, raters, 2)
        np.testing.assert_allclose(found, [expected], atol=1e-7)


def test_soft_dice_is_1_only_for_the_shares_of_the_raters(batch):
    shares = shares_of_raters(batch.raters, 2)
    np.testing.assert_allclose(shares[:, 1], (batch.raters == 1).mean(axis=1), atol=1e-7)
    assert soft_dice(sum_overlap(np.moveaxis(shares, 1, -1), shares)).tolist() == [1.0] * 6
    found = soft_dice(sum_overlap(batch.probabilities, shares))
    p, y = batch.probabilities[..., 1].astype(np.float64), shares[:, 1].astype(np.float64)
    expected = 2 * (p * y).sum((1, 2)) / (p**2 + y**2).sum((1, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (found < 1).all()


def test_soft_dice_of_hard_masks_is_the_dice():
    one = np.arange(16).reshape(1, 4, 4) < 6
    other = np.arange(16).reshape(1, 1, 4, 4) < 10
    probabilities = np.stack([~one, one], axis=-1).astype(np.float32)
    shares = shares_of_raters(other.astype(np.uint8), 2)
    np.testing.assert_allclose(soft_dice(sum_overlap(probabilities, shares)), 12 / 16)
    nothing = shares_of_raters(np.zeros((1, 1, 4, 4), np.uint8), 2)
    blank = np.stack([np.ones((1, 4, 4)), np.zeros((1, 4, 4))], axis=-1).astype(np.float32)
    assert soft_dice(sum_overlap(blank, nothing)).tolist() == [1.0]


@pytest.mark.parametrize("name", ["smooth", "tied", "tiny"])
def test_ncc_is_the_correlation_of_images_and_of_all_pixels(batch_of, name):
    batch = batch_of(classes=3)
    variance = rater_variance(shares_of_raters(batch.raters, 3))
    summed = sum_correlated(batch.maps[name], variance)
    for image, found in enumerate(rater_variance_ncc(summed)):
        pair = batch.maps[name][image].ravel(), variance[image].ravel()
        np.testing.assert_allclose(found, np.corrcoef(*pair)[0, 1], atol=1e-9)
    pooled = Correlated(*(part.sum(axis=0, keepdims=True) for part in summed))
    expected = np.corrcoef(batch.maps[name].ravel(), variance.ravel())[0, 1]
    np.testing.assert_allclose(rater_variance_ncc(pooled), expected, atol=1e-9)


def test_the_variance_is_that_of_the_raters_one_hot_masks(batch_of):
    batch = batch_of(classes=3)
    one_hot = np.stack([batch.raters == label for label in range(3)])
    found = rater_variance(shares_of_raters(batch.raters, 3))
    np.testing.assert_allclose(found, one_hot.var(axis=2).mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, 1e-7])
def test_a_constant_has_no_correlation(batch, value):
    variance = rater_variance(shares_of_raters(batch.raters, 2))
    constant = np.full(batch.truth.shape, value, np.float32)
    assert np.isnan(rater_variance_ncc(sum_correlated(constant, variance))).all()
    agreeing = rater_variance(shares_of_raters(batch.raters[:, :1], 2))
    assert np.isnan(rater_variance_ncc(sum_correlated(batch.maps["smooth"], agreeing))).all()


def test_pooled_soft_dice_is_that_of_one_large_image(batch):
    shares = shares_of_raters(batch.raters, 2)
    summed = sum_overlap(batch.probabilities, shares)
    pooled = SoftOverlap(*(part.sum(axis=0, keepdims=True) for part in summed))
    tall = batch.probabilities.reshape(1, -1, 14, 2)
    whole = sum_overlap(tall, np.moveaxis(shares, 1, 0).reshape(1, 2, -1, 14))
    np.testing.assert_allclose(soft_dice(pooled), soft_dice(whole), rtol=1e-9)

"""Heads that compare a case with the training cases: distances, and masks tested on known cases."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf
from sklearn.isotonic import IsotonicRegression

from dicecast.errors import DicecastError
from dicecast.heads.contract import Evidence, Examples
from dicecast.metrics.correlation import spearman
from dicecast.metrics.quality import dice
from dicecast.plugins import heads
from dicecast.scores.mask_shape import mask_shape

COMPARING = ["mahalanobis", "reverse_classification_accuracy"]
MODULE = sys.modules[type(heads.create("reverse_classification_accuracy", {})).__module__]


def shifted(masks: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    return np.stack([np.roll(mask, n, axis=1) for mask, n in zip(masks, pixels, strict=True)])


@pytest.fixture
def discs_examples(disc_cases) -> Examples:
    """Discs whose predicted masks are off by 0 to 7 pixels; features are the mean colours."""
    cases, reference = disc_cases(40, 5), disc_cases(30, 6, "train")
    off = np.arange(40) % 8
    masks = shifted(cases.masks, off)
    features = np.asarray(cases.images, np.float32).mean(axis=(1, 2))
    evidence = Evidence(
        cases.images,
        masks,
        np.zeros(masks.shape, np.float32),
        mask_shape(masks, 2).iloc[:, :0],
        mask_shape(masks, 2),
        2,
        features,
    )
    quality = dice(masks, cases.masks, 2)[:, 0]
    known_features = np.asarray(reference.images, np.float32).mean(axis=(1, 2))
    return Examples(evidence, quality, cases.masks, cases.groups, reference, known_features)


def without_features(examples: Examples) -> Examples:
    evidence = dataclasses.replace(examples.evidence, features=None)
    return dataclasses.replace(examples, evidence=evidence, reference_features=None)


@pytest.mark.parametrize("name", COMPARING)
def test_an_estimator_without_features_is_undefined_with_the_reason(name, head_of, discs_examples):
    with pytest.raises(DicecastError, match="no single network that describes an image"):
        head_of(name).fit(without_features(discs_examples), seed=0)


@pytest.mark.parametrize("name", COMPARING)
def test_cases_may_come_in_any_batches(name, head_of, discs_examples):
    fitted = head_of(name).fit(discs_examples, seed=0)
    evidence = discs_examples.evidence
    apart = [fitted.predict(evidence.take(slice(row, row + 1))) for row in range(len(evidence))]
    np.testing.assert_allclose(np.concatenate(apart), fitted.predict(evidence), rtol=1e-6)
    assert fitted.predict(evidence.take(slice(0))).shape == (0,)


@pytest.mark.parametrize("name", COMPARING)
def test_pixels_in_files_are_compared_alike(name, head_of, discs_examples, monkeypatch):
    whole = head_of(name).fit(discs_examples, seed=0).predict(discs_examples.evidence)
    monkeypatch.setattr("dicecast.stacks.CHUNK_BYTES", 5000)
    apart = head_of(name).fit(discs_examples, seed=0).predict(discs_examples.evidence)
    np.testing.assert_array_equal(apart, whole)


def test_mahalanobis_is_scipys_distance_with_scikit_learns_covariance(head_of, discs_examples):
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(3, 6)).astype(np.float32)
    reference = np.asarray(discs_examples.reference_features) @ mixed + rng.normal(size=(30, 6))
    features = np.asarray(discs_examples.evidence.features) @ mixed + rng.normal(size=(40, 6))
    evidence = dataclasses.replace(discs_examples.evidence, features=features)
    examples = dataclasses.replace(discs_examples, evidence=evidence, reference_features=reference)
    fitted = head_of("mahalanobis").fit(examples, seed=0)
    shrunk = LedoitWolf().fit(reference)
    inverse, centre = np.linalg.inv(shrunk.covariance_), reference.mean(axis=0)
    expected = np.array([-mahalanobis(case, centre, inverse) for case in features])
    np.testing.assert_allclose(fitted.compare(evidence), expected, rtol=1e-9)
    rising = IsotonicRegression(y_min=0, y_max=1).fit(expected, examples.quality)
    np.testing.assert_allclose(fitted.predict(evidence), rising.predict(expected))


def test_each_fold_is_compared_with_its_own_reference(head_of, discs_examples):
    """Features of one fold are those of another, stretched and moved: distances are the same."""
    rows = [np.arange(0, 20), np.arange(20, 40)]
    folds = []
    for factor, some in zip((1.0, 50.0), rows, strict=True):
        evidence = discs_examples.evidence.take(some)
        stretched = factor * (np.asarray(evidence.features) + factor)
        reference = factor * (np.asarray(discs_examples.reference_features) + factor)
        folds.append(
            dataclasses.replace(
                discs_examples,
                evidence=dataclasses.replace(evidence, features=stretched),
                quality=discs_examples.quality[some],
                reference_features=reference,
            )
        )
    evidence = dataclasses.replace(discs_examples.evidence, features=None)
    joined = dataclasses.replace(discs_examples, evidence=evidence, folds=tuple(folds))
    for name in COMPARING:
        together = head_of(name).fit(discs_examples, seed=0)
        apart = head_of(name).fit(joined, seed=0)
        predicted = apart.predict(discs_examples.evidence)
        np.testing.assert_allclose(predicted, together.predict(discs_examples.evidence), atol=1e-5)


@pytest.mark.parametrize("combine", ["mean", "maximum"])
def test_a_perfect_mask_scores_higher_than_a_shifted_one(combine, head_of, discs_examples):
    head = head_of("reverse_classification_accuracy", combine=combine, references=8)
    assert head.score_name == f"reverse_classification_accuracy/{combine}"
    fitted = head.fit(discs_examples, seed=0)
    truth = discs_examples.truth
    scores = [
        fitted.compare(
            dataclasses.replace(
                discs_examples.evidence, masks=shifted(truth, np.full(len(truth), off))
            )
        )
        for off in (0, 3, 6)
    ]
    assert (scores[0] > scores[1]).mean() > 0.95
    assert (scores[1] > scores[2]).mean() > 0.95
    predicted = fitted.predict(discs_examples.evidence)
    assert spearman(predicted, discs_examples.quality) > 0.8


def test_mean_and_maximum_are_those_of_the_dice_on_the_references(head_of, discs_examples):
    each = []
    for row in range(5):
        one = np.array([row])
        alone = dataclasses.replace(
            discs_examples,
            reference=discs_examples.reference.take(one),
            reference_features=np.asarray(discs_examples.reference_features)[one],
        )
        fitted = head_of("reverse_classification_accuracy", references=1).fit(alone, seed=0)
        each.append(fitted.compare(discs_examples.evidence))
    five = dataclasses.replace(
        discs_examples,
        reference=discs_examples.reference.take(np.arange(5)),
        reference_features=np.asarray(discs_examples.reference_features)[:5],
    )
    for combine, expected in (("mean", np.mean(each, axis=0)), ("maximum", np.max(each, axis=0))):
        head = head_of("reverse_classification_accuracy", combine=combine)
        found = head.fit(five, seed=0).compare(discs_examples.evidence)
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_references_are_the_nearest_in_scaled_features(head_of, discs_examples):
    """Each case's features are those of one reference, but for the scale of a useless feature."""
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(30, 4)) * (1, 1, 1, 1000)
    chosen = rng.integers(0, 30, 40)
    features = reference[chosen] + rng.normal(size=(40, 4)) * (0.01, 0.01, 0.01, 10)
    examples = dataclasses.replace(
        discs_examples,
        evidence=dataclasses.replace(discs_examples.evidence, features=features),
        reference_features=reference,
    )
    one = head_of("reverse_classification_accuracy", references=1).fit(examples, seed=0)
    found = one.compare(examples.evidence)
    for row in range(0, 40, 7):
        pixels = MODULE.described(examples.evidence.images[row])
        other = MODULE.described(examples.reference.images[chosen[row]])
        mask = MODULE.segmented(pixels, examples.evidence.masks[row], other[None])
        truth = examples.reference.masks[chosen[row]][None]
        assert found[row] == pytest.approx(dice(mask, truth, 2)[0, 0])


def test_the_classifier_is_quadratic_discriminant_analysis():
    rng = np.random.default_rng(1)
    mask = rng.integers(0, 3, (9, 11)).astype(np.uint8)
    mask[mask == 1] = 4
    pixels = (rng.normal(size=(9, 11, 5)) + mask[..., None]).astype(np.float32)
    others = rng.normal(1.0, 2.0, size=(2, 9, 11, 5)).astype(np.float32)
    fits = []
    for index in (0, 2, 4):
        learned = pixels[mask == index]
        covariance = np.cov(learned.T, bias=True) + MODULE.RIDGE * np.eye(5)
        density = multivariate_normal(learned.mean(axis=0), covariance)
        fits.append(density.logpdf(others) + np.log(len(learned)))
    expected = np.array([0, 2, 4], np.uint8)[np.argmax(fits, axis=0)]
    np.testing.assert_array_equal(MODULE.segmented(pixels, mask, others), expected)


def test_an_empty_mask_teaches_nothing(head_of, discs_examples):
    fitted = head_of("reverse_classification_accuracy").fit(discs_examples, seed=0)
    empty = np.zeros_like(discs_examples.evidence.masks)
    evidence = dataclasses.replace(discs_examples.evidence, masks=empty)
    np.testing.assert_array_equal(fitted.compare(evidence), 0.0)


def test_large_images_are_thinned_out():
    thinned = MODULE.thinned
    assert thinned(np.zeros((2, 48, 64), np.uint8)).shape == (2, 48, 64)
    assert thinned(np.zeros((2, 192, 256, 3), np.uint8)).shape == (2, 48, 64, 3)
    assert thinned(np.zeros((2, 300, 100), np.uint8)).shape == (2, 60, 20)


def test_no_reference_is_refused(head_of):
    with pytest.raises(DicecastError, match="at least 1 reference"):
        head_of("reverse_classification_accuracy", references=0)

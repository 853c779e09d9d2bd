from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from dicecast.metrics.quality import dice, jaccard, mean_dice, mean_jaccard


@pytest.fixture(scope="module")
def masks():
    generator = np.random.default_rng(3)
    truth = generator.integers(0, 4, size=(6, 9, 7), dtype=np.uint8)
    noise = generator.random(truth.shape) < 0.3
    return np.where(noise, generator.integers(0, 4, size=truth.shape, dtype=np.uint8), truth), truth


@pytest.mark.parametrize(("ours", "theirs"), [(dice, f1_score), (jaccard, jaccard_score)])
def test_agrees_with_scikit_learn_on_every_case_and_class(masks, ours, theirs):
    predicted, truth = masks
    expected = [
        theirs(true.ravel(), guess.ravel(), labels=[1, 2, 3], average=None)
        for guess, true in zip(predicted, truth, strict=True)
    ]
    np.testing.assert_allclose(ours(predicted, truth, 4), expected, rtol=0, atol=1e-12)


def test_means_are_over_foreground_classes_of_each_case(masks):
    predicted, truth = masks
    np.testing.assert_array_equal(mean_dice(*masks, 4), dice(predicted, truth, 4).mean(axis=1))
    np.testing.assert_array_equal(mean_jaccard(*masks, 4), jaccard(*masks, 4).mean(axis=1))
    assert mean_dice(*masks, 4).shape == (6,)


def test_jaccard_is_dice_over_two_minus_dice(masks):
    score = dice(*masks, 4)
    np.testing.assert_allclose(jaccard(*masks, 4), score / (2 - score), atol=1e-12)


@pytest.mark.parametrize("metric", [dice, jaccard])
@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [(0, 0, 1.0), (0, 1, 0.0), (1, 0, 0.0), (1, 1, 1.0)],
    ids=["both empty", "prediction empty", "truth empty", "both full"],
)
def test_empty_structures(metric, predicted, truth, expected):
    full = np.ones((1, 2, 2), dtype=np.uint8)
    assert metric(full * predicted, full * truth, 2).tolist() == [[expected]]


def test_a_class_absent_from_both_is_one_beside_a_class_that_is_wrong():
    predicted = np.array([[[0, 1]]], dtype=np.uint8)
    truth = np.array([[[1, 0]]], dtype=np.uint8)
    assert dice(predicted, truth, 3).tolist() == [[0.0, 1.0]]


def test_volumes_and_no_cases_are_welcome():
    volume = np.ones((2, 3, 4, 5), dtype=np.uint8)
    assert dice(volume, volume, 2).tolist() == [[1.0], [1.0]]
    assert dice(volume[:0], volume[:0], 3).shape == (0, 2)


@pytest.mark.parametrize(
    ("predicted", "truth", "num_classes", "text"),
    [
        (np.zeros((1, 2, 2), np.uint8), np.zeros((1, 2, 3), np.uint8), 2, "one shape"),
        (np.zeros((1, 2, 2), np.int64), np.zeros((1, 2, 2), np.uint8), 2, "uint8"),
        (np.zeros((1, 2, 2), np.uint8), np.full((1, 2, 2), 2, np.uint8), 2, "has class 2"),
        (np.zeros((1, 2, 2), np.uint8), np.zeros((1, 2, 2), np.uint8), 1, "num_classes"),
    ],
    ids=["shape", "dtype", "class", "num_classes"],
)
def test_wrong_masks_are_refused(predicted, truth, num_classes, text):
    with pytest.raises(ValueError, match=text):
        dice(predicted, truth, num_classes)

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from dicecast.metrics.pixels.bins import fine_bins
from dicecast.metrics.pixels.confusion import Confusion, cells, confusion
from dicecast.metrics.pixels.detection import (
    error_auroc,
    error_average_precision,
    rank_pixels,
    steps,
)


def counted(batch, name):
    classes = batch.probabilities.shape[-1]
    return confusion(batch.maps[name], cells(batch.truth, batch.predicted, classes), classes)


@pytest.mark.parametrize("name", ["smooth", "tied", "tiny"])
def test_images_are_exactly_as_scikit_learn_says(batch, name):
    wrong = batch.truth != batch.predicted
    ranked = rank_pixels(batch.maps[name], wrong)
    for image, (flags, values) in enumerate(zip(wrong, batch.maps[name], strict=True)):
        expected = roc_auc_score(flags.ravel(), values.ravel())
        np.testing.assert_allclose(error_auroc(ranked)[image], expected, atol=1e-12)
        expected = average_precision_score(flags.ravel(), values.ravel())
        np.testing.assert_allclose(error_average_precision(ranked)[image], expected, atol=1e-12)


@pytest.mark.parametrize("name", ["smooth", "tied", "tiny"])
def test_pooled_numbers_are_within_their_bounds_of_scikit_learns(batch_of, name):
    batch = batch_of(images=20)
    total = Confusion(*(part.sum(axis=0, keepdims=True) for part in counted(batch, name)))
    wrong, values = (batch.truth != batch.predicted).ravel(), batch.maps[name].ravel()
    rises, all_rises = np.diff(total.wrong[0]), np.diff(total.pixels[0])
    tied = (rises * (all_rises - rises)).sum() / 2
    bound = tied / (wrong.sum() * (~wrong).sum())
    assert (
        abs(error_auroc(steps(total.wrong, total.pixels))[0] - roc_auc_score(wrong, values))
        <= bound + 1e-12
    )
    assert bound < (0.2 if name == "tied" else 0.005)
    found, flagged = wrong.sum() - total.wrong[0, 1:], wrong.size - total.pixels[0, 1:]
    wrong_first = (found + rises) / np.maximum(flagged + rises, 1)
    wrong_last = (found + 1) / (flagged + all_rises - rises + 1)
    bound = (rises * (wrong_first - wrong_last))[rises > 0].sum() / wrong.sum()
    exact = average_precision_score(wrong, values)
    assert (
        abs(error_average_precision(steps(total.wrong, total.pixels))[0] - exact) <= bound + 1e-12
    )
    assert bound < (0.5 if name == "tied" else 0.05)


def test_counts_are_those_of_a_loop(batch_of):
    batch = batch_of(classes=3, images=2)
    found = counted(batch, "smooth")
    bins = fine_bins(batch.maps["smooth"])
    for edge in (0, 1, 3000, 3150, 4096):
        for true, guess in np.ndindex(3, 3):
            chosen = (batch.truth == true) & (batch.predicted == guess) & (bins < edge)
            np.testing.assert_array_equal(found.below[:, true, guess, edge], chosen.sum((1, 2)))
    np.testing.assert_array_equal(
        found.wrong[:, -1], (batch.truth != batch.predicted).sum(axis=(1, 2))
    )
    assert (found.pixels[:, -1] == batch.truth[0].size).all()


@pytest.mark.parametrize("share", [0, 1])
def test_one_kind_of_pixels_is_undefined(share):
    ranked = rank_pixels(
        np.random.default_rng(0).random((2, 4, 4), np.float32), share * np.ones((2, 4, 4), bool)
    )
    assert np.isnan(error_auroc(ranked)).all()
    assert np.isnan(error_average_precision(ranked)).all()


def test_a_constant_map_is_chance():
    wrong = np.arange(16).reshape(1, 4, 4) < 4
    ranked = rank_pixels(np.full((1, 4, 4), 0.3, np.float32), wrong)
    assert error_auroc(ranked).tolist() == [0.5]
    assert error_average_precision(ranked).tolist() == [0.25]


def test_zeros_of_either_sign_and_rounding_below_zero_are_tied():
    wrong = np.array([[[True, False, True, False]]])
    ranked = rank_pixels(np.array([[[0.0, -0.0, -1e-9, 0.5]]], np.float32), wrong)
    np.testing.assert_allclose(error_auroc(ranked), [0.25])

"""Metrics of a map and a mask, each against a slow form that goes through the pixels."""

import numpy as np
import pytest

from dicecast.metrics.pixels.bins import BINS, fine_bins, lower_edge
from dicecast.metrics.pixels.confusion import cells, confusion
from dicecast.metrics.pixels.filtering import qu_brats
from dicecast.metrics.pixels.overlap import uncertainty_error_overlap
from dicecast.metrics.pixels.patches import count_patches, pavpu, pavpu_curve
from dicecast.metrics.pixels.retention import (
    RETAINED,
    retention_area_above_curve,
    retention_curve,
)
from dicecast.metrics.pixels.scale import MapScale, ScaleCalibration
from dicecast.metrics.quality import mean_dice


def counted(uncertainty, truth, predicted, classes=2):
    return confusion(uncertainty, cells(truth, predicted, classes), classes)


@pytest.fixture(params=[2, 4])
def many(request, batch_of):
    return batch_of(classes=request.param)


@pytest.fixture
def parts(many):
    return many.maps["smooth"], many.truth, many.predicted, many.probabilities.shape[-1]


def dice_of_kept(kept, truth, predicted, classes):
    """Return the Dice of an image's kept pixels, mean over foreground classes; empty is 1."""
    values = []
    for label in range(1, classes):
        in_truth, guessed = kept & (truth == label), kept & (predicted == label)
        whole = in_truth.sum() + guessed.sum()
        values.append(2 * (in_truth & guessed).sum() / whole if whole else 1.0)
    return np.mean(values)


def test_overlap_is_the_dice_of_what_is_uncertain_and_what_is_wrong(parts):
    uncertainty, truth, predicted, _ = parts
    for edge in (0, 3100, BINS):
        unsure = uncertainty >= lower_edge(edge)
        wrong = truth != predicted
        expected = 2 * (unsure & wrong).sum((1, 2)) / (unsure.sum((1, 2)) + wrong.sum((1, 2)))
        found = uncertainty_error_overlap(counted(*parts), edge)
        np.testing.assert_allclose(found, expected)


def test_nothing_uncertain_and_nothing_wrong_agree():
    blank = np.zeros((1, 4, 4), np.uint8)
    sure = counted(np.zeros((1, 4, 4), np.float32), blank, blank)
    assert uncertainty_error_overlap(sure, 5).tolist() == [1.0]
    assert uncertainty_error_overlap(sure, 0).tolist() == [0.0]


@pytest.mark.parametrize("batch_size", [1, 4, 6])
def test_the_threshold_is_the_best_on_validation(many, parts, batch_size):
    uncertainty, truth, predicted, classes = parts
    calibration = ScaleCalibration(classes)
    for start in range(0, len(truth), batch_size):
        rows = slice(start, start + batch_size)
        calibration.update(uncertainty[rows], truth[rows], predicted[rows])
    scale = calibration.scale()
    assert (scale.low, scale.high) == (uncertainty.min(), uncertainty.max())
    means = [
        uncertainty_error_overlap(counted(*parts), edge).mean() for edge in range(0, BINS + 1, 16)
    ]
    best = uncertainty_error_overlap(counted(*parts), scale.edge).mean()
    assert best >= max(means) - 1e-12
    assert best > means[0]


def test_the_retention_curve_sets_the_most_uncertain_pixels_right(parts):
    uncertainty, truth, predicted, classes = parts
    # One pixel a bin, so that the order is the only one.
    order = np.argsort(uncertainty.reshape(len(truth), -1), axis=1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(order.shape[1])[np.newaxis], axis=1)
    distinct = np.array([lower_edge(1000 + step) for step in range(order.shape[1])], np.float32)
    spread = distinct[ranks].reshape(truth.shape)
    curve = retention_curve(counted(spread, truth, predicted, classes))
    at = {0.0: 0, 1.0: 199, RETAINED[60]: 60, RETAINED[150]: 150}
    for share, place in at.items():
        kept = ranks < np.floor(share * order.shape[1])
        mixed = np.where(kept.reshape(truth.shape), predicted, truth)
        more = np.where(
            (ranks < np.ceil(share * order.shape[1])).reshape(truth.shape), predicted, truth
        )
        low, high = mean_dice(more, truth, classes), mean_dice(mixed, truth, classes)
        assert ((curve[:, place] >= low - 1e-12) & (curve[:, place] <= high + 1e-12)).all()
    np.testing.assert_allclose(curve[:, 0], 1.0)
    np.testing.assert_allclose(curve[:, -1], mean_dice(predicted, truth, classes))
    area = [1 - np.trapezoid(image, RETAINED) for image in curve]
    np.testing.assert_allclose(
        retention_area_above_curve(counted(spread, truth, predicted, classes)), area
    )


def test_a_map_of_the_errors_retains_best_and_its_opposite_worst(parts):
    _, truth, predicted, classes = parts
    wrong = (truth != predicted).astype(np.float32)
    maps = (wrong, np.full_like(wrong, 0.5), 1 - wrong)
    best, tied, worst = (
        retention_area_above_curve(counted(values, truth, predicted, classes)) for values in maps
    )
    assert (best < tied).all() and (tied < worst).all()


def test_retention_of_an_empty_image_is_whole():
    blank = np.zeros((1, 4, 4), np.uint8)
    found = counted(np.random.default_rng(0).random((1, 4, 4), np.float32), blank, blank)
    np.testing.assert_array_equal(retention_curve(found), 1.0)
    np.testing.assert_allclose(retention_area_above_curve(found), 0.0, atol=1e-12)


def test_qu_brats_is_that_of_a_loop_over_thresholds(parts):
    uncertainty, truth, predicted, classes = parts
    scale = MapScale(0.05, 0.45, 0)
    found = qu_brats(counted(*parts), scale.edges)
    for image in range(len(truth)):
        curves = []
        for number, level in enumerate(scale.levels):
            # As fine as a bin: what is in the bin of the level is kept.
            top = lower_edge(int(fine_bins(np.array([level], np.float32))[0]) + 1)
            kept = uncertainty[image] < (np.inf if number == 40 else top)
            dice = dice_of_kept(kept, truth[image], predicted[image], classes)
            shares = []
            for label in range(1, classes):
                in_truth, guessed = truth[image] == label, predicted[image] == label
                for right in (in_truth & guessed, ~in_truth & ~guessed):
                    shares.append((right & kept).sum() / right.sum() if right.any() else 1.0)
            curves.append((dice, np.mean(shares)))
        areas = np.trapezoid(np.array(curves), dx=1 / 40, axis=0)
        np.testing.assert_allclose(found[image], (areas[0] + 2 * areas[1]) / 3)


def test_qu_brats_of_a_right_and_certain_segmentation_is_1():
    truth = (np.arange(16).reshape(1, 4, 4) < 5).astype(np.uint8)
    edges = MapScale(0.1, 0.9, 0).edges
    certain = np.zeros((1, 4, 4), np.float32)
    np.testing.assert_allclose(qu_brats(counted(certain, truth, truth), edges), 1.0)
    unsure = np.full((1, 4, 4), 0.95, np.float32)
    # All is filtered but at the last of 41 thresholds; what is left, nothing, has a Dice of 1.
    expected = (1 + 2 * 0.5 / 40) / 3
    np.testing.assert_allclose(qu_brats(counted(unsure, truth, truth), edges), expected)
    # Where there is no foreground, none of it is filtered.
    blank = np.zeros_like(truth)
    np.testing.assert_allclose(qu_brats(counted(certain, blank, blank), edges), 1.0)


@pytest.mark.parametrize("size", [(8, 12), (7, 10)])
def test_pavpu_is_that_of_a_loop_over_patches(size):
    rng = np.random.default_rng(1)
    uncertainty = rng.random((3, *size)).astype(np.float32)
    wrong = rng.random((3, *size)) < 0.5
    thresholds = np.linspace(0.2, 0.8, 5)
    curve = pavpu_curve(count_patches(uncertainty, wrong, thresholds))
    for image in range(3):
        for number, threshold in enumerate(thresholds):
            agree = []
            for top in range(0, size[0], 4):
                for left in range(0, size[1], 4):
                    place = (image, slice(top, top + 4), slice(left, left + 4))
                    accurate = (~wrong[place]).mean() >= 0.5
                    agree.append(accurate != (uncertainty[place].mean() >= threshold))
            np.testing.assert_allclose(curve[image, number], np.mean(agree))


def test_a_patch_at_the_threshold_is_uncertain():
    half = np.full((1, 4, 4), 0.5, np.float32)
    for wrong, expected in ((False, [0, 0, 1]), (True, [1, 1, 0])):
        patches = count_patches(half, np.full(half.shape, wrong), np.array([0.25, 0.5, 0.75]))
        assert pavpu_curve(patches).tolist() == [expected]


def test_pavpu_of_a_map_of_the_patches_is_1():
    wrong = np.zeros((1, 8, 8), bool)
    wrong[0, :4, :4] = True
    thresholds = np.linspace(0.1, 0.9, 41)
    np.testing.assert_allclose(pavpu(count_patches(wrong.astype(np.float32), wrong, thresholds)), 1)
    np.testing.assert_allclose(
        pavpu(count_patches((~wrong).astype(np.float32), wrong, thresholds)), 0
    )

"""Surface distances against a plain form that looks at every pair of pixels."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from dicecast.metrics.surface import diagonal, hausdorff_95, normalised_surface_dice


def surface_of(region):
    """Positions inside with a direct neighbour outside, beyond the edge being outside."""
    inside = {tuple(place) for place in np.argwhere(region).tolist()}
    steps = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    return [p for p in inside if any((p[0] + a, p[1] + b) not in inside for a, b in steps)]


def distances_of(predicted, truth):
    """The distances of each surface to the other, by all pairs."""
    ours, theirs = surface_of(predicted), surface_of(truth)
    return (
        [min(math.dist(p, q) for q in theirs) for p in ours],
        [min(math.dist(p, q) for q in ours) for p in theirs],
    )


@pytest.fixture(scope="module")
def masks():
    """Four cases of three smooth-edged classes that reach the edge of the image."""
    generator = np.random.default_rng(7)
    truth = np.zeros((4, 15, 12), np.uint8)
    predicted = np.zeros_like(truth)
    for case, index in itertools.product(range(4), (1, 2, 3)):
        top, left = generator.integers(0, 9, size=2)
        height, width = generator.integers(3, 7, size=2)
        truth[case, top : top + height, left : left + width] = index
        down, right = generator.integers(1, 3, size=2)
        predicted[case, top + down : top + height, left : left + width + right] = index
    return predicted, truth


def test_the_masks_of_these_tests_differ_and_hold_every_class(masks):
    for index in (1, 2, 3):
        assert ((masks[0] == index) != (masks[1] == index)).any(axis=(1, 2)).all()


@pytest.mark.parametrize("tolerance", [0.0, 1.0, math.sqrt(2), 2.0])
def test_surface_dice_is_the_share_within_the_tolerance(masks, tolerance):
    expected = np.empty((4, 3))
    for case, index in np.ndindex(expected.shape):
        one, other = distances_of(masks[0][case] == index + 1, masks[1][case] == index + 1)
        expected[case, index] = np.mean([distance <= tolerance for distance in one + other])
    np.testing.assert_allclose(
        normalised_surface_dice(*masks, 4, tolerance), expected, rtol=0, atol=1e-12
    )
    assert np.ptp(expected) > 0.1


def test_hausdorff_is_the_greater_of_both_percentiles(masks):
    expected = np.empty((4, 3))
    for case, index in np.ndindex(expected.shape):
        both = distances_of(masks[0][case] == index + 1, masks[1][case] == index + 1)
        expected[case, index] = max(np.percentile(one, 95) for one in both)
    np.testing.assert_allclose(hausdorff_95(*masks, 4), expected, rtol=0, atol=1e-12)
    assert expected.max() > 1


@pytest.mark.parametrize(
    ("predicted", "truth", "surface_dice", "distance"),
    [(0, 0, 1.0, 0.0), (0, 1, 0.0, 5.0), (1, 0, 0.0, 5.0), (1, 1, 1.0, 0.0)],
    ids=["both empty", "prediction empty", "truth empty", "both full"],
)
def test_empty_structures(predicted, truth, surface_dice, distance):
    full = np.ones((1, 3, 4), dtype=np.uint8)
    assert normalised_surface_dice(full * predicted, full * truth, 2).tolist() == [[surface_dice]]
    assert hausdorff_95(full * predicted, full * truth, 2).tolist() == [[distance]]


def test_neither_depends_on_which_mask_is_the_truth(masks):
    for metric in (hausdorff_95, normalised_surface_dice):
        np.testing.assert_allclose(metric(*masks, 4), metric(*masks[::-1], 4), atol=1e-12)


def test_a_case_is_measured_alone(masks):
    for metric in (hausdorff_95, normalised_surface_dice):
        alone = [metric(masks[0][i : i + 1], masks[1][i : i + 1], 4) for i in range(4)]
        np.testing.assert_array_equal(np.concatenate(alone), metric(*masks, 4))


def test_volumes_have_six_neighbours():
    block = np.zeros((1, 7, 7, 7), np.uint8)
    block[:, 1:6, 1:6, 1:6] = 1
    moved = np.roll(block, 1, axis=3)
    assert hausdorff_95(moved, block, 2).tolist() == [[1.0]]
    inner = np.zeros_like(block)
    inner[:, 2:5, 2:5, 2:5] = 1
    # Corners of the block are as far off as the diagonal of a voxel, edges as that of its side.
    faces, edges, corners = 6 * 9, 12 * 3, 8
    within_one = 26 + faces
    expected = within_one / (26 + faces + edges + corners)
    np.testing.assert_allclose(normalised_surface_dice(inner, block, 2, 1.0), [[expected]])
    assert diagonal(block.shape) == pytest.approx(7 * math.sqrt(3))


def test_a_negative_tolerance_is_refused(masks):
    with pytest.raises(ValueError, match="at least 0; got -1"):
        normalised_surface_dice(*masks, 4, -1.0)
    with pytest.raises(ValueError, match="one shape"):
        hausdorff_95(masks[0][:, 1:], masks[1], 4)

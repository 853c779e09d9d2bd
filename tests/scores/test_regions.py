from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import expand_labels, find_boundaries

from dicecast.errors import DicecastError
from dicecast.scores.components import Components
from dicecast.scores.regions import (
    MaskRegions,
    PixelWeights,
    boundary_region,
    count_pixels,
    distance_to_contour,
    foreground_volume,
)


def reference(mask, width):
    """The definition, on one image, by scikit-image."""
    thick = find_boundaries(mask, mode="thick")
    return expand_labels(thick.astype(np.uint8), distance=(width - 2) / 2) > 0


@pytest.mark.parametrize("width", [2, 4, 6, 8])
@pytest.mark.parametrize("classes", [2, 4])
def test_equals_scikit_image_on_every_image(masks_of, classes, width):
    masks = masks_of(20, classes)
    expected = np.stack([reference(mask, width) for mask in masks])
    np.testing.assert_array_equal(boundary_region(masks, width), expected)


SMALL_MASKS = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
    elements=st.integers(0, 2),
)


@settings(max_examples=60, deadline=None)
@given(SMALL_MASKS, st.sampled_from([2, 4, 6]))
def test_equals_scikit_image_on_small_images_of_any_shape(masks, width):
    expected = np.stack([reference(mask, width) for mask in masks])
    np.testing.assert_array_equal(boundary_region(masks, width), expected)


def test_a_straight_contour_has_a_band_of_the_width():
    masks = np.zeros((1, 6, 20), dtype=np.uint8)
    masks[:, :, 10:] = 1
    for width in (2, 4, 6):
        assert boundary_region(masks, width).sum() == 6 * width


def test_an_empty_or_full_mask_has_no_boundary():
    for value in (0, 1):
        assert not boundary_region(np.full((2, 8, 8), value, dtype=np.uint8)).any()


@pytest.mark.parametrize("width", [-2, 0, 1, 3])
def test_a_width_that_has_no_band_is_refused(width):
    with pytest.raises(DicecastError, match="even number of pixels"):
        boundary_region(np.zeros((1, 4, 4), dtype=np.uint8), width)


@settings(max_examples=60, deadline=None)
@given(SMALL_MASKS, st.integers(1, 11))
def test_distances_are_those_of_scipy_cut_off(masks, farthest):
    for mask, found in zip(masks, distance_to_contour(masks, farthest), strict=True):
        expected = np.full(mask.shape, float(farthest))
        if np.ptp(mask):  # SciPy needs a pixel to measure the distance to
            by_class = [ndimage.distance_transform_edt(mask == c) for c in np.unique(mask)]
            expected = np.minimum(np.sum(by_class, axis=0), farthest)
        np.testing.assert_array_equal(found, expected)


@settings(max_examples=60, deadline=None)
@given(SMALL_MASKS)
def test_components_are_those_of_scikit_image(masks):
    found = Components(masks)
    for case, mask in enumerate(masks):
        expected = label(mask, connectivity=2)
        mine = found.cases == case
        assert mine.sum() == expected.max()
        assert sorted(found.volumes[mine]) == sorted(np.bincount(expected.ravel())[1:])
        # One label of ours for each of theirs.
        pairs = np.unique(np.stack([found.labels[case].ravel(), expected.ravel()]), axis=1)
        assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


def test_of_equally_large_components_the_first_by_class_then_from_the_top():
    mask = np.array([[2, 2, 0, 1, 0, 1], [0, 0, 0, 1, 0, 1], [3, 0, 1, 0, 3, 0]], np.uint8)
    found = Components(mask[None])
    assert np.argwhere(found.largest[0]).tolist() == [[0, 3], [1, 3], [2, 2]]
    assert np.argwhere(found.smallest[0]).tolist() == [[2, 0]]


def test_weights_of_a_mean_are_equal_where_none_counts():
    values = np.array([[[1.0, 2.0, 6.0]], [[1.0, 2.0, 6.0]]])
    weights = np.array([[[1.0, 3.0, 0.0]], [[0.0, 0.0, 0.0]]])
    np.testing.assert_allclose(PixelWeights(weights).mean(values), [7 / 4, 3.0])


def test_regions_share_out_the_image(masks_of):
    # The first mask is empty and the second full, so that both lack regions.
    regions = MaskRegions(masks_of(8, 3)[2:])
    inner = regions.foreground_interior.values + regions.background_interior.values
    np.testing.assert_array_equal(regions.boundary.values + regions.non_boundary.values, 1.0)
    np.testing.assert_array_equal(regions.foreground.values + regions.background.values, 1.0)
    np.testing.assert_array_equal(regions.boundary.values + inner, 1.0)


def test_classes_alike_gives_each_class_the_same_weight(masks_of):
    masks = masks_of(6, 4)
    weights = MaskRegions(masks).classes_alike.values
    for mask, weight in zip(masks, weights, strict=True):
        assert [weight[mask == c].sum() for c in np.unique(mask)] == pytest.approx(
            np.ones(len(np.unique(mask)))
        )


def test_volume_counts_every_class_but_the_background(masks_of):
    masks = masks_of(6, 4)
    expected = [(mask != 0).sum() for mask in masks]
    np.testing.assert_array_equal(foreground_volume(masks), expected)
    np.testing.assert_array_equal(MaskRegions(masks).volume, expected)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.bool_, st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(1, 9))))
def test_counts_the_pixels_of_each_case(region):
    counts = count_pixels(region)
    assert counts.dtype == np.int64
    np.testing.assert_array_equal(counts, np.count_nonzero(region, axis=(1, 2)))

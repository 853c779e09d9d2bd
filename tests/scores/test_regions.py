from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.segmentation import expand_labels, find_boundaries

from dicecast.errors import DicecastError
from dicecast.scores.regions import MaskRegions, boundary_region, count_pixels, foreground_volume


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


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
        elements=st.integers(0, 2),
    ),
    st.sampled_from([2, 4, 6]),
)
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


def test_regions_share_out_the_image(masks_of):
    regions = MaskRegions(masks_of(6, 3))
    np.testing.assert_array_equal(regions.boundary ^ regions.non_boundary, True)


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

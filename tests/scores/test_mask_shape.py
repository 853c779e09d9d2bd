from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.measure import label, regionprops

from dicecast.scores.mask_shape import mask_shape


def features(mask, num_classes=2):
    return mask_shape(np.asarray(mask, dtype=np.uint8)[None], num_classes).iloc[0].to_dict()


@pytest.mark.parametrize("classes", [2, 4])
def test_equals_scikit_image(masks_of, classes):
    masks = masks_of(12, classes)
    table = mask_shape(masks, classes)
    for case in range(1, 12):
        row, mask = table.iloc[case], masks[case]
        components = regionprops(label(mask, connectivity=2))
        whole = regionprops((mask > 0).astype(int))[0]
        assert row["components"] == len(components)
        assert row["largest_component"] == pytest.approx(
            max(part.area for part in components) / whole.area
        )
        assert row["extent"] == pytest.approx(whole.extent)
        assert row["eccentricity"] == pytest.approx(whole.eccentricity, abs=1e-7)
        assert row["foreground_fraction"] == pytest.approx(whole.area / mask.size)
        for index in range(1, classes):
            assert row[f"class_{index}_fraction"] == (mask == index).mean()


def test_a_square():
    mask = np.zeros((20, 20))
    mask[5:15, 5:15] = 1
    assert features(mask) == pytest.approx(
        {
            "foreground_fraction": 0.25,
            "class_1_fraction": 0.25,
            "components": 1,
            "largest_component": 1,
            "boundary_length": 40 / 80,
            "compactness": math.pi / 4,
            "extent": 1,
            "border_fraction": 0,
            "eccentricity": 0,
        }
    )


def test_two_squares_of_two_classes_at_the_border():
    mask = np.zeros((10, 10))
    mask[:2, :2] = 1
    mask[:4, 6:] = 2
    found = features(mask, 3)
    assert found["components"] == 2
    assert found["largest_component"] == 16 / 20
    assert found["boundary_length"] == (4 + 8) / 40
    assert found["compactness"] == pytest.approx(4 * math.pi * 20 / 24**2)
    assert found["border_fraction"] == (3 + 7) / 36
    assert (found["class_1_fraction"], found["class_2_fraction"]) == (0.04, 0.16)


def test_touching_classes_are_components_of_their_own_and_diagonal_pixels_are_joined():
    assert features([[1, 2], [0, 0]], 3)["components"] == 2
    assert features([[1, 0], [0, 1]])["components"] == 1


def test_a_line_is_as_eccentric_as_can_be():
    mask = np.zeros((9, 9))
    mask[4, 1:8] = 1
    assert features(mask)["eccentricity"] == pytest.approx(1)


def test_an_empty_mask_is_all_zero():
    assert set(features(np.zeros((8, 8)), 3).values()) == {0.0}


def test_components_do_not_run_on_into_the_next_mask():
    masks = np.ones((5, 4, 4), dtype=np.uint8)
    np.testing.assert_array_equal(mask_shape(masks, 2)["components"], 1)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.uint8,
        st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(1, 8)),
        elements=st.integers(0, 2),
    )
)
def test_always_finite_in_range_and_independent_of_the_batch(masks):
    table = mask_shape(masks, 3)
    assert np.isfinite(table.to_numpy()).all()
    shares = table.drop(columns=["components", "boundary_length"])
    assert shares.min(axis=None) >= 0
    assert shares.max(axis=None) <= 1
    alone = pd.concat([mask_shape(mask[None], 3) for mask in masks], ignore_index=True)
    pd.testing.assert_frame_equal(table, alone, check_exact=True)

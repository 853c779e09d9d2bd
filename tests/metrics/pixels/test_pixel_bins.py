import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicecast.metrics.pixels.bins import BINS, RELATIVE_WIDTH, SMALLEST, fine_bins, lower_edge

FLOATS = st.floats(0, 2.0**7, width=32)


@given(st.lists(FLOATS, min_size=2))
def test_bins_keep_the_order(numbers):
    ordered = np.sort(np.array(numbers, np.float32))
    assert (np.diff(fine_bins(ordered)) >= 0).all()


@given(FLOATS)
def test_a_number_is_between_the_edges_of_its_bin(number):
    place = int(fine_bins(np.array([number], np.float32))[0])
    low, high = lower_edge(place), lower_edge(place + 1)
    assert low <= number < high
    if SMALLEST <= number < 63:
        assert (high - low) / low <= RELATIVE_WIDTH


def test_what_is_not_positive_is_in_the_first_bin():
    values = np.array([0.0, -0.0, -1e-9, -5.0, 1e-12], np.float32)
    assert fine_bins(values).tolist() == [0] * 5
    assert fine_bins(np.array([1e30], np.float32)).tolist() == [BINS - 1]
    assert (lower_edge(0), lower_edge(1), lower_edge(BINS)) == (0.0, SMALLEST, np.inf)


def test_other_numbers_are_refused():
    with pytest.raises(TypeError, match="float64"):
        fine_bins(np.zeros(3))
    with pytest.raises(ValueError, match="got 5000"):
        lower_edge(5000)

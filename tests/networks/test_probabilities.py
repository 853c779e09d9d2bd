from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from keras import ops

from dicecast.networks.probabilities import (
    classes_first,
    classes_last,
    log_softmax,
    most_likely,
    one_hot,
    softmax,
)

LOGITS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(2, 5)),
    elements=st.floats(-200, 200, width=32),
)


@given(LOGITS)
@settings(max_examples=40, deadline=None)
def test_softmax_is_that_of_scipy_over_the_last_axis(logits: np.ndarray) -> None:
    expected = scipy.special.softmax(logits.astype(np.float64), axis=-1)
    np.testing.assert_allclose(ops.convert_to_numpy(softmax(logits)), expected, atol=1e-6)


@given(LOGITS)
@settings(max_examples=40, deadline=None)
def test_log_softmax_is_that_of_scipy_over_the_first_axis(logits: np.ndarray) -> None:
    expected = scipy.special.log_softmax(logits.astype(np.float64), axis=0)
    np.testing.assert_allclose(ops.convert_to_numpy(log_softmax(logits)), expected, atol=1e-4)


@pytest.mark.parametrize("classes", [2, 4])
def test_one_hot_has_a_plane_a_class(classes: int) -> None:
    targets = np.random.default_rng(0).integers(0, classes, (3, 4, 5)).astype(np.int32)
    expected = np.moveaxis(np.eye(classes, dtype=np.float32)[targets], -1, 0)
    np.testing.assert_array_equal(ops.convert_to_numpy(one_hot(targets, classes)), expected)


@given(LOGITS.map(np.round))
@settings(max_examples=40, deadline=None)
def test_the_most_likely_class_is_the_first_of_the_largest(values: np.ndarray) -> None:
    found = ops.convert_to_numpy(most_likely(classes_first(ops.convert_to_tensor(values))))
    np.testing.assert_array_equal(found, values.argmax(axis=-1))
    assert found.dtype == np.uint8


@pytest.mark.parametrize("classes", [2, 5])
def test_moving_the_classes_there_and_back_changes_nothing(classes: int) -> None:
    values = np.random.default_rng(0).random((2, 3, 4, classes)).astype(np.float32)
    moved = classes_first(values)
    assert tuple(moved.shape) == (classes, 2, 3, 4)
    np.testing.assert_array_equal(ops.convert_to_numpy(classes_last(moved)), values)

from __future__ import annotations

import numpy as np
import pytest

from dicecast.metrics.resampling.running_sums import (
    PLAIN,
    in_runs,
    padded,
    running_sums,
    summing,
)


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 100, 1024, 1025, 20_000])
def test_running_sums_are_those_of_cumsum(rows):
    generator = np.random.default_rng(rows)
    values = generator.integers(0, 9, size=(rows, 3)).astype(float)
    orders = np.stack([generator.permutation(rows), np.arange(rows)])
    weights = generator.integers(0, 5, size=(2, rows)).astype(float)
    places = in_runs(orders, rows)
    ordered = np.concatenate([values, np.zeros((1, 3))])[places]
    sums = np.full((2, 1 + padded(rows), 3), np.nan)
    for matrices, weight in ((PLAIN, np.ones((2, rows))), (summing(weights), weights)):
        running_sums(ordered, matrices, sums)
        expected = np.cumsum(values[orders] * weight[:, :, np.newaxis], axis=1)
        assert not sums[:, 0].any()
        np.testing.assert_array_equal(sums[:, 1 : rows + 1], expected)
        # The rows of no case add nothing.
        np.testing.assert_array_equal(
            sums[:, rows:], sums[:, rows : rows + 1].repeat(sums.shape[1] - rows, axis=1)
        )


def test_a_start_vanishes_in_a_count_and_stays_where_there_is_none():
    values = np.zeros((41, 1))
    values[38], values[39] = 2.0, 1.0
    ordered = values[in_runs(np.arange(40)[np.newaxis], 40)]
    sums = np.empty((1, 49, 1))
    running_sums(ordered, PLAIN, sums, start=1e-300)
    assert sums[0, :41, 0].tolist() == [1e-300] * 39 + [2.0, 3.0]

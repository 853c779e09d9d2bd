from __future__ import annotations

import numpy as np
import pytest

from dicecast.metrics.bootstrap import interval, paired_difference, resample_counts

GROUPS = ["b", "a", "c", "a", "b", "d", "a"]


def test_whole_groups_are_drawn_and_as_many_as_there_are():
    counts = resample_counts(GROUPS, resamples=500, seed=1)
    names = np.array(GROUPS)
    first = [np.flatnonzero(names == name)[0] for name in "abcd"]
    for name, case in zip("abcd", first, strict=True):
        np.testing.assert_array_equal(
            counts[:, names == name].T, [counts[:, case]] * sum(names == name)
        )
    assert (counts[:, first].sum(axis=1) == 4).all()
    assert counts.sum(axis=1).min() < 7 < counts.sum(axis=1).max()


def test_counts_are_those_of_drawing_with_replacement():
    counts = resample_counts([str(number) for number in range(20)], resamples=20_000, seed=0)
    np.testing.assert_allclose(counts.mean(axis=0), 1.0, atol=0.04)
    np.testing.assert_allclose(counts.var(axis=0), 0.95, atol=0.05)
    covariance = np.cov(counts[:, 0], counts[:, 1])[0, 1]
    assert covariance == pytest.approx(-0.05, abs=0.03)


def test_the_order_of_the_cases_does_not_matter():
    order = [6, 2, 0, 5, 1, 4, 3]
    counts = resample_counts(GROUPS, resamples=50, seed=3)
    moved = resample_counts([GROUPS[index] for index in order], resamples=50, seed=3)
    np.testing.assert_array_equal(moved, counts[:, order])


def test_the_seed_decides_and_more_resamples_only_add():
    counts = resample_counts(GROUPS, resamples=50, seed=3)
    np.testing.assert_array_equal(resample_counts(GROUPS, 50, seed=3), counts)
    np.testing.assert_array_equal(resample_counts(GROUPS, 80, seed=3)[:50], counts)
    assert (resample_counts(GROUPS, 50, seed=4) != counts).any()


def test_the_stream_of_draws_is_pinned():
    # A change here would move every committed interval.
    assert resample_counts(["a", "b", "c"], resamples=2, seed=0).tolist() == [[0, 2, 1], [3, 0, 0]]


def test_no_cases():
    assert resample_counts([], resamples=5, seed=0).shape == (5, 0)


def test_interval_is_that_of_the_quantiles():
    samples = np.random.default_rng(0).normal(size=999)
    low, high, undefined = interval(samples)
    assert (low, high) == pytest.approx(tuple(np.quantile(samples, [0.025, 0.975])))
    assert undefined == 0


@pytest.mark.parametrize(("undefined", "given"), [(0, True), (5, True), (6, False), (100, False)])
def test_interval_leaves_out_undefined_resamples_up_to_a_share(undefined, given):
    samples = np.linspace(0, 1, 100)
    samples[:undefined] = np.nan
    low, high, counted = interval(samples)
    assert counted == undefined
    assert bool(np.isfinite(low)) is bool(np.isfinite(high)) is given


def test_interval_without_resamples_is_undefined():
    assert np.isnan(interval(np.array([])).low)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, float("nan")])
def test_a_level_is_a_share(level):
    with pytest.raises(ValueError, match="between 0 and 1"):
        interval(np.zeros(3), level)


def test_paired_difference_is_narrower_than_the_rows_apart():
    shared = np.random.default_rng(0).normal(size=1000)
    low, high = paired_difference(shared + 0.1, shared)
    assert (low, high) == pytest.approx((0.1, 0.1))
    assert paired_difference(shared, shared + 0.1) == pytest.approx((-0.1, -0.1))


def test_paired_difference_is_undefined_where_either_is():
    first, second = np.zeros(100), np.zeros(100)
    first[:4], second[-4:] = np.nan, np.nan
    assert np.isnan(paired_difference(first, second)).all()


def test_paired_samples_come_from_the_same_resamples():
    with pytest.raises(ValueError, match="same resamples"):
        paired_difference(np.zeros(3), np.zeros(1))

"""Ranks: equal rows tie, clearly better rows do not, and undefined rows come last."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leaderboard_records import make_cases, make_record

from dicecast.leaderboard.build import build_leaderboard
from dicecast.leaderboard.pairs import significantly_better
from dicecast.leaderboard.ranking import rank
from dicecast.metrics.bootstrap import paired_difference
from dicecast.records import ScoreInfo


def ranks_of(columns):
    """Return the table of one estimator with the given scores, by score."""
    cases = make_cases(1, (("in_distribution", 60),)).drop(
        columns=["entropy/mean", "isotonic", "constant", "random"]
    )
    values = {name: make(cases["dice"].to_numpy()) for name, make in columns.items()}
    info = dict.fromkeys(columns, ScoreInfo(kind="aggregation"))
    record = make_record(cases=cases.assign(**values), scores=info)
    return build_leaderboard([record]).set_index("score")


def test_equal_scores_tie_and_clearly_better_ones_do_not():
    noise = np.random.default_rng(0).normal(size=(2, 60))
    table = ranks_of(
        {
            "bad": lambda dice: noise[1],
            "good": lambda dice: dice + 0.05 * noise[0],
            "good_again": lambda dice: 10 * (dice + 0.05 * noise[0]),
            "none": lambda dice: dice * 0,
            "perfect": lambda dice: dice,
            "wrong": lambda dice: -dice,
        }
    )
    assert table["rank"].to_dict() == {
        "perfect": 1,
        "good": 2,
        "good_again": 2,
        "bad": 4,
        "wrong": 5,
        "none": 6,
    }
    assert table["rank_high"].to_dict() == {
        "perfect": 1,
        "good": 3,
        "good_again": 3,
        "bad": 4,
        "wrong": 5,
        "none": 6,
    }
    assert table.index[-1] == "none"
    assert table.loc["none", "reason"].startswith("spearman, pearson, kendall: the score is const")


def test_a_rank_counts_the_rows_whose_paired_interval_lies_above_zero():
    generator = np.random.default_rng(5)
    samples = np.linspace(0.5, 0.7, 8)[:, np.newaxis] + generator.normal(scale=0.04, size=(8, 1000))
    samples[3, ::50] = np.nan
    values = np.nanmean(samples, axis=1)
    found = rank(values, samples, 0.95)
    for row in range(8):
        better = sum(paired_difference(other, samples[row])[0] > 0 for other in samples)
        assert found.best[row] == 1 + better


@pytest.mark.parametrize("undefined", [0.04, 0.2])
def test_too_many_undefined_resamples_cannot_tell_rows_apart(undefined):
    samples = np.array([np.full(100, 0.9), np.full(100, 0.1)])
    samples[0, : int(100 * undefined)] = np.nan
    found = rank(np.array([0.9, 0.1]), samples, 0.95)
    assert found.best.tolist() == ([1, 2] if undefined < 0.05 else [1, 1])


def test_ranks_without_any_defined_row():
    found = rank(np.full(3, np.nan), np.full((3, 10), np.nan), 0.95)
    assert found.best.tolist() == [1, 1, 1]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.8, 0.95]), st.sampled_from([1, 7, 60]))
def test_bounds_and_early_ends_decide_as_counting_every_resample_does(seed, level, resamples):
    generator = np.random.default_rng(seed)
    rows = 12
    spread = generator.uniform(0.01, 0.3, size=(rows, 1))
    shared = generator.normal(scale=0.1, size=resamples)
    samples = generator.uniform(0.3, 0.7, (rows, 1)) + spread * generator.normal(
        size=(rows, resamples)
    )
    samples = (samples + shared).round(1)
    samples[-1] = samples[0]
    samples[-2, generator.random(resamples) < 0.04] = np.nan
    expected = np.zeros((rows, rows), bool)
    for first in range(rows):
        for second in range(rows):
            pair = samples[[first, second]]
            pair = pair[:, ~np.isnan(pair).any(axis=0)]
            enough = pair.shape[1] >= 0.95 * resamples and pair.shape[1] > 0
            wins = np.count_nonzero(pair[0] > pair[1])
            needed = (1 + level) / 2 * pair.shape[1] - 1e-9
            expected[first, second] = enough and wins >= needed
    np.testing.assert_array_equal(significantly_better(samples, level), expected)

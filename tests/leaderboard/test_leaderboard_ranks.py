"""Ranks: equal rows tie, clearly better rows do not, and undefined rows come last."""

from __future__ import annotations

import numpy as np
import pytest
from leaderboard_records import make_cases, make_record

from dicecast.leaderboard.build import build_leaderboard
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

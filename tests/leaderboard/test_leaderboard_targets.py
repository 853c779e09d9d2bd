"""A leaderboard compares with the suite's quality target, and says which it is."""

from __future__ import annotations

import numpy as np
import pytest
from leaderboard_records import make_cases, make_record
from scipy import stats

from dicecast.errors import DicecastError
from dicecast.leaderboard.build import build_leaderboard
from dicecast.leaderboard.excerpt import as_excerpt
from dicecast.leaderboard.markdown import as_markdown

SETTINGS = {"quality": {"target": "normalised_surface_dice", "class_name": "", "tolerance": 3.0}}
SENTENCE = "Here the true quality is the surface Dice within 3 pixels"


@pytest.fixture
def cases():
    """Cases whose quality is the reverse of their Dice."""
    table = make_cases(1, (("in_distribution", 40),))
    table.insert(4, "quality", 1 - table["dice"])
    return table


def test_metrics_and_failures_are_of_the_target_and_the_mean_dice_stays(cases):
    table = build_leaderboard([make_record(cases=cases, suite_settings=SETTINGS)])
    row = table.set_index("score").loc["entropy/mean"]
    expected = stats.spearmanr(cases["entropy/mean"], cases["quality"]).statistic
    assert row["spearman"] == pytest.approx(expected)
    assert row["n_failures"] == np.sum(cases["quality"] < 0.7)
    assert row["mean_dice"] == pytest.approx(cases["dice"].mean())


def test_the_tables_say_what_the_quality_is(cases):
    told = build_leaderboard([make_record(cases=cases, suite_settings=SETTINGS)])
    plain = build_leaderboard([make_record(cases=cases.drop(columns="quality"))])
    for render in (as_markdown, as_excerpt):
        assert SENTENCE in render(told)
        assert "true quality" not in render(plain)


def test_records_of_two_targets_are_not_mixed(cases):
    old = make_record("mc_dropout", cases=cases.drop(columns="quality"))
    with pytest.raises(DicecastError, match="one quality target"):
        build_leaderboard([make_record(cases=cases, suite_settings=SETTINGS), old])


def test_a_quality_out_of_range_is_refused(cases):
    cases.loc[0, "quality"] = 5.0
    with pytest.raises(DicecastError, match="has a quality that is not a number"):
        build_leaderboard([make_record(cases=cases, suite_settings=SETTINGS)])

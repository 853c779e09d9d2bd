"""The table of intervals, from records of which one head predicts them."""

from __future__ import annotations

import numpy as np
import pytest
from leaderboard_records import BOOTSTRAP, SCORES, make_cases, make_failed, make_record

from dicecast.errors import DicecastError
from dicecast.leaderboard.files import check_leaderboard, write_leaderboard
from dicecast.leaderboard.intervals import COLUMNS, interval_table
from dicecast.leaderboard.intervals_page import intervals_as_markdown
from dicecast.metrics.bootstrap import resample_counts
from dicecast.records import ScoreInfo, write_record

NAME = "conformal/split/isotonic"
INFO = ScoreInfo(kind="head", predicts_quality=True, interval_level=0.8)


def make(seed, half_width=0.2):
    """A record whose intervals are around the isotonic head."""
    cases = make_cases(seed)
    middle = cases["isotonic"]
    ends = {NAME: middle, f"{NAME}/low": middle - half_width, f"{NAME}/high": middle + half_width}
    return make_record(seed=seed, cases=cases.assign(**ends), scores=SCORES | {NAME: INFO})


def held(record, domain):
    cases = record.cases[record.cases["domain"] == domain].sort_values("stem")
    inside = (cases["dice"] >= cases[f"{NAME}/low"]) & (cases["dice"] <= cases[f"{NAME}/high"])
    return inside.to_numpy(float), cases["group"].tolist()


def test_coverage_and_width_are_means_over_cases_and_seeds():
    records = [make(0), make(1)]
    table = interval_table(records)
    assert list(table.columns) == list(COLUMNS)
    assert table["domain"].tolist() == ["in_distribution", "noise"]
    for row in table.to_dict(orient="records"):
        inside = np.mean([held(record, row["domain"])[0] for record in records], axis=0)
        assert row["coverage"] == pytest.approx(inside.mean())
        assert row["interval_width"] == pytest.approx(0.4)
        assert (row["score"], row["level"], row["seeds"]) == (NAME, 0.8, 2)
        groups = held(records[0], row["domain"])[1]
        counts = resample_counts(groups, BOOTSTRAP["resamples"], BOOTSTRAP["seed"])
        means = [np.average(inside, weights=weights) for weights in counts]
        expected = np.quantile(means, [0.025, 0.975])
        np.testing.assert_allclose([row["coverage_low"], row["coverage_high"]], expected)


def test_coverage_that_misses_its_level_is_bold():
    narrow = intervals_as_markdown(interval_table([make(0, half_width=0.02)]))
    assert narrow.count("| **0.") == 2
    [row] = interval_table([make(0)]).query("domain == 'noise'").to_dict(orient="records")
    assert row["coverage_low"] <= 0.8 <= row["coverage_high"]
    assert f"| 0.8 | {row['coverage']:.3f} [" in intervals_as_markdown(interval_table([make(0)]))


def test_a_head_that_is_missing_under_a_seed_has_no_row():
    assert len(interval_table([make(0), make_record(seed=1)])) == 0
    assert len(interval_table([make(0), make_failed()])) == 2
    assert len(interval_table([make_record()])) == 0


def test_the_files_are_written_where_there_are_intervals(results):
    assert "intervals.csv" not in [path.name for path in write_leaderboard(results, "tiny").paths]
    for record in (make(0), make(1)):
        write_record(results, record)
    paths = [path.name for path in write_leaderboard(results, "tiny").paths]
    assert {"intervals.csv", "intervals.md"} <= set(paths)
    assert check_leaderboard(results, "tiny") == ""
    (results / "tiny" / "intervals.csv").unlink()
    assert "intervals.csv (missing)" in check_leaderboard(results, "tiny")


def test_intervals_without_their_columns_are_refused():
    record = make(0)
    del record.cases[f"{NAME}/low"]
    with pytest.raises(DicecastError, match=f"has no column {NAME}/low"):
        interval_table([record])

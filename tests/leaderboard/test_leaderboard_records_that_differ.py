"""What has no number, and records that do not belong in one table."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from leaderboard_records import (
    BOOTSTRAP,
    SCORES,
    make_cases,
    make_failed,
    make_record,
    make_records,
)

from dicecast.errors import DicecastError
from dicecast.leaderboard.build import build_leaderboard
from dicecast.leaderboard.markdown import as_markdown
from dicecast.leaderboard.render import as_csv, as_json
from dicecast.records import Record, ScoreInfo


def by_score(records, domain="in_distribution"):
    """Return the rows of a domain by estimator and score."""
    table = build_leaderboard(records)
    return table[table["domain"] == domain].set_index(["estimator", "score"])


def test_the_order_of_records_and_cases_changes_nothing():
    shuffled = [
        Record(
            record.sidecar,
            None if record.cases is None else record.cases.sample(frac=1.0, random_state=7),
        )
        for record in reversed(make_records())
    ]
    one, other = build_leaderboard(make_records()), build_leaderboard(shuffled)
    for render in (as_csv, as_json, as_markdown):
        assert render(one) == render(other)


def test_heads_fitted_by_another_protocol_are_refused():
    training = {"training": {"epochs": 1}}
    fits = [{}, {"quality_fit": {"protocol": "held_out", "folds": 7}}]
    made = [make_record(seed=s, suite_settings=training | fit) for s, fit in enumerate(fits)]
    build_leaderboard(made)
    other = training | {"quality_fit": {"protocol": "out_of_fold", "folds": 5}}
    with pytest.raises(DicecastError, match="folds of quality_fit"):
        build_leaderboard([*made, make_record(seed=2, suite_settings=other)])


def test_an_undefined_score_is_one_row_with_its_reason():
    row = by_score(make_records()).loc[("softmax", "mutual_information/mean")]
    assert (row["status"], row["reason"]) == ("undefined", "one draw has no spread")
    assert np.isnan(row["spearman"])
    assert row["n"] == 40


def test_a_failed_estimator_is_one_row_in_each_domain():
    for domain in ("in_distribution", "noise"):
        row = by_score(make_records(), domain).loc[("swag", "")]
        assert (row["status"], row["reason"]) == ("failed", "MemoryError: too large | <b>")
    rows = build_leaderboard([make_failed()])
    assert rows["status"].tolist() == ["failed"]
    assert as_csv(rows) and as_markdown(rows) and as_json(rows)


def test_a_failed_head_is_failed():
    scores = SCORES | {"cnn": ScoreInfo(kind="head", undefined="ValueError: x", failed=True)}
    row = by_score([make_record(scores=scores)]).loc[("softmax", "cnn")]
    assert (row["status"], row["reason"]) == ("failed", "ValueError: x")


def test_a_mean_is_never_over_fewer_seeds():
    cases = make_record(seed=1).cases
    cases.loc[3, "entropy/mean"] = np.nan
    scores = {name: info for name, info in SCORES.items() if name != "random"}
    scores |= {"isotonic": ScoreInfo(kind="head", undefined="too few examples")}
    rows = by_score([make_record(), make_record(seed=1, cases=cases, scores=scores)])
    assert rows["seeds"].unique().tolist() == [2]
    reasons = rows["reason"].xs("softmax")
    assert reasons["isotonic"] == "seed 1: too few examples"
    assert reasons["random"] == "seed 1: no such score in the record"
    assert reasons["entropy/mean"] == "seed 1: undefined for 1 of 40 cases"
    for score in ("isotonic", "random", "entropy/mean"):
        numbers = rows.loc[("softmax", score), ["spearman", "aurc", "aurc_low", "failure_auroc"]]
        assert numbers.isna().all()


def test_a_seed_that_failed_fails_the_estimator():
    rows = by_score([make_record(), make_failed("softmax", seed=1)])
    assert set(rows["status"]) == {"failed"}
    assert set(rows["reason"]) == {"seed 1: MemoryError: too large | <b>"}
    assert rows["spearman"].isna().all()


def test_seeds_may_differ_between_estimators():
    rows = by_score([make_record(), make_record("mc_dropout", 5), make_record("mc_dropout", 9)])
    assert rows.loc[("softmax", "isotonic"), "seeds"] == 1
    assert rows.loc[("mc_dropout", "isotonic"), "seeds"] == 2


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"suite": "other"}, "suite"),
        ({"protocol_version": 99}, "protocol version"),
        ({"schema_version": 99}, "record format"),
        ({"failure_threshold": 0.5}, "failure threshold"),
        ({"bootstrap": BOOTSTRAP | {"seed": 4}}, "bootstrap"),
        ({"hashes": {"data": "other", "split": "s"}}, "data hash"),
        ({"hashes": {"data": "d", "split": "other"}}, "split hash"),
    ],
)
def test_records_that_differ_are_named_with_their_values(change, word):
    with pytest.raises(DicecastError, match=f"one {word}") as caught:
        build_leaderboard([*make_records(), make_record("late", 3, **change)])
    assert "late/seed-3" in str(caught.value)
    assert "mc_dropout/seed-0, mc_dropout/seed-1, softmax/seed-0" in str(caught.value)


@pytest.mark.parametrize("key", ["data", "split"])
def test_a_record_without_a_hash_is_not_mixed_with_others(key):
    hashes = {name: name for name in ("data", "split") if name != key}
    late = make_record("late", 3, hashes=hashes)
    other = make_record(hashes={"data": "data", "split": "split"})
    with pytest.raises(
        DicecastError, match=rf"one {key} hash.*\n  none: late/seed-3\n  {key}: soft"
    ):
        build_leaderboard([other, late])


def test_a_failed_record_of_other_data_is_not_mixed_with_others():
    late = make_record("late", 3, status="failed", hashes={"data": "other", "split": "s"})
    with pytest.raises(DicecastError, match=r"one data hash.*\n  other: late/seed-3\n"):
        build_leaderboard([make_record(), Record(late.sidecar, None)])


def test_everything_that_differs_is_named_at_once():
    late = make_record("late", protocol_version=7, hashes={"data": "x", "split": "y"})
    with pytest.raises(DicecastError) as caught:
        build_leaderboard([make_record(), late])
    for line in ("  7: late/seed-0", "  1: softmax/seed-0", "  x: late", "  y: late", "  d: soft"):
        assert f"{line}" in str(caught.value)


def test_records_of_one_key_are_refused():
    with pytest.raises(DicecastError, match="softmax/seed-0 is there twice"):
        build_leaderboard([make_record(), make_record()])
    with pytest.raises(DicecastError, match="there is none"):
        build_leaderboard([])


def damaged(kind):
    """Return a table of cases with one thing wrong."""
    cases = make_cases(0)
    if kind == "other cases":
        return cases.iloc[1:]
    if kind == "other groups":
        return cases.assign(group="one")
    if kind == "a case twice":
        return cases.assign(stem="same")
    if kind == "no column":
        return cases.drop(columns="isotonic")
    return cases.assign(**{"dice" if "Dice" in kind else "random": np.inf})


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("other cases", "must have the same cases and groups in the domain 'in_distribution'"),
        ("other groups", "must have the same cases and groups"),
        ("a case twice", "has a case twice"),
        ("no column", "has no column isotonic"),
        ("Dice", "Dice that is not a number in"),
        ("infinite", "infinite value of random"),
    ],
)
def test_a_wrong_table_is_named(kind, message):
    with pytest.raises(DicecastError, match=message) as caught:
        build_leaderboard([make_record("a"), make_record("b", cases=damaged(kind))])
    assert "b/seed-0" in str(caught.value)


def test_no_tensorflow(results):
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; "
        "from pathlib import Path; import dicecast.cli.leaderboard; "
        "from dicecast.leaderboard.files import check_leaderboard; "
        f"check_leaderboard(Path({str(results)!r}), 'tiny'); "
        "found = {'tensorflow', 'keras', 'sklearn', 'skimage'} & set(sys.modules); "
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

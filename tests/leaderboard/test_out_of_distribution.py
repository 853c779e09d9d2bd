"""Detection of shifted domains against scikit-learn and an explicit loop."""

from __future__ import annotations

import numpy as np
import pytest
from leaderboard_records import BOOTSTRAP, CHOSEN, make_cases, make_failed, make_record
from sklearn import metrics as sklearn_metrics

from dicecast.leaderboard.build import build_leaderboard
from dicecast.leaderboard.shift import OOD_AUROC, out_of_distribution
from dicecast.leaderboard.shift_page import detection
from dicecast.metrics.bootstrap import resample_counts


def made(seeds=(0, 1)):
    return [make_record("softmax", seed, scores=CHOSEN) for seed in seeds]


def parts(record):
    cases = record.cases.sort_values(["domain", "stem"])
    return (cases[cases["domain"] == name] for name in ("in_distribution", "noise"))


def test_number_and_interval_are_those_of_an_explicit_loop():
    records = made()
    table = out_of_distribution(records).set_index("score")
    assert table["domain"].unique().tolist() == ["noise"]
    inside, shifted = parts(records[0])
    groups = [*inside["group"], *shifted["group"]]
    belongs = np.repeat([1, 0], [len(inside), len(shifted)])
    scores = [
        np.concatenate([part["isotonic"].to_numpy() for part in parts(record)])
        for record in records
    ]

    def area(chosen):
        auroc = sklearn_metrics.roc_auc_score
        return np.mean([auroc(belongs[chosen], score[chosen]) for score in scores])

    everyone = np.arange(len(groups))
    counts = resample_counts(groups, BOOTSTRAP["resamples"], BOOTSTRAP["seed"])
    low, high = np.quantile([area(everyone.repeat(c)) for c in counts], [0.025, 0.975])
    row = table.loc["isotonic"]
    assert row[OOD_AUROC] == pytest.approx(area(everyone), abs=1e-9)
    ends = (row[f"{OOD_AUROC}_low"], row[f"{OOD_AUROC}_high"])
    assert ends == pytest.approx((low, high), abs=1e-9)
    assert (row["n_in"], row["n_out"], row["seeds"]) == (40, 25, 2)


def test_a_low_score_means_out_of_distribution():
    cases = make_cases(0)
    cases["entropy/mean"] = np.where(cases["domain"] == "noise", 0.0, 1.0)
    cases["random"] = -cases["entropy/mean"]
    table = out_of_distribution([make_record(cases=cases)]).set_index("score")
    assert table[OOD_AUROC][["entropy/mean", "random", "constant"]].tolist() == [1.0, 0.0, 0.5]


def test_a_score_that_is_undefined_for_a_case_has_a_reason_and_no_number():
    cases = make_cases(0)
    cases.loc[2, "entropy/mean"] = np.nan
    row = out_of_distribution([make_record(cases=cases)]).set_index("score").loc["entropy/mean"]
    assert np.isnan(row[OOD_AUROC])
    assert row["reason"] == "undefined for some cases"


def test_failed_runs_and_suites_without_a_shift_have_no_rows():
    assert set(out_of_distribution([*made(), make_failed()])["estimator"]) == {"softmax"}
    alone = make_record(cases=make_cases(0, (("in_distribution", 30),)))
    assert out_of_distribution([alone]).empty
    elsewhere = make_record(cases=make_cases(0, (("a", 30), ("b", 30))))
    assert out_of_distribution([elsewhere]).empty


def test_the_page_shows_the_chosen_score_and_the_heads():
    records = made()
    page = detection(out_of_distribution(records), build_leaderboard(records))
    assert "## noise" in page
    assert "40 cases in distribution, 25 shifted." in page
    assert "| `softmax` | `entropy/mean` 0." in page
    assert "| estimator | `constant` | `isotonic` |" in page
    old = [make_record("softmax", 0)]
    assert "chosen score |" not in detection(out_of_distribution(old), build_leaderboard(old))

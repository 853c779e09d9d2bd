"""Numbers of the leaderboard against SciPy, scikit-learn, ``evaluate`` and explicit loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from leaderboard_records import make_cases, make_record, make_records
from scipy import stats
from sklearn import metrics as sklearn_metrics

from dicecast.leaderboard.build import build_leaderboard
from dicecast.leaderboard.rows import COLUMNS
from dicecast.metrics.bootstrap import resample_counts

REQUIRED = [
    "suite",
    "domain",
    "estimator",
    "score",
    "seeds",
    "n",
    "n_failures",
    "mean_dice",
    "spearman",
    "pearson",
    "kendall",
    "failure_auroc",
    "failure_auroc_low",
    "failure_auroc_high",
    "average_precision_failure",
    "fpr_at_95_tpr",
    "aurc",
    "e_aurc",
    "naurc",
    "augrc",
    "mae",
    "rmse",
    "r2",
    "rank",
    "spearman_low",
    "spearman_high",
    "aurc_low",
    "aurc_high",
    "prevalence",
    "average_precision_success",
    "status",
    "reason",
]


def test_points_are_means_over_seeds_of_the_libraries_numbers():
    table = build_leaderboard(make_records()).set_index(["domain", "estimator", "score"])
    row = table.loc[("noise", "softmax", "isotonic")]
    expected = {name: [] for name in ("spearman", "kendall", "failure_auroc", "mae", "r2")}
    for seed in (0, 1):
        cases = make_record("softmax", seed).cases.query("domain == 'noise'")
        score, dice = cases["isotonic"], cases["dice"]
        expected["spearman"].append(stats.spearmanr(score, dice).statistic)
        expected["kendall"].append(stats.kendalltau(score, dice).statistic)
        expected["failure_auroc"].append(sklearn_metrics.roc_auc_score(dice >= 0.7, score))
        expected["mae"].append(sklearn_metrics.mean_absolute_error(dice, score))
        expected["r2"].append(sklearn_metrics.r2_score(dice, score))
    for name, values in expected.items():
        assert row[name] == pytest.approx(np.mean(values), abs=1e-12), name
    assert (row["seeds"], row["n"], row["status"], row["reason"]) == (2, 25, "ok", "")


def test_intervals_are_those_of_an_explicit_loop():
    table = build_leaderboard(make_records()).set_index(["domain", "estimator", "score"])
    row = table.loc[("in_distribution", "softmax", "entropy/mean")]
    tables = [
        make_record("softmax", seed).cases.query("domain == 'in_distribution'") for seed in (0, 1)
    ]
    counts = resample_counts(tables[0]["group"].tolist(), 200, seed=3)
    auroc = sklearn_metrics.roc_auc_score
    correlations, areas = [], []
    for count in counts:
        repeated = [cases.loc[cases.index.repeat(count)] for cases in tables]
        correlations.append(
            np.mean([stats.spearmanr(c["entropy/mean"], c["dice"]).statistic for c in repeated])
        )
        areas.append(np.mean([auroc(c["dice"] >= 0.7, c["entropy/mean"]) for c in repeated]))
    low, high = np.quantile(correlations, [0.025, 0.975])
    assert (row["spearman_low"], row["spearman_high"]) == pytest.approx((low, high), abs=1e-12)
    low, high = np.quantile(areas, [0.025, 0.975])
    assert (row["failure_auroc_low"], row["failure_auroc_high"]) == pytest.approx((low, high))


def test_intervals_that_nobody_asked_for_are_empty_and_change_nothing_else():
    records = make_records()
    whole, part = build_leaderboard(records), build_leaderboard(records, ["failure_auroc"])
    left_out = ["spearman_low", "spearman_high", "aurc_low", "aurc_high"]
    assert whole[left_out].notna().any().all()
    assert part[left_out].isna().all().all()
    pd.testing.assert_frame_equal(part.drop(columns=left_out), whole.drop(columns=left_out))


def test_columns():
    table = build_leaderboard(make_records())
    assert tuple(table.columns) == COLUMNS
    assert set(REQUIRED) <= set(COLUMNS)
    assert table["domain"].unique().tolist() == ["in_distribution", "noise"]


def test_an_interval_that_does_not_exist_has_a_reason():
    # One failure alone: a third of the resamples have none.
    cases = make_cases(0, (("in_distribution", 40),))
    cases["dice"] = np.linspace(0.69, 0.99, 40)
    table = build_leaderboard([make_record(cases=cases)]).set_index("score")
    row = table.loc["entropy/mean"]
    assert np.isfinite(row["failure_auroc"])
    assert np.isnan(row["failure_auroc_low"])
    assert "interval of failure_auroc: undefined in more than 5 %" in row["reason"]

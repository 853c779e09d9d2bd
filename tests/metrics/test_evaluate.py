"""The degenerate grid: every metric on every kind of failure and every kind of score."""

from __future__ import annotations

import numpy as np
import pytest

from dicecast.metrics.catalogue import METRICS, Sample
from dicecast.metrics.evaluate import evaluate

THRESHOLD = 0.5
NAN = float("nan")
NO_THRESHOLD = "no threshold from 0.5 to 0.95 has both failures and successes"

CORRELATIONS = ("spearman", "pearson", "kendall")
AT_THRESHOLD = (
    "failure_auroc",
    "average_precision_failure",
    "average_precision_success",
    "fpr_at_95_tpr",
    "detection_error_min",
    "detection_error_95",
)
LINE = ("calibration_slope", "calibration_intercept")
ESTIMATES = ("mae", "rmse", "r2", "concordance", *LINE, "quality_ece", "bias")

QUALITY = {
    "some fail": [0.2, 0.4, 0.6, 0.8],
    "all fail": [0.1, 0.2, 0.3, 0.4],
    "none fail": [0.6, 0.7, 0.8, 0.9],
}
SCORE = {
    "perfect": lambda quality: quality,
    "constant": lambda quality: [0.5] * 4,
    "tied": lambda quality: [0.5, 0.5, 1.0, 1.0],
}

# Each worked out by hand from the definitions. Where no case or every case fails, the metrics at a
# threshold do not exist.
EXPECTED = {
    ("some fail", "perfect"): {
        "spearman": 1, "pearson": 1, "kendall": 1,
        "failure_auroc": 1, "average_precision_failure": 1,
        "average_precision_success": 1, "fpr_at_95_tpr": 0,
        # Selective risks .2 .3 .4 .5: (.2 + .25 + .35 + .45) / 4.
        "aurc": 0.3125, "e_aurc": 0, "naurc": 1,
        # Generalised risks 0 .05 .15 .3 .5: (.025 + .1 + .225 + .4) / 4.
        "augrc": 0.1875, "mae": 0, "rmse": 0, "r2": 1,
    },
    ("some fail", "constant"): {
        "spearman": NAN, "pearson": NAN, "kendall": NAN,
        "failure_auroc": 0.5, "average_precision_failure": 0.5,
        "average_precision_success": 0.5, "fpr_at_95_tpr": 1,
        "aurc": 0.5, "e_aurc": 0.1875, "naurc": 0, "augrc": 0.25,
        "mae": 0.2, "rmse": 0.05**0.5, "r2": 0,
    },
    ("some fail", "tied"): {
        "spearman": 0.8**0.5, "pearson": 0.8**0.5, "kendall": (2 / 3) ** 0.5,
        "failure_auroc": 1, "average_precision_failure": 1,
        "average_precision_success": 1, "fpr_at_95_tpr": 0,
        # Risk .3 at coverage .5, then .5: .3 / 2 + .4 / 2.
        "aurc": 0.35, "e_aurc": 0.0375, "naurc": 0.8,
        # Generalised .15 at .5, then .5: .0375 + .1625.
        "augrc": 0.2, "mae": 0.25, "rmse": 0.075**0.5, "r2": -0.5,
    },
    ("all fail", "perfect"): {
        "spearman": 1, "pearson": 1, "kendall": 1,
        # Selective risks .6 .65 .7 .75: (.6 + .625 + .675 + .725) / 4.
        "aurc": 0.65625, "e_aurc": 0, "naurc": 1,
        # Generalised risks 0 .15 .325 .525 .75: (.075 + .2375 + .425 + .6375) / 4.
        "augrc": 0.34375, "mae": 0, "rmse": 0, "r2": 1,
    },
    ("all fail", "constant"): {
        "spearman": NAN, "pearson": NAN, "kendall": NAN,
        "aurc": 0.75, "e_aurc": 0.09375, "naurc": 0, "augrc": 0.375,
        "mae": 0.25, "rmse": 0.075**0.5, "r2": -5,
    },
    ("all fail", "tied"): {
        "spearman": 0.8**0.5, "pearson": 0.8**0.5, "kendall": (2 / 3) ** 0.5,
        # Risk .65 at coverage .5, then .75; generalised .325, then .75.
        "aurc": 0.675, "e_aurc": 0.01875, "naurc": 0.8, "augrc": 0.35,
        "mae": 0.5, "rmse": 0.275**0.5, "r2": -21,
    },
    ("none fail", "perfect"): {
        "spearman": 1, "pearson": 1, "kendall": 1,
        # Selective risks .1 .15 .2 .25: (.1 + .125 + .175 + .225) / 4.
        "aurc": 0.15625, "e_aurc": 0, "naurc": 1,
        # Generalised risks 0 .025 .075 .15 .25: (.0125 + .05 + .1125 + .2) / 4.
        "augrc": 0.09375, "mae": 0, "rmse": 0, "r2": 1,
    },
    ("none fail", "constant"): {
        "spearman": NAN, "pearson": NAN, "kendall": NAN,
        "aurc": 0.25, "e_aurc": 0.09375, "naurc": 0, "augrc": 0.125,
        "mae": 0.25, "rmse": 0.075**0.5, "r2": -5,
    },
    ("none fail", "tied"): {
        "spearman": 0.8**0.5, "pearson": 0.8**0.5, "kendall": (2 / 3) ** 0.5,
        # Risk .15 at coverage .5, then .25; generalised .075, then .25.
        "aurc": 0.175, "e_aurc": 0.01875, "naurc": 0.8, "augrc": 0.1,
        "mae": 0.15, "rmse": 0.025**0.5, "r2": -1,
    },
}  # fmt: skip

PERFECT = {
    "ause": 0, "e_augrc": 0, "concordance": 1, "calibration_slope": 1, "calibration_intercept": 0,
    "quality_ece": 0, "bias": 0,
}  # fmt: skip
SEPARATED = {"detection_error_min": 0, "detection_error_95": 0}

# Likewise. E-AURC over the mean risk, AUGRC less that of the perfect score, and for "tied" the
# moments around the means: products .2 or .1 over squares of .25 (score) and .2 or .05 (quality).
FURTHER = {
    ("some fail", "perfect"): PERFECT | SEPARATED | {"failure_auroc_area": 1},
    ("some fail", "constant"): {
        "detection_error_min": 0.5, "detection_error_95": 0.5, "failure_auroc_area": 0.5,
        "ause": 0.375, "e_augrc": 0.0625,
        "concordance": 0, "quality_ece": 0, "bias": 0,
    },
    # AUROC 1 at .5 to .6, 5/6 at .65 to .8, none above. Gaps of the two bins: .4 and .6.
    ("some fail", "tied"): SEPARATED | {
        "failure_auroc_area": 19 / 21, "ause": 0.075, "e_augrc": 0.0125,
        "concordance": 4 / 7, "calibration_slope": 0.8, "calibration_intercept": -0.1,
        "quality_ece": 0.25, "bias": 0.25,
    },
    ("all fail", "perfect"): PERFECT,
    ("all fail", "constant"): {
        "ause": 0.125, "e_augrc": 0.03125, "concordance": 0, "quality_ece": 0.25, "bias": 0.25,
    },
    ("all fail", "tied"): {
        "ause": 0.025, "e_augrc": 0.00625,
        "concordance": 2 / 13, "calibration_slope": 0.4, "calibration_intercept": -0.05,
        "quality_ece": 0.5, "bias": 0.5,
    },
    ("none fail", "perfect"): PERFECT | {"failure_auroc_area": 1},
    ("none fail", "constant"): {
        "failure_auroc_area": 0.5, "ause": 0.375, "e_augrc": 0.03125,
        "concordance": 0, "quality_ece": 0.25, "bias": -0.25,
    },
    # AUROC 5/6 at .65 and .7, 1 at .75 and .8, 5/6 at .85 and .9. Gaps of the bins: -.3 and .3.
    ("none fail", "tied"): {
        "failure_auroc_area": 8 / 9, "ause": 0.075, "e_augrc": 0.00625,
        "concordance": 2 / 3, "calibration_slope": 0.4, "calibration_intercept": 0.45,
        "quality_ece": 0.15, "bias": 0,
    },
}  # fmt: skip


def assert_consistent(result):
    assert list(result.values) == list(METRICS)
    assert set(result.reasons) == {name for name, x in result.values.items() if np.isnan(x)}
    assert all(reason.strip() for reason in result.reasons.values())


@pytest.mark.parametrize(("failing", "kind"), EXPECTED)
def test_grid(failing, kind):
    quality = QUALITY[failing]
    result = evaluate(SCORE[kind](quality), quality, THRESHOLD, predicts_quality=True)
    expected = dict.fromkeys(METRICS, NAN) | EXPECTED[failing, kind] | FURTHER[failing, kind]
    assert result.values == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert_consistent(result)
    reasons = {}
    if kind == "constant":
        reasons |= dict.fromkeys((*CORRELATIONS, *LINE), "the score is constant")
    if failing == "all fail":
        reasons |= dict.fromkeys(AT_THRESHOLD, "every case fails below 0.5")
        reasons["failure_auroc_area"] = NO_THRESHOLD
    if failing == "none fail":
        reasons |= dict.fromkeys(AT_THRESHOLD, "no case fails below 0.5")
    assert result.reasons == reasons
    assert result.constant is (kind == "constant")
    failures = {"some fail": 2, "all fail": 4, "none fail": 0}[failing]
    assert (result.n, result.n_failures, result.prevalence) == (4, failures, failures / 4)


@pytest.mark.parametrize("failing", QUALITY)
@pytest.mark.parametrize("undefined", [1, 4])
def test_a_score_undefined_for_any_case_is_undefined_throughout(failing, undefined):
    score = np.arange(4.0)
    score[:undefined] = np.nan
    result = evaluate(score, QUALITY[failing], THRESHOLD, predicts_quality=True)
    assert all(np.isnan(value) for value in result.values.values())
    assert result.reasons == dict.fromkeys(METRICS, f"undefined for {undefined} of 4 cases")
    assert result.constant is False
    assert result.n_failures == {"some fail": 2, "all fail": 4, "none fail": 0}[failing]


def test_a_ranking_has_no_error():
    result = evaluate([1, 2, 3], [0.1, 0.6, 0.7], THRESHOLD, predicts_quality=False)
    assert result.reasons == dict.fromkeys(
        ESTIMATES, "the score is a ranking, not an estimate of Dice"
    )
    assert_consistent(result)


def test_no_cases():
    result = evaluate([], [], THRESHOLD, predicts_quality=True)
    assert result.reasons == dict.fromkeys(METRICS, "no cases")
    assert (result.n, result.n_failures, result.constant) == (0, 0, False)
    assert np.isnan(result.prevalence)
    assert_consistent(result)


def test_one_case_has_an_error_but_no_rank():
    result = evaluate([0.5], [0.25], THRESHOLD, predicts_quality=True)
    defined = ("mae", "rmse", "quality_ece", "bias")
    assert [result.values[name] for name in defined] == [0.25] * 4
    assert result.reasons == dict.fromkeys(METRICS.keys() - defined, "only 1 case")
    assert_consistent(result)


def test_two_cases():
    result = evaluate([0.0, 1.0], [0.25, 0.75], THRESHOLD, predicts_quality=True)
    assert result.reasons == {}
    assert result.values == pytest.approx(
        dict.fromkeys([*CORRELATIONS, *AT_THRESHOLD, "failure_auroc_area"], 1.0)
        | {"fpr_at_95_tpr": 0, "aurc": 0.3125, "e_aurc": 0, "naurc": 1, "augrc": 0.1875}
        | {"mae": 0.25, "rmse": 0.25, "r2": 0, "concordance": 0.8, "quality_ece": 0.25, "bias": 0}
        | {"calibration_slope": 0.5, "calibration_intercept": 0.25, "ause": 0, "e_augrc": 0}
        | SEPARATED
    )


def test_constant_quality():
    result = evaluate([1.0, 2.0, 3.0], [0.25] * 3, THRESHOLD, predicts_quality=True)
    constant = (*CORRELATIONS, "naurc", "r2", "concordance", *LINE)
    expected = dict.fromkeys(AT_THRESHOLD, "every case fails below 0.5")
    expected |= dict.fromkeys(constant, "every case has the quality 0.25")
    assert result.reasons == expected | {"failure_auroc_area": NO_THRESHOLD}
    assert result.values["aurc"] == pytest.approx(0.75)
    assert result.values["e_aurc"] == pytest.approx(0.0)


def test_qualities_that_differ_by_less_than_rounding_are_named():
    result = evaluate([1.0, 2.0], [0.0, 1e-200], 1e-220, predicts_quality=True)
    rounding = ("naurc", "r2", "concordance", *LINE)
    assert result.reasons == dict.fromkeys(
        rounding, "score or quality differs by no more than rounding"
    ) | {"failure_auroc_area": NO_THRESHOLD}
    assert result.values["spearman"] == 1


@pytest.mark.parametrize("failing", QUALITY)
@pytest.mark.parametrize("kind", SCORE)
@pytest.mark.parametrize("cases", [0, 1, 2, 4])
def test_obstacles_and_plain_functions_say_nan_together(failing, kind, cases):
    """The catalogue's reasons and the functions' own rules are two statements of one thing."""
    quality = np.array(QUALITY[failing][:cases])
    score = np.array(SCORE[kind](QUALITY[failing])[:cases], dtype=float)
    reasons = evaluate(score, quality, THRESHOLD, predicts_quality=True).reasons
    sample = Sample(score, quality, THRESHOLD, True)
    plain = {name for name, metric in METRICS.items() if np.isnan(metric.compute(sample))}
    assert plain == set(reasons)


def test_directions_are_those_of_a_better_score():
    quality = np.array([0.1, 0.3, 0.6, 0.9])
    better = evaluate(quality, quality, THRESHOLD, predicts_quality=True).values
    worse = evaluate(1 - quality, quality, THRESHOLD, predicts_quality=True).values
    for name, metric in METRICS.items():
        if metric.higher_is_better is not None:
            assert (better[name] > worse[name]) is metric.higher_is_better, name


def test_cases_without_any_risk_have_no_area_over_it():
    result = evaluate([1.0, 2.0], [1.0, 1.0], 2.0, predicts_quality=False)
    assert result.reasons["ause"] == "every case has the quality 1"


@pytest.mark.parametrize(
    ("score", "quality", "threshold", "text"),
    [
        ([np.inf, 0.0], [0.1, 0.2], 0.5, "1 of 2 are infinite"),
        ([0.0, 0.0], [0.1, np.nan], 0.5, "1 of 2 are not"),
        ([0.0, 0.0], [0.1, 1.2], 0.5, r"in \[0, 1\]"),
        ([0.0, 0.0], [-0.1, 0.2], 0.5, r"in \[0, 1\]"),
        ([0.0], [0.1, 0.2], 0.5, "shapes"),
        ([[0.0]], [[0.1]], 0.5, "shapes"),
        ([0.0, 0.0], [0.1, 0.2], NAN, "threshold"),
    ],
    ids=[
        "infinite",
        "quality NaN",
        "quality above 1",
        "quality below 0",
        "lengths",
        "two axes",
        "threshold",
    ],
)
def test_wrong_input_is_refused(score, quality, threshold, text):
    with pytest.raises(ValueError, match=text):
        evaluate(score, quality, threshold, predicts_quality=True)

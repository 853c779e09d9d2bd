"""What must hold for any sample at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicecast.metrics import calibration, correlation, discrimination, regression, risk_coverage
from dicecast.metrics.catalogue import ESTIMATE_METRICS, METRICS
from dicecast.metrics.evaluate import evaluate

FEW = st.integers(0, 6).map(lambda number: number / 6)
"""Few values, so that ties are the rule."""


@st.composite
def samples(draw, quality=FEW, least=2):
    """A score and a quality, tied or not."""
    size = draw(st.integers(least, 25))
    score = draw(_numbers(size))
    return score, np.array(draw(st.lists(quality, min_size=size, max_size=size)))


def _numbers(size):
    tied = st.lists(FEW, min_size=size, max_size=size)
    free = st.lists(st.floats(-1e3, 1e3), min_size=size, max_size=size)
    return st.one_of(tied, free).map(np.array)


def defined(values):
    return {name: value for name, value in values.items() if not np.isnan(value)}


@given(samples(quality=st.sampled_from([0.0, 1.0])))
def test_augrc_of_binary_risk_is_a_function_of_auroc(sample):
    score, quality = sample
    failing = float(np.mean(quality < 0.5))
    auroc = discrimination.failure_auroc(score, quality, 0.5)
    if np.isnan(auroc):
        assert failing in (0.0, 1.0)
        auroc = 0.5  # its factor is 0
    expected = (1 - auroc) * failing * (1 - failing) + failing**2 / 2
    assert risk_coverage.augrc(score, quality) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(samples(quality=st.floats(0, 1), least=0), st.randoms(use_true_random=False))
def test_no_metric_depends_on_the_order_of_the_cases(sample, random):
    score, quality = sample
    shuffled = random.sample(range(len(score)), len(score))
    before = evaluate(score, quality, 0.5, predicts_quality=True)
    after = evaluate(score[shuffled], quality[shuffled], 0.5, predicts_quality=True)
    assert before.reasons == after.reasons
    assert defined(before.values) == pytest.approx(defined(after.values), rel=1e-9, abs=1e-12)
    exact = ["spearman", "kendall", "failure_auroc", "failure_auroc_area", "detection_error_min"]
    exact += ["detection_error_95", "aurc", "e_aurc", "naurc", "ause", "augrc", "e_augrc"]
    assert [repr(before.values[name]) for name in exact] == [
        repr(after.values[name]) for name in exact
    ]


@settings(max_examples=60, deadline=None)
@given(samples())
def test_ranking_metrics_see_only_the_order_of_the_score(sample):
    score, quality = sample
    ranked = np.unique(score, return_inverse=True)[1].astype(float)
    before = evaluate(score, quality, 0.5, predicts_quality=False)
    after = evaluate(ranked, quality, 0.5, predicts_quality=False)
    for name in METRICS.keys() - {"pearson", *ESTIMATE_METRICS}:
        assert before.values[name] == pytest.approx(after.values[name], abs=1e-12, nan_ok=True)


@given(samples())
def test_r2_is_at_most_the_squared_correlation(sample):
    score, quality = sample
    explained, correlated = regression.r2(score, quality), correlation.pearson(score, quality)
    if not np.isnan(explained):
        assert explained <= (0.0 if np.isnan(correlated) else correlated**2) + 1e-9


@given(samples())
def test_turning_the_score_round_turns_the_metrics_round(sample):
    score, quality = sample
    for metric in (correlation.spearman, correlation.pearson, correlation.kendall):
        assert metric(-score, quality) == pytest.approx(
            -metric(score, quality), abs=1e-12, nan_ok=True
        )
    assert discrimination.failure_auroc(-score, quality, 0.5) == pytest.approx(
        1 - discrimination.failure_auroc(score, quality, 0.5), abs=1e-12, nan_ok=True
    )


@given(samples(quality=st.floats(0, 1)))
def test_ranges_and_the_perfect_ranking(sample):
    score, quality = sample
    values = evaluate(score, quality, 0.5, predicts_quality=True).values
    unit = ["failure_auroc", "average_precision_failure", "average_precision_success"]
    unit += ["failure_auroc_area", "quality_ece"] if (abs(score) <= 1).all() else []
    for name in [*unit, "fpr_at_95_tpr", "aurc"]:
        assert np.isnan(values[name]) or -1e-12 <= values[name] <= 1 + 1e-12
    for name in ("spearman", "pearson", "kendall"):
        assert np.isnan(values[name]) or abs(values[name]) <= 1 + 1e-12
    assert -1e-12 <= values["augrc"] <= 0.5 + 1e-12
    if len(set(score)) == len(score):
        assert values["e_aurc"] >= -1e-12
    assert np.isnan(values["rmse"]) or values["rmse"] >= values["mae"] - 1e-9
    perfect = evaluate(quality, quality, 0.5, predicts_quality=True)
    expected = {
        "spearman": 1,
        "pearson": 1,
        "kendall": 1,
        "failure_auroc": 1,
        "e_aurc": 0,
        "average_precision_failure": 1,
        "average_precision_success": 1,
        "failure_auroc_area": 1,
        "fpr_at_95_tpr": 0,
        "detection_error_min": 0,
        "detection_error_95": 0,
        "ause": 0,
        "e_augrc": 0,
        "concordance": 1,
        "calibration_slope": 1,
        "quality_ece": 0,
        "bias": 0,
        "naurc": 1,
        "mae": 0,
        "rmse": 0,
        "r2": 1,
    }
    for name, value in expected.items():
        assert name in perfect.reasons or perfect.values[name] == pytest.approx(value, abs=1e-9)


def test_the_trapezoid_flatters_ties_but_not_in_the_generalised_risk():
    quality = np.array([1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    score = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert risk_coverage.e_aurc(score, quality) == pytest.approx(-0.07)
    assert risk_coverage.naurc(score, quality) > 1
    assert risk_coverage.augrc(score, quality) > risk_coverage.augrc(quality, quality)


@given(samples(quality=st.floats(0, 1)))
def test_calibration_errors_lie_between_the_bias_and_the_absolute_error(sample):
    score, quality = sample
    error = calibration.quality_ece(score, quality)
    assert abs(calibration.bias(score, quality)) <= error + 1e-9
    assert error <= regression.mae(score, quality) + 1e-9


@given(samples(quality=st.floats(0, 1)))
def test_concordance_is_never_more_than_correlation(sample):
    score, quality = sample
    agreed, correlated = (
        calibration.concordance(score, quality),
        correlation.pearson(score, quality),
    )
    if not np.isnan(agreed):
        assert abs(agreed) <= (0.0 if np.isnan(correlated) else abs(correlated)) + 1e-9


@given(samples(quality=st.sampled_from([0.0, 1.0])))
def test_detection_errors_are_those_of_the_nearest_points_of_the_curve(sample):
    score, quality = sample
    least = discrimination.detection_error_min(score, quality, 0.5)
    at_95 = discrimination.detection_error_95(score, quality, 0.5)
    accepted = discrimination.fpr_at_95_tpr(score, quality, 0.5)
    if not np.isnan(least):
        assert 0.0 <= least <= min(at_95, 0.5) + 1e-12
        assert accepted / 2 - 1e-12 <= at_95 <= accepted / 2 + 0.025 + 1e-12

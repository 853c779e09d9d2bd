"""Every plain metric against SciPy or scikit-learn, or a definition written out in full."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from dicecast.metrics import calibration, correlation, discrimination, regression, risk_coverage

THRESHOLD = 0.6


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (correlation.spearman, stats.spearmanr),
        (correlation.pearson, stats.pearsonr),
        (correlation.kendall, stats.kendalltau),
    ],
    ids=["spearman", "pearson", "kendall"],
)
def test_correlations(sample, ours, theirs):
    assert ours(*sample) == pytest.approx(theirs(*sample).statistic, abs=1e-9)


def test_kendall_is_the_tau_that_corrects_for_ties():
    first, second = np.array([1.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0, 3.0])
    # Four pairs in order, none out of order, one tie in each: 4 / sqrt(5 * 5).
    assert correlation.kendall(first, second) == pytest.approx(0.8, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e-9, 1e150])
def test_pearson_survives_any_scale(sample, scale):
    score, quality = sample
    assert correlation.pearson(score * scale, quality) == pytest.approx(
        correlation.pearson(score, quality), abs=1e-9
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (regression.mae, sklearn_metrics.mean_absolute_error),
        (regression.rmse, sklearn_metrics.root_mean_squared_error),
        (regression.r2, sklearn_metrics.r2_score),
    ],
    ids=["mae", "rmse", "r2"],
)
def test_errors(sample, ours, theirs):
    score, quality = sample
    assert ours(score, quality) == pytest.approx(theirs(quality, score), abs=1e-9)


def test_auroc(sample):
    score, quality = sample
    expected = sklearn_metrics.roc_auc_score(quality >= THRESHOLD, score)
    ours = discrimination.failure_auroc(score, quality, THRESHOLD)
    assert ours == pytest.approx(expected, abs=1e-9)


def test_average_precision(sample):
    score, quality = sample
    failure = quality < THRESHOLD
    assert discrimination.average_precision_failure(score, quality, THRESHOLD) == pytest.approx(
        sklearn_metrics.average_precision_score(failure, -score), abs=1e-9
    )
    assert discrimination.average_precision_success(score, quality, THRESHOLD) == pytest.approx(
        sklearn_metrics.average_precision_score(~failure, score), abs=1e-9
    )


def test_fpr_at_95_tpr(sample):
    score, quality = sample
    false_rate, true_rate, _ = sklearn_metrics.roc_curve(
        quality >= THRESHOLD, score, drop_intermediate=False
    )
    expected = false_rate[true_rate >= 0.95].min()
    ours = discrimination.fpr_at_95_tpr(score, quality, THRESHOLD)
    assert 0 < expected < 1
    assert ours == pytest.approx(expected, abs=1e-9)


def test_detection_errors(sample):
    score, quality = sample
    false_rate, true_rate, _ = sklearn_metrics.roc_curve(
        quality >= THRESHOLD, score, drop_intermediate=False
    )
    errors = ((1 - true_rate) + false_rate) / 2
    least = discrimination.detection_error_min(score, quality, THRESHOLD)
    assert least == pytest.approx(errors.min(), abs=1e-9)
    success = quality >= THRESHOLD
    distance = stats.ks_2samp(score[success], score[~success]).statistic
    assert least == pytest.approx((1 - distance) / 2, abs=1e-9)
    assert discrimination.detection_error_95(score, quality, THRESHOLD) == pytest.approx(
        errors[np.argmax(true_rate >= 0.95)], abs=1e-9
    )


def test_failure_auroc_area_is_the_mean_of_the_curve(sample):
    score, quality = sample
    curve = [
        sklearn_metrics.roc_auc_score(quality >= threshold, score)
        for threshold in (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
        if len(set(quality >= threshold)) == 2
    ]
    assert len(curve) >= 8
    assert discrimination.failure_auroc_area(score, quality) == pytest.approx(np.mean(curve))


def test_calibration_line(sample):
    line = stats.linregress(*sample)
    assert calibration.calibration_slope(*sample) == pytest.approx(line.slope, abs=1e-9)
    assert calibration.calibration_intercept(*sample) == pytest.approx(line.intercept, abs=1e-9)


def test_concordance_is_correlation_times_accuracy(sample):
    # Lin 1989, equation 4: the bias correction factor from the scale and the location shift.
    score, quality = sample
    scale = score.std() / quality.std()
    shift = (score.mean() - quality.mean()) / np.sqrt(score.std() * quality.std())
    expected = stats.pearsonr(score, quality).statistic * 2 / (scale + 1 / scale + shift**2)
    assert calibration.concordance(score, quality) == pytest.approx(expected, abs=1e-9)


def test_quality_ece_is_that_of_scipy_bins(sample):
    score, quality = sample
    inside = np.clip(score, 0.0, 1.0)
    gaps = stats.binned_statistic(inside, inside - quality, "sum", bins=10, range=(0, 1))
    expected = np.abs(gaps.statistic).sum() / len(score)
    assert calibration.quality_ece(inside, quality) == pytest.approx(expected, abs=1e-9)


def test_fpr_at_95_tpr_takes_the_point_at_exactly_95_percent():
    # 19 of 20 successes lie above the only failure.
    score, quality = np.arange(21.0), np.ones(21)
    quality[1] = 0.0
    assert discrimination.fpr_at_95_tpr(score, quality, 0.5) == 0.0
    quality[[1, 2]] = 1.0, 0.0
    assert discrimination.fpr_at_95_tpr(score, quality, 0.5) == 1.0


def test_a_case_at_the_threshold_does_not_fail():
    score, quality = np.array([1.0, 2.0]), np.array([0.5, 0.9])
    assert np.isnan(discrimination.failure_auroc(score, quality, 0.5))
    assert discrimination.failure_auroc(score, quality, 0.6) == 1.0


def area_by_definition(score, quality, generalised):
    """Integrate the curve threshold by threshold, in words as plain as can be."""
    risk, points = 1 - quality, []
    for threshold in sorted(set(score), reverse=True):
        accepted = risk[score >= threshold]
        points.append(
            (
                len(accepted) / len(risk),
                accepted.sum() / (len(risk) if generalised else len(accepted)),
            )
        )
    points.insert(0, (0.0, 0.0 if generalised else points[0][1]))
    steps = itertools.pairwise(points)
    return sum((right[0] - left[0]) * (left[1] + right[1]) / 2 for left, right in steps)


def test_risk_coverage_areas(sample):
    score, quality = sample
    area = area_by_definition(score, quality, generalised=False)
    best = area_by_definition(quality, quality, generalised=False)
    random = (1 - quality).mean()
    assert risk_coverage.aurc(score, quality) == pytest.approx(area, abs=1e-9)
    assert risk_coverage.e_aurc(score, quality) == pytest.approx(area - best, abs=1e-9)
    assert risk_coverage.naurc(score, quality) == pytest.approx(
        (random - area) / (random - best), abs=1e-9
    )
    generalised = area_by_definition(score, quality, generalised=True)
    assert risk_coverage.augrc(score, quality) == pytest.approx(generalised, abs=1e-9)
    assert risk_coverage.e_augrc(score, quality) == pytest.approx(
        generalised - area_by_definition(quality, quality, generalised=True), abs=1e-9
    )


def test_ause_is_the_area_between_the_kept_quality_of_the_score_and_of_the_oracle():
    # With 2, 1 and 0 of 3 cases referred, and level beyond; the mean risk is .25.
    score, quality = np.array([2.0, 3.0, 1.0]), np.array([0.8, 0.9, 0.55])
    assert risk_coverage.ause(score, quality) == pytest.approx(0.0, abs=1e-12)
    score = np.array([3.0, 1.0, 2.0])
    kept, best = np.array([0.8, 0.675, 0.75]), np.array([0.9, 0.85, 0.75])
    apart = best - kept
    area = apart[0] / 3 + (apart[0] + apart[1]) / 6 + (apart[1] + apart[2]) / 6
    assert risk_coverage.ause(score, quality) == pytest.approx(area / 0.25, abs=1e-12)


def test_risk_coverage_curve_has_one_point_for_each_distinct_score():
    curve = risk_coverage.risk_coverage_curve(
        np.array([1.0, 3.0, 1.0, 2.0]), np.array([0.0, 1.0, 0.5, 0.5])
    )
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5, 1.0])
    np.testing.assert_allclose(curve.selective_risk, [0.0, 0.25, 0.5])
    np.testing.assert_allclose(curve.generalised_risk, [0.0, 0.125, 0.5])


VECTORS = {
    "one failure, last": ([3, 2, 1], [0, 0, 1], 1 / 18, 1 / 18),
    "two ties": ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0], 0.125, 0.125),
    "two ties, other order": ([0, 1, 0, 1, 0, 1], [1, 0, 1, 0, 1, 0], 0.125, 0.125),
    "constant score": ([5, 5, 5, 5], [0.1, 0.2, 0.3, 0.8], 0.35, 0.175),
    "all wrong": (range(50), np.ones(50), 1.0, 0.5),
    "all right": (range(50), np.zeros(50), 0.0, 0.0),
    "linear": (np.linspace(1, 0, 100), np.linspace(0, 1, 100), 0.24750, 0.16583),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_of_risk_coverage(name):
    score, risk, aurc, augrc = VECTORS[name]
    score, quality = np.array(score, float), 1 - np.array(risk, float)
    places = 5e-6 if name == "linear" else 1e-12
    assert risk_coverage.aurc(score, quality) == pytest.approx(aurc, abs=places)
    assert risk_coverage.augrc(score, quality) == pytest.approx(augrc, abs=places)

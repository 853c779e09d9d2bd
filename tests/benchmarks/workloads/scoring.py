"""Scores of cases and every metric of them in resamples: ours, and a loop over the libraries.

The loop does in each resample and for each score what a reader of the libraries' pages would: write
the drawn cases out and call SciPy and scikit-learn. For what neither has, it does in NumPy what the
papers define; what does not depend on the score is computed once a resample.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics

from dicecast.metrics.bootstrap import resample_counts
from dicecast.metrics.resampling.compute import resampled_metrics

Floats = NDArray[np.float64]

THRESHOLD = 0.6

COMPARED = (
    *("spearman", "pearson", "kendall", "failure_auroc", "average_precision_failure"),
    *("average_precision_success", "fpr_at_95_tpr", "aurc", "e_aurc", "naurc", "augrc"),
    *("mae", "rmse", "r2"),
)
"""The metrics that both sides compute."""


class Study(NamedTuple):
    """Scores ``(rows, cases)``, a tenth of them with ties; quality ``(cases,)``; and counts."""

    scores: Floats
    quality: Floats
    counts: NDArray[np.int64]


def study(rows: int = 40, cases: int = 600, resamples: int = 1000) -> Study:
    """Draw a study in which two cases at a time are of one patient."""
    generator = np.random.default_rng(0)
    quality = generator.beta(5.0, 2.0, cases)
    scores = quality + generator.normal(scale=0.2, size=(rows, cases))
    scores[-(rows // 10) :] = scores[-(rows // 10) :].round(1)
    groups = [str(case // 2) for case in range(cases)]
    return Study(scores, quality, resample_counts(groups, resamples, seed=0))


def ours(given: Study, names: tuple[str, ...] = COMPARED) -> dict[str, Floats]:
    """Return each metric, ``(rows, resamples)``."""
    return resampled_metrics(given.scores, given.quality, given.counts, THRESHOLD, names)


def looped(given: Study, resamples: range) -> dict[str, Floats]:
    """Return the same in some of the resamples, one library call after the other."""
    found = [
        [by_libraries(score, quality) for score in scores]
        for scores, quality in (written_out(given, resample) for resample in resamples)
    ]
    return {name: np.array([[row[name] for row in rows] for rows in found]).T for name in COMPARED}


def written_out(given: Study, resample: int) -> tuple[Floats, Floats]:
    """Return the scores and the quality of the cases drawn, each as often as it was."""
    drawn = np.repeat(np.arange(len(given.quality)), given.counts[resample])
    return given.scores[:, drawn], given.quality[drawn]


def by_libraries(score: Floats, quality: Floats) -> dict[str, float]:
    """Return the metrics of one score."""
    success = quality >= THRESHOLD
    false_rate, true_rate, _ = metrics.roc_curve(success, score, drop_intermediate=False)
    area, generalised = areas(score, quality)
    best, random = areas(quality, quality)[0], 1.0 - quality.mean()
    return {
        "spearman": stats.spearmanr(score, quality).statistic,
        "pearson": stats.pearsonr(score, quality).statistic,
        "kendall": stats.kendalltau(score, quality).statistic,
        "failure_auroc": metrics.roc_auc_score(success, score),
        "average_precision_failure": metrics.average_precision_score(~success, -score),
        "average_precision_success": metrics.average_precision_score(success, score),
        "fpr_at_95_tpr": false_rate[true_rate >= 0.95].min(),
        "aurc": area,
        "e_aurc": area - best,
        "naurc": (random - area) / (random - best),
        "augrc": generalised,
        "mae": metrics.mean_absolute_error(quality, score),
        "rmse": metrics.root_mean_squared_error(quality, score),
        "r2": metrics.r2_score(quality, score),
    }


def areas(score: Floats, quality: Floats) -> tuple[float, float]:
    """Return the areas under selective and generalised risk; tied cases are accepted together."""
    _, group = np.unique(-score, return_inverse=True)
    accepted = np.bincount(group).cumsum()
    risk = np.bincount(group, weights=1.0 - quality).cumsum()
    coverage, selective = np.append(0, accepted) / len(score), risk / accepted
    return (
        float(np.trapezoid(np.append(selective[0], selective), coverage)),
        float(np.trapezoid(np.append(0.0, risk) / len(score), coverage)),
    )


def seconds(function: Any, *arguments: Any) -> tuple[float, Any]:
    """Return how long a call took, and its result."""
    begun = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - begun, result

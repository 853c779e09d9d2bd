"""The catalogue of metrics: names, direction, and when each one does not exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics import (
    calibration,
    correlation,
    discrimination,
    regression,
    risk_coverage,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """A score and the truth, ready to be compared.

    Attributes:
        score: ``(cases,)``, high where good.
        quality: ``(cases,)`` in [0, 1].
        threshold: A case fails where its quality is below this.
        predicts_quality: Whether the score is an estimate of the quality, not only a ranking.
    """

    score: Floats
    quality: Floats
    threshold: float
    predicts_quality: bool

    @property
    def n_failures(self) -> int:
        """How many cases fail."""
        return int(np.count_nonzero(self.quality < self.threshold))


Obstacle = Callable[[Sample], str | None]
"""Says why a metric does not exist for a sample, or None."""


class Metric(NamedTuple):
    """A metric, and what keeps it from existing.

    Attributes:
        compute: The number itself.
        higher_is_better: Which way to sort by it.
        obstacles: Checked in order; the first that speaks gives the reason.
    """

    compute: Callable[[Sample], float]
    higher_is_better: bool | None
    obstacles: tuple[Obstacle, ...]


def _no_case(sample: Sample) -> str | None:
    return "no cases" if len(sample.score) == 0 else None


def _too_few(sample: Sample) -> str | None:
    return _no_case(sample) or ("only 1 case" if len(sample.score) == 1 else None)


def _constant_score(sample: Sample) -> str | None:
    return "the score is constant" if np.ptp(sample.score) == 0 else None


def _constant_quality(sample: Sample) -> str | None:
    if np.ptp(sample.quality) == 0:
        return f"every case has the quality {sample.quality[0]:g}"
    return None


def _one_class(sample: Sample) -> str | None:
    if sample.n_failures == 0:
        return f"no case fails below {sample.threshold:g}"
    if sample.n_failures == len(sample.quality):
        return f"every case fails below {sample.threshold:g}"
    return None


def _never_both_classes(sample: Sample) -> str | None:
    least, most = sample.quality.min(), sample.quality.max()
    if any(least < threshold <= most for threshold in discrimination.QUALITY_THRESHOLDS):
        return None
    return "no threshold from 0.5 to 0.95 has both failures and successes"


def _no_risk(sample: Sample) -> str | None:
    return None if np.any(sample.quality < 1.0) else "every case has the quality 1"


def _only_a_ranking(sample: Sample) -> str | None:
    return None if sample.predicts_quality else "the score is a ranking, not an estimate of Dice"


def _pairwise(
    function: Callable[[Floats, Floats], float], higher: bool | None, *obstacles: Obstacle
) -> Metric:
    return Metric(lambda sample: function(sample.score, sample.quality), higher, obstacles)


def _at_threshold(function: Callable[[Floats, Floats, float], float], higher: bool) -> Metric:
    return Metric(
        lambda sample: function(sample.score, sample.quality, sample.threshold),
        higher,
        (_too_few, _one_class),
    )


_VARIES = (_too_few, _constant_score, _constant_quality)
_LINE = (_only_a_ranking, *_VARIES)

METRICS: dict[str, Metric] = {
    "spearman": _pairwise(correlation.spearman, True, *_VARIES),
    "pearson": _pairwise(correlation.pearson, True, *_VARIES),
    "kendall": _pairwise(correlation.kendall, True, *_VARIES),
    "failure_auroc": _at_threshold(discrimination.failure_auroc, True),
    "failure_auroc_area": _pairwise(
        discrimination.failure_auroc_area, True, _too_few, _never_both_classes
    ),
    "average_precision_failure": _at_threshold(discrimination.average_precision_failure, True),
    "average_precision_success": _at_threshold(discrimination.average_precision_success, True),
    "fpr_at_95_tpr": _at_threshold(discrimination.fpr_at_95_tpr, False),
    "detection_error_min": _at_threshold(discrimination.detection_error_min, False),
    "detection_error_95": _at_threshold(discrimination.detection_error_95, False),
    "aurc": _pairwise(risk_coverage.aurc, False, _too_few),
    "e_aurc": _pairwise(risk_coverage.e_aurc, False, _too_few),
    "naurc": _pairwise(risk_coverage.naurc, True, _too_few, _constant_quality),
    "ause": _pairwise(risk_coverage.ause, False, _too_few, _no_risk),
    "augrc": _pairwise(risk_coverage.augrc, False, _too_few),
    "e_augrc": _pairwise(risk_coverage.e_augrc, False, _too_few),
    "mae": _pairwise(regression.mae, False, _only_a_ranking, _no_case),
    "rmse": _pairwise(regression.rmse, False, _only_a_ranking, _no_case),
    "r2": _pairwise(regression.r2, True, _only_a_ranking, _too_few, _constant_quality),
    "concordance": _pairwise(
        calibration.concordance, True, _only_a_ranking, _too_few, _constant_quality
    ),
    "calibration_slope": _pairwise(calibration.calibration_slope, None, *_LINE),
    "calibration_intercept": _pairwise(calibration.calibration_intercept, None, *_LINE),
    "quality_ece": _pairwise(calibration.quality_ece, False, _only_a_ranking, _no_case),
    "bias": _pairwise(calibration.bias, None, _only_a_ranking, _no_case),
}
"""Every metric by name, in the order of a table's columns."""

ESTIMATE_METRICS = tuple(
    name for name, metric in METRICS.items() if _only_a_ranking in metric.obstacles
)
"""The metrics of those scores alone that estimate the quality."""

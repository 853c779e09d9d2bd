"""Every metric of one score, each undefined one with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dicecast.metrics import correlation, discrimination, regression, risk_coverage

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


@dataclass(frozen=True)
class Evaluation:
    """What every metric says of one score.

    Attributes:
        values: One number for each of ``METRICS``, in that order; NaN where undefined.
        reasons: Why, in words, for each NaN; nothing else.
        n: How many cases.
        n_failures: How many of them fail.
        prevalence: ``n_failures / n``; NaN without a case.
        constant: Whether all scores are equal, so that metrics which exist say chance.
    """

    values: dict[str, float]
    reasons: dict[str, str]
    n: int
    n_failures: int
    prevalence: float
    constant: bool


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
    higher_is_better: bool
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


def _only_a_ranking(sample: Sample) -> str | None:
    return None if sample.predicts_quality else "the score is a ranking, not an estimate of Dice"


def _pairwise(
    function: Callable[[Floats, Floats], float], higher: bool, *obstacles: Obstacle
) -> Metric:
    return Metric(lambda sample: function(sample.score, sample.quality), higher, obstacles)


def _at_threshold(function: Callable[[Floats, Floats, float], float], higher: bool) -> Metric:
    return Metric(
        lambda sample: function(sample.score, sample.quality, sample.threshold),
        higher,
        (_too_few, _one_class),
    )


_VARIES = (_too_few, _constant_score, _constant_quality)

METRICS: dict[str, Metric] = {
    "spearman": _pairwise(correlation.spearman, True, *_VARIES),
    "pearson": _pairwise(correlation.pearson, True, *_VARIES),
    "kendall": _pairwise(correlation.kendall, True, *_VARIES),
    "failure_auroc": _at_threshold(discrimination.failure_auroc, True),
    "average_precision_failure": _at_threshold(discrimination.average_precision_failure, True),
    "average_precision_success": _at_threshold(discrimination.average_precision_success, True),
    "fpr_at_95_tpr": _at_threshold(discrimination.fpr_at_95_tpr, False),
    "aurc": _pairwise(risk_coverage.aurc, False, _too_few),
    "e_aurc": _pairwise(risk_coverage.e_aurc, False, _too_few),
    "naurc": _pairwise(risk_coverage.naurc, True, _too_few, _constant_quality),
    "augrc": _pairwise(risk_coverage.augrc, False, _too_few),
    "mae": _pairwise(regression.mae, False, _only_a_ranking, _no_case),
    "rmse": _pairwise(regression.rmse, False, _only_a_ranking, _no_case),
    "r2": _pairwise(regression.r2, True, _only_a_ranking, _too_few, _constant_quality),
}
"""Every metric by name, in the order of a table's columns."""


def evaluate(
    score: ArrayLike, quality: ArrayLike, threshold: float, predicts_quality: bool
) -> Evaluation:
    """Return every metric of one score; an undefined one is NaN with a reason.

    Args:
        score: ``(cases,)``, high where good. NaN marks a case for which the score does not
            exist. Such a case is neither dropped nor given a number: the whole row is NaN.
        quality: ``(cases,)`` in [0, 1], the true quality.
        threshold: A case fails where its quality is below this.
        predicts_quality: Whether the score is an estimate of the quality, so that its error
            (``mae``, ``rmse``, ``r2``) means something.

    Raises:
        ValueError: Shapes differ, a score is infinite, a quality is not in [0, 1], or the
            threshold is NaN.

    Example:
        >>> result = evaluate([1.0, 2.0, 3.0], [0.2, 0.8, 0.9], 0.5, predicts_quality=False)
        >>> result.values["failure_auroc"], result.reasons["mae"]
        (1.0, 'the score is a ranking, not an estimate of Dice')
    """
    sample = _checked(score, quality, threshold, predicts_quality)
    reasons = _reasons(sample)
    n = len(sample.quality)
    return Evaluation(
        values={
            name: float("nan") if name in reasons else metric.compute(sample)
            for name, metric in METRICS.items()
        },
        reasons=reasons,
        n=n,
        n_failures=sample.n_failures,
        prevalence=sample.n_failures / n if n else float("nan"),
        constant=n > 0 and bool(np.ptp(sample.score) == 0),
    )


def _reasons(sample: Sample) -> dict[str, str]:
    undefined = np.count_nonzero(np.isnan(sample.score))
    if undefined:
        return dict.fromkeys(METRICS, f"undefined for {undefined} of {len(sample.score)} cases")
    found = {
        name: next(filter(None, (obstacle(sample) for obstacle in metric.obstacles)), None)
        for name, metric in METRICS.items()
    }
    return {name: reason for name, reason in found.items() if reason}


def _checked(
    score: ArrayLike, quality: ArrayLike, threshold: float, predicts_quality: bool
) -> Sample:
    scores, truth = np.asarray(score, dtype=np.float64), np.asarray(quality, dtype=np.float64)
    if scores.ndim != 1 or scores.shape != truth.shape:
        raise ValueError(
            "Score and quality must be one number for each case; "
            f"got the shapes {scores.shape} and {truth.shape}."
        )
    if np.isinf(scores).any():
        raise ValueError(
            f"A score must be finite; {np.count_nonzero(np.isinf(scores))} of {len(scores)} are "
            "infinite. Mark a score that does not exist for a case with NaN."
        )
    # Written so that NaN, which compares as false, is refused too.
    outside = np.count_nonzero(~((truth >= 0) & (truth <= 1)))
    if outside:
        raise ValueError(
            f"A quality must be a number in [0, 1]; {outside} of {len(truth)} are not. Leave out "
            "cases without a true quality before evaluating."
        )
    if np.isnan(threshold):
        raise ValueError("The threshold on the quality must be a number; got NaN.")
    return Sample(scores, truth, float(threshold), predicts_quality)

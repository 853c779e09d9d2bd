"""Every metric of one score, each undefined one with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dicecast.metrics.catalogue import METRICS, Sample

__all__ = ["METRICS", "Evaluation", "evaluate", "undefined_metrics"]

Floats = NDArray[np.float64]


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
    reasons = undefined_metrics(
        sample.score, sample.quality, sample.threshold, sample.predicts_quality
    )
    values = {
        name: float("nan") if name in reasons else metric.compute(sample)
        for name, metric in METRICS.items()
    }
    for name, value in values.items():
        if np.isnan(value):
            reasons.setdefault(name, "score or quality differs by no more than rounding")
    n = len(sample.quality)
    return Evaluation(
        values=values,
        reasons=reasons,
        n=n,
        n_failures=sample.n_failures,
        prevalence=sample.n_failures / n if n else float("nan"),
        constant=n > 0 and bool(np.ptp(sample.score) == 0),
    )


def undefined_metrics(
    score: Floats, quality: Floats, threshold: float, predicts_quality: bool
) -> dict[str, str]:
    """Return why each metric that does not exist for a score does not.

    Arguments are those of :func:`evaluate`, as arrays; they are not checked.
    """
    missing = int(np.count_nonzero(np.isnan(score)))
    if missing:
        return dict.fromkeys(METRICS, f"undefined for {missing} of {len(score)} cases")
    constant = len(score) == 0 or bool(np.ptp(score) == 0)
    return dict(_reasons(constant, quality.tobytes(), threshold, predicts_quality))


@lru_cache(maxsize=256)
def _reasons(
    constant: bool, quality: bytes, threshold: float, predicts_quality: bool
) -> dict[str, str]:
    """Ask the catalogue once for all scores it says the same of: a leaderboard has thousands."""
    truth = np.frombuffer(quality)
    score = np.zeros(len(truth)) if constant else np.arange(len(truth), dtype=np.float64)
    sample = Sample(score, truth, threshold, predicts_quality)
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

"""How well a score separates failures from successes; one class alone is NaN.

A case fails where its quality is below the threshold. The score is high where good. Tied scores
share one threshold, so no result depends on the order of the cases.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.ranks import doubled_midranks

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class _Accepted(NamedTuple):
    """Positives and negatives at or above each distinct threshold, from the highest score down."""

    positives: NDArray[np.intp]
    negatives: NDArray[np.intp]


def failure_auroc(score: Floats, quality: Floats, threshold: float) -> float:
    """Return the chance that a success scores above a failure, a tie counting one half.

    Args:
        score: ``(cases,)``, high where good.
        quality: ``(cases,)``, the true quality.
        threshold: A case fails where its quality is below this.

    Returns:
        A value in [0, 1], 0.5 for chance; NaN where all or none of the cases fail.

    Source:
        Hanley and McNeil 1982, "The meaning and use of the area under a ROC curve".

    Example:
        >>> failure_auroc(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.9, 0.9]), threshold=0.5)
        1.0
    """
    success = quality >= threshold
    if _one_class(success):
        return float("nan")
    good = np.count_nonzero(success)
    midranks = (doubled_midranks(score) + 1) / 2
    wins = midranks[success].sum() - good * (good + 1) / 2
    return float(wins / (good * (len(success) - good)))


def average_precision_failure(score: Floats, quality: Floats, threshold: float) -> float:
    """Return the average precision of finding failures from the lowest score up.

    Arguments are those of :func:`failure_auroc`.

    Returns:
        A value in [0, 1]; chance is the prevalence of failures. NaN where all or none fail.

    Source:
        Davis and Goadrich 2006, "The relationship between precision-recall and ROC curves";
        the step sum, not the trapezoid, which is too optimistic.
    """
    return _average_precision(quality < threshold, -score)


def average_precision_success(score: Floats, quality: Floats, threshold: float) -> float:
    """Return the average precision of finding successes from the highest score down.

    Arguments, result and source are those of :func:`average_precision_failure`; chance is the
    prevalence of successes.
    """
    return _average_precision(quality >= threshold, score)


def fpr_at_95_tpr(score: Floats, quality: Floats, threshold: float) -> float:
    """Return the share of failures accepted when at least 95 % of the successes are.

    Arguments are those of :func:`failure_auroc`.

    Returns:
        The least share, in [0, 1], over the points of the ROC curve with a true positive rate
        of at least 0.95; 1 for a constant score. NaN where all or none fail.

    Source:
        DeVries and Taylor 2018, "Learning confidence for out-of-distribution detection"; the
        ROC points are not interpolated.
    """
    success = quality >= threshold
    if _one_class(success):
        return float("nan")
    accepted = _accepted(success, score)
    enough = accepted.positives / accepted.positives[-1] >= 0.95
    return float((accepted.negatives[enough] / accepted.negatives[-1]).min())


def _average_precision(positive: Flags, score: Floats) -> float:
    if _one_class(positive):
        return float("nan")
    accepted = _accepted(positive, score)
    precision = accepted.positives / (accepted.positives + accepted.negatives)
    gained = np.diff(accepted.positives, prepend=0)
    return float(gained @ precision / accepted.positives[-1])


def _accepted(positive: Flags, score: Floats) -> _Accepted:
    order = np.argsort(-score, kind="stable")
    last_of_ties = np.append(np.diff(score[order]) != 0, True)
    positives = np.cumsum(positive[order])[last_of_ties]
    return _Accepted(positives, np.flatnonzero(last_of_ties) + 1 - positives)


def _one_class(flags: Flags) -> bool:
    return len(flags) == 0 or bool(flags.all() or not flags.any())

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


QUALITY_THRESHOLDS = tuple(step / 20 for step in range(10, 20))
"""The thresholds on the quality of :func:`failure_auroc_area`: 0.5, 0.55, ..., 0.95."""


class _Accepted(NamedTuple):
    """Positives and negatives at or above each distinct threshold, from the highest score down."""

    positives: NDArray[np.intp]
    negatives: NDArray[np.intp]


class _Rates(NamedTuple):
    """The ROC curve: shares of successes and of failures accepted, ``(distinct,)`` each."""

    true_rate: Floats
    false_rate: Floats


class _Point(NamedTuple):
    """A point of the ROC curve."""

    true_rate: float
    false_rate: float


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


def failure_auroc_area(score: Floats, quality: Floats) -> float:
    """Return the mean of the failure AUROC over the thresholds 0.5, 0.55, ..., 0.95.

    So it does not hang on the one threshold that a suite calls a failure.

    Args:
        score: ``(cases,)``, high where good.
        quality: ``(cases,)``, the true quality.

    Returns:
        A value in [0, 1], 0.5 for chance, over those thresholds that have failures and successes;
        NaN where none has.

    Source:
        The thresholds are those of the COCO detection challenge (Lin et al. 2014), used for Dice
        because any single one is arbitrary.
    """
    curve = [failure_auroc(score, quality, threshold) for threshold in QUALITY_THRESHOLDS]
    defined = [area for area in curve if not np.isnan(area)]
    return float(np.mean(defined)) if defined else float("nan")


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
    return _at_95_tpr(score, quality, threshold).false_rate


def detection_error_min(score: Floats, quality: Floats, threshold: float) -> float:
    """Return the error of the best threshold on the score, were both classes equally common.

    Arguments are those of :func:`failure_auroc`.

    Returns:
        The least mean of the share of successes refused and of failures accepted, in [0, 0.5]; 0.5
        for a constant score. It is (1 - Youden's J) / 2. NaN where all or none fail.

    Source:
        Liang et al. 2018 (ODIN), "Enhancing the reliability of out-of-distribution image
        detection"; DeVries and Taylor 2018, "Learning confidence".
    """
    success = quality >= threshold
    if _one_class(success):
        return float("nan")
    rates = _rates(success, score)
    return float((((1.0 - rates.true_rate) + rates.false_rate) / 2.0).min())


def detection_error_95(score: Floats, quality: Floats, threshold: float) -> float:
    """Return the error of the first threshold that accepts at least 95 % of the successes.

    Arguments are those of :func:`failure_auroc`.

    Returns:
        The mean of the share of successes refused and of failures accepted there, in [0, 0.525];
        0.5 for a constant score. NaN where all or none fail.

    Source:
        Gonzalez et al. 2021, "Detecting when pre-trained nnU-Net models fail silently for Covid-19
        lung lesion segmentation"; Zenk et al. 2025. The threshold is of the cases themselves, as in
        Zenk.
    """
    point = _at_95_tpr(score, quality, threshold)
    return ((1.0 - point.true_rate) + point.false_rate) / 2.0


def _at_95_tpr(score: Floats, quality: Floats, threshold: float) -> _Point:
    success = quality >= threshold
    if _one_class(success):
        return _Point(float("nan"), float("nan"))
    rates = _rates(success, score)
    first = np.argmax(rates.true_rate >= 0.95)
    return _Point(float(rates.true_rate[first]), float(rates.false_rate[first]))


def _rates(success: Flags, score: Floats) -> _Rates:
    accepted = _accepted(success, score)
    return _Rates(
        accepted.positives / accepted.positives[-1], accepted.negatives / accepted.negatives[-1]
    )


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

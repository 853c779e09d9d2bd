"""The metrics under bootstrap counts: every score in every resample, without repeating a case.

Each function gives ``(rows, resamples)`` and agrees with the plain metric on the cases repeated
as often as counted, ties included; undefined is NaN. Resamples are worked through in blocks that
fit in a processor's cache, several at a time, which changes no number.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dicecast.metrics import resampled
from dicecast.metrics.resampled import Prepare
from dicecast.metrics.tie_groups import Order

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_BLOCK = 64
_THREADS = min(os.cpu_count() or 1, 8)

UNDER_COUNTS: dict[str, Callable[[float], Prepare]] = {
    "spearman": lambda _: resampled.spearman,
    "pearson": lambda _: resampled.pearson,
    "failure_auroc": lambda threshold: partial(resampled.failure_auroc, threshold),
    "aurc": lambda _: resampled.aurc,
    "e_aurc": lambda _: resampled.e_aurc,
    "naurc": lambda _: resampled.naurc,
    "augrc": lambda _: resampled.augrc,
    "mae": lambda _: resampled.mae,
    "rmse": lambda _: resampled.rmse,
}
"""Metrics that can be bootstrapped, by the names of ``dicecast.metrics.evaluate.METRICS``."""


def metric_under(
    name: str, scores: ArrayLike, quality: ArrayLike, counts: Counts, threshold: float = np.nan
) -> Floats:
    """Return one metric of every row in every resample.

    Args:
        name: One of ``UNDER_COUNTS``.
        scores: ``(rows, cases)``, high where good. A row with a NaN gives a row of NaN.
        quality: ``(cases,)``, or ``(rows, cases)``; rows that share a quality are quicker.
        counts: ``(resamples, cases)``, as of ``dicecast.metrics.bootstrap.resample_counts``.
        threshold: A case fails where its quality is below this; only ``failure_auroc`` reads it.

    Returns:
        ``(rows, resamples)``, NaN where a metric is undefined.

    Raises:
        ValueError: Shapes do not fit, a score is infinite, or a quality is not finite.
        KeyError: There is no such metric.

    Example:
        >>> counts = np.array([[1, 1, 1], [2, 0, 1]])
        >>> metric_under("spearman", [[1.0, 2.0, 3.0]], [0.1, 0.3, 0.2], counts)
        array([[0.5, 1. ]])
    """
    table = np.asarray(scores, dtype=np.float64)
    truth = np.asarray(quality, dtype=np.float64)
    _check(table, truth, counts)
    prepare = UNDER_COUNTS[name](threshold)
    families = _families(table, np.broadcast_to(truth, table.shape))
    result = np.full((len(table), len(counts)), np.nan)

    def fill(start: int) -> None:
        block = np.ascontiguousarray(counts[start : start + _BLOCK].T, dtype=np.float64)
        for shared, rows in families:
            statistic = prepare(shared, block)
            for row, order in rows.items():
                result[row, start : start + _BLOCK] = statistic(order)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(fill, range(0, len(counts), _BLOCK)))
    return result


def _families(scores: Floats, quality: Floats) -> list[tuple[Order, dict[int, Order]]]:
    """Bring rows of one quality together, so that its ranks are computed once a resample."""
    families: dict[bytes, tuple[Order, dict[int, Order]]] = {}
    defined = ~np.isnan(scores).any(axis=1) & (scores.shape[1] > 0)
    for row in np.flatnonzero(defined).tolist():
        key = quality[row].tobytes()
        if key not in families:
            families[key] = (Order.of(quality[row]), {})
        families[key][1][row] = Order.of(scores[row])
    return list(families.values())


def _check(scores: Floats, quality: Floats, counts: Counts) -> None:
    shapes = (scores.shape, scores.shape[-1:])
    if scores.ndim != 2 or quality.shape not in shapes or counts.shape[1:] != scores.shape[1:]:
        raise ValueError(
            "Scores must be (rows, cases), quality (cases,) or (rows, cases) and counts "
            f"(resamples, cases); got {scores.shape}, {quality.shape} and {counts.shape}."
        )
    if np.isinf(scores).any() or not np.isfinite(quality).all():
        raise ValueError(
            "Scores must not be infinite and every quality must be finite. Mark a score that "
            "does not exist with NaN, and leave out cases without a true quality."
        )

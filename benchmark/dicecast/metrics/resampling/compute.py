"""Every metric of many scores in many bootstrap resamples."""

from __future__ import annotations

from collections.abc import Iterable, Set
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dicecast.metrics.catalogue import METRICS, Sample
from dicecast.metrics.resampling.acceptance import Acceptance, Paths
from dicecast.metrics.resampling.block import Block, Judged, Scratch, Truth
from dicecast.metrics.resampling.calibration import CALIBRATION_METRICS, Calibration
from dicecast.metrics.resampling.kendall import kendall
from dicecast.metrics.resampling.moments import MOMENT_METRICS, Moments
from dicecast.metrics.resampling.rank_metrics import RANK_METRICS
from dicecast.metrics.resampling.shared import Shared

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Counts = NDArray[np.int64]

# Cases times resamples worked on at once: larger no longer fits in a processor's cache, smaller
# is spent on calling functions.
_BLOCK_ELEMENTS = 40_000
_LEAST_WIDTH = 32
# Scores times cases prepared at once; a few hundred bytes each.
_PREPARED = 400_000


def resampled_metrics(
    scores: ArrayLike,
    quality: ArrayLike,
    counts: Counts,
    threshold: float,
    names: Iterable[str] = tuple(METRICS),
) -> dict[str, Floats]:
    """Return metrics of every score in every resample.

    Each number is that of ``dicecast.metrics.evaluate`` for the cases repeated as often as counted,
    up to the rounding of sums, ties included. A resample that counts each case once gives the
    metrics of the cases as they are.

    Args:
        scores: ``(rows, cases)``, high where good. A score with a NaN gives a row of NaN.
        quality: ``(cases,)`` in [0, 1].
        counts: ``(resamples, cases)``, as of ``dicecast.metrics.bootstrap.resample_counts``.
        threshold: A case fails where its quality is below this.
        names: Which of ``METRICS``; those left out cost nothing.

    Returns:
        ``(rows, resamples)`` for each name, NaN where a metric is undefined. The errors ``mae``,
        ``rmse`` and ``r2`` are meaningful for scores that estimate the quality only.

    Raises:
        ValueError: Shapes do not fit, a score is infinite, a quality is not in [0, 1], the
            threshold is NaN, or there is no such metric.

    Example:
        >>> counts = np.array([[1, 1, 1], [2, 0, 1]])
        >>> metrics = resampled_metrics([[1.0, 2.0, 3.0]], [0.1, 0.3, 0.2], counts, 0.2)
        >>> metrics["spearman"], metrics["failure_auroc"]
        (array([[0.5, 1. ]]), array([[1., 1.]]))
    """
    wanted = tuple(names)
    table, truth = np.asarray(scores, dtype=np.float64), np.asarray(quality, dtype=np.float64)
    _check(table, truth, counts, threshold, wanted)
    result = {name: np.full((len(table), len(counts)), np.nan) for name in wanted}
    usable = np.flatnonzero(~np.isnan(table).any(axis=1))
    if counts.size and len(usable):
        _fill(result, usable, table, Truth(truth, threshold), counts)
    return result


def _fill(
    result: dict[str, Floats], usable: Indices, table: Floats, truth: Truth, counts: Counts
) -> None:
    ordered = counts[:, truth.order]
    cases = len(truth.order)
    width = min(max(_BLOCK_ELEMENTS // cases, _LEAST_WIDTH), len(counts))
    parts = [slice(start, start + width) for start in range(0, len(counts), width)]
    for rows in np.array_split(usable, -(-len(usable) * cases // _PREPARED)):
        scores = table[np.ix_(rows, truth.order)]
        if "kendall" in result:
            result["kendall"][rows] = kendall(scores, truth, ordered)
        together = max(_BLOCK_ELEMENTS // (cases * width), 1)
        metrics = _BlockMetrics(scores, truth, result.keys() - {"kendall"}, together)
        for part in parts:
            block = Block(ordered[part], truth)
            for name, judged in metrics.of(block).items():
                _settle(name, judged, scores, block)
                result[name][rows, part] = judged.values


class _BlockMetrics:
    """Scores made ready to have some metrics computed in one block of resamples after the other."""

    def __init__(self, scores: Floats, truth: Truth, names: Set[str], together: int) -> None:
        self._rows = len(scores)
        self._ranks = {name: RANK_METRICS[name] for name in names & RANK_METRICS.keys()}
        self._sums = {take for metric in self._ranks.values() for take in metric.sums}
        self._paths = Paths.of(scores, truth, together) if self._ranks else []
        moments, calibration = Moments(scores, truth), Calibration(scores, truth)
        self._values = {
            name: partial(MOMENT_METRICS[name], moments) for name in names & MOMENT_METRICS.keys()
        } | {
            name: partial(CALIBRATION_METRICS[name], calibration)
            for name in names & CALIBRATION_METRICS.keys()
        }
        self._scratch = Scratch()

    def of(self, block: Block) -> dict[str, Judged]:
        """Return each metric, ``(rows, resamples)``."""
        shared = Shared(block)
        sums = {take: np.empty((self._rows, len(block.total))) for take in self._sums}
        for rows, paths in self._paths:
            taken = Acceptance(paths, block, self._scratch)
            for take, numbers in sums.items():
                numbers[rows] = take(taken, shared)
        ranked = {
            name: Judged(
                metric.finish(shared, *(sums[take] for take in metric.sums)),
                metric.doubtful(shared),
            )
            for name, metric in self._ranks.items()
        }
        return ranked | {name: find(block) for name, find in self._values.items()}


def _settle(name: str, judged: Judged, scores: Floats, block: Block) -> None:
    """Let the plain metric, of the cases written out, decide where rounding might have."""
    if not judged.doubtful.any():
        return
    doubtful = np.broadcast_to(judged.doubtful, judged.values.shape)
    for row, resample in np.argwhere(doubtful):
        drawn = block.counts[:, resample].astype(np.intp)
        score, quality = np.repeat(scores[row], drawn), np.repeat(block.truth.quality, drawn)
        sample = Sample(score, quality, block.truth.threshold, predicts_quality=True)
        judged.values[row, resample] = METRICS[name].compute(sample)


def _check(
    scores: Floats, quality: Floats, counts: Counts, threshold: float, names: tuple[str, ...]
) -> None:
    if scores.ndim != 2 or quality.shape != scores.shape[1:] or counts.shape[1:] != quality.shape:
        raise ValueError(
            "Scores must be (rows, cases), quality (cases,) and counts (resamples, cases); "
            f"got {scores.shape}, {quality.shape} and {counts.shape}."
        )
    if np.isinf(scores).any() or not ((quality >= 0.0) & (quality <= 1.0)).all():
        raise ValueError(
            "Scores must not be infinite and every quality must be a number in [0, 1]. Mark a "
            "score that does not exist with NaN, and leave out cases without a true quality."
        )
    if np.isnan(threshold):
        raise ValueError("The threshold on the quality must be a number; got NaN.")
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ValueError(f"There is no metric {unknown[0]!r}; there are {', '.join(METRICS)}.")

"""How the aggregations of an estimator do on the quality role, where no head is fitted to them."""

from __future__ import annotations

import numpy as np

from dicecast.harness.predicting import PredictedRole
from dicecast.metrics.resampling.compute import resampled_metrics
from dicecast.records import ON_QUALITY, true_quality

NO_THRESHOLD = 0.0
"""None of ``ON_QUALITY`` reads it: a stored record is used again under another threshold."""


def on_quality(role: PredictedRole) -> dict[str, dict[str, float | None]]:
    """Return the metrics ``ON_QUALITY`` of every aggregation on the quality role.

    Args:
        role: The quality role, segmented by the estimator.

    Returns:
        By score and metric; None where a metric is undefined.
    """
    scores = role.evidence.scores
    values = scores.to_numpy(dtype=np.float64).T
    # A score that is not finite for a case is refused when a leaderboard is made of it.
    values = np.where(np.isfinite(values), values, np.nan)
    once = np.ones((1, len(scores)), dtype=np.int64)
    found = resampled_metrics(values, true_quality(role.facts), once, NO_THRESHOLD, ON_QUALITY)
    return {
        str(score): {
            metric: None if np.isnan(numbers[row, 0]) else float(numbers[row, 0])
            for metric, numbers in found.items()
        }
        for row, score in enumerate(scores.columns)
    }

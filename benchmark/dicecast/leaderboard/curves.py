"""Curves of the score that stands for each estimator: risk over coverage, AUROC over thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.data.cases import IN_DISTRIBUTION
from dicecast.leaderboard.choice import chosen_rows
from dicecast.leaderboard.collect import Run, domains, in_order
from dicecast.metrics.bootstrap import interval, resample_counts
from dicecast.metrics.discrimination import QUALITY_THRESHOLDS
from dicecast.metrics.resampling.compute import resampled_metrics
from dicecast.records import Record

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

COVERAGE = np.linspace(0.0, 1.0, 101)
"""The shares of accepted cases at which risks are given."""


class Band(NamedTuple):
    """A curve with its interval, ``(points,)`` each; NaN where undefined."""

    middle: Floats
    low: Floats
    high: Floats


class Curves(NamedTuple):
    """The curves of one estimator on the in-distribution test set, means over its seeds.

    Attributes:
        estimator: Its label.
        score: The aggregation that is chosen for it.
        risk: Mean risk of the accepted cases at ``COVERAGE``.
        best_risk: The same, were the cases accepted by their true quality, ``(points,)``.
        random_risk: The same for a random order: the mean risk.
        auroc: Failure AUROC at ``QUALITY_THRESHOLDS``.
    """

    estimator: str
    score: str
    risk: Band
    best_risk: Floats
    random_risk: float
    auroc: Band


def chosen_curves(records: Sequence[Record], table: pd.DataFrame) -> list[Curves]:
    """Return the curves of the chosen scores, in the order of their ranks.

    Args:
        records: Of one suite.
        table: Their leaderboard.

    Returns:
        One for each estimator that has a chosen score which is defined for all cases; none without
        an in-distribution test set.
    """
    ordered = in_order(records)
    settings = ordered[0].sidecar.bootstrap
    inside = domains(ordered)[0]
    if inside.name != IN_DISTRIBUTION:
        return []
    drawn = resample_counts(
        inside.groups.tolist(), int(settings["resamples"]), int(settings["seed"])
    )
    counts = np.concatenate([np.ones((1, drawn.shape[1]), np.int64), drawn])
    rows = chosen_rows(table[table["domain"] == IN_DISTRIBUTION])
    chosen = zip(rows["estimator"], rows["score"], strict=True)
    held = {
        name: [run for run in inside.runs if run.estimator == name] for name in rows["estimator"]
    }
    return [
        _curves(held[name], score, counts, float(settings["level"]))
        for name, score in chosen
        if not any(np.isnan(_scores(run, score)).any() for run in held[name])
    ]


def risks_at_coverage(score: Floats, quality: Floats, counts: Counts) -> Floats:
    """Return the mean risk of the accepted cases in every resample.

    Cases are accepted from the highest score down, tied ones together; between two distinct scores
    the risk is that of the line between their points, and before the first it is level, as in
    ``dicecast.metrics.risk_coverage.aurc``.

    Args:
        score: ``(cases,)``, high where good.
        quality: ``(cases,)`` in [0, 1].
        counts: ``(resamples, cases)``, none of which is empty.

    Returns:
        ``(resamples, points)``, at ``COVERAGE``.
    """
    order = np.lexsort((quality, -score))
    last_of_ties = np.diff(score[order], append=-np.inf) != 0
    drawn = counts[:, order]
    accepted = np.cumsum(drawn, axis=1)[:, last_of_ties]
    risk = np.cumsum(drawn * (1.0 - quality[order]), axis=1)[:, last_of_ties]
    risk /= np.maximum(accepted, 1)
    coverage = accepted / accepted[:, -1:]
    return np.stack([_at(COVERAGE, *points) for points in zip(coverage, risk, strict=True)])


def _at(wanted: Floats, coverage: Floats, risk: Floats) -> Floats:
    start = np.argmax(coverage > 0.0)
    found: Floats = np.interp(wanted, coverage[start:], risk[start:])
    return found


def _curves(runs: Sequence[Run], score: str, counts: Counts, level: float) -> Curves:
    risks = [risks_at_coverage(_scores(run, score), run.quality, counts) for run in runs]
    best = [risks_at_coverage(run.quality, run.quality, counts[:1])[0] for run in runs]
    aurocs = [np.stack(list(_aurocs(run, score, counts)), axis=1) for run in runs]
    return Curves(
        runs[0].estimator,
        score,
        _band(np.mean(risks, axis=0), level),
        np.mean(best, axis=0),
        float(np.mean([1.0 - run.quality.mean() for run in runs])),
        _band(np.mean(aurocs, axis=0), level),
    )


def _aurocs(run: Run, score: str, counts: Counts) -> Iterator[Floats]:
    values = _scores(run, score)[np.newaxis]
    for threshold in QUALITY_THRESHOLDS:
        found = resampled_metrics(values, run.quality, counts, threshold, ["failure_auroc"])
        yield found["failure_auroc"][0]


def _scores(run: Run, score: str) -> Floats:
    values: Floats = run.scores[run.names.index(score)]
    return values


def _band(samples: Floats, level: float) -> Band:
    """Return the first row, the cases as they are, and the interval of the others."""
    ends = np.array([interval(column, level)[:2] for column in samples[1:].T])
    return Band(samples[0], ends[:, 0], ends[:, 1])

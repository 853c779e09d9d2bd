"""The leaderboard: one row a domain, estimator and score, from the records alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.leaderboard.collect import Domain, Run, domains, in_order
from dicecast.leaderboard.points import point_metrics, reasons
from dicecast.leaderboard.ranking import rank
from dicecast.leaderboard.resamples import INTERVAL_METRICS, interval_samples
from dicecast.metrics.bootstrap import UNDEFINED_ALLOWED, interval, resample_counts
from dicecast.metrics.catalogue import METRICS
from dicecast.records import Record

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

KEYS = ("suite", "domain", "estimator", "score")
"""What makes a row one of a kind."""

COLUMNS = (
    *(*KEYS, "rank", "rank_high", "seeds", "n", "n_failures", "prevalence", "mean_dice"),
    *(
        column
        for name in METRICS
        for column in (
            (name, f"{name}_low", f"{name}_high") if name in INTERVAL_METRICS else (name,)
        )
    ),
    *("status", "reason"),
)
"""The columns of the leaderboard, in order."""


@dataclass(frozen=True)
class _Settings:
    suite: str
    threshold: float
    resamples: int
    seed: int
    level: float


@dataclass(frozen=True)
class _Evaluated:
    """A run with its numbers: points by metric ``(scores,)``, samples ``(scores, resamples)``."""

    run: Run
    points: dict[str, Floats]
    samples: dict[str, Floats]


@dataclass(frozen=True)
class _Row:
    """A row of the table, and its Spearman correlation in each resample."""

    cells: dict[str, object]
    samples: Floats


def build_leaderboard(records: Iterable[Record]) -> pd.DataFrame:
    """Return the leaderboard of one suite; the order of records and of cases changes nothing.

    Every metric is the mean over the seeds of an estimator. ``*_low`` and ``*_high`` are the ends
    of the percentile interval of that mean over a paired bootstrap of groups of cases: all rows and
    seeds of a domain share the resamples. A metric that is undefined in one seed is NaN, never the
    mean of the others, and ``reason`` says why.

    ``rank`` is by Spearman's correlation within a domain: 1 + the number of rows whose paired
    difference is significant and in their favour; rows that cannot be told apart may share it.
    ``rank_high`` is the number of rows that are not significantly worse, the other end of the rank.
    Rows without a correlation come last.

    ``status`` is "failed" where a run or a head raised, "undefined" where no metric exists, and
    "ok" otherwise. A failed estimator is one row in each domain, with ``score`` empty.

    Args:
        records: Of one suite.

    Returns:
        The ``COLUMNS``; in-distribution rows first, then by domain, rank, and falling correlation.

    Raises:
        DicecastError: There is no record, or some do not belong in one table; see
            ``dicecast.leaderboard.collect``.
    """
    ordered = in_order(records)
    first = ordered[0].sidecar
    settings = _Settings(
        first.suite,
        first.failure_threshold,
        int(first.bootstrap.get("resamples", 1000)),
        int(first.bootstrap.get("seed", 0)),
        float(first.bootstrap.get("level", 0.95)),
    )
    tables = [_domain_table(domain, settings) for domain in domains(ordered)]
    return pd.concat(tables, ignore_index=True)


def _domain_table(domain: Domain, settings: _Settings) -> pd.DataFrame:
    counts = resample_counts(domain.groups.tolist(), settings.resamples, settings.seed)
    rows: list[_Row] = []
    for estimator in sorted({run.estimator for run in domain.runs}):
        runs = [run for run in domain.runs if run.estimator == estimator]
        rows += _estimator_rows(runs, counts, settings)
    table = pd.DataFrame([row.cells for row in rows])
    ranking = rank(
        table["spearman"].to_numpy(np.float64),
        np.stack([row.samples for row in rows]),
        settings.level,
    )
    table = table.assign(
        suite=settings.suite,
        domain=domain.name,
        n=len(domain.groups),
        rank=ranking.best,
        rank_high=ranking.worst,
    )
    # Rounded, so that correlations that differ by rounding alone are put in order by name.
    table["order"] = -table["spearman"].round(9)
    by = ["rank", "order", "estimator", "score"]
    return table.sort_values(by, kind="stable")[list(COLUMNS)]


def _estimator_rows(runs: Sequence[Run], counts: Counts, settings: _Settings) -> list[_Row]:
    errors = {run.seed: run.error for run in runs if run.error}
    known = sorted({name for run in runs for name in (*run.names, *run.missing)})
    failed = [_failed_row(runs, name, errors, settings) for name in known or [""]]
    if errors:
        return failed
    evaluated = [_evaluate(run, counts, settings) for run in runs]
    return [_score_row(name, evaluated, settings) for name in known]


def _failed_row(
    runs: Sequence[Run], name: str, errors: dict[int, str], settings: _Settings
) -> _Row:
    cells = _blank(runs, name) | {"status": "failed", "reason": _by_seed(errors, len(runs))}
    return _Row(cells, np.full(settings.resamples, np.nan))


def _blank(runs: Sequence[Run], name: str) -> dict[str, object]:
    missing = dict.fromkeys(COLUMNS, float("nan"))
    return {
        **missing,
        "estimator": runs[0].estimator,
        "score": name,
        "seeds": len(runs),
        "status": "ok",
        "reason": "",
    }


def _evaluate(run: Run, counts: Counts, settings: _Settings) -> _Evaluated:
    points = point_metrics(run.scores, run.quality, settings.threshold, run.predicts_quality)
    samples = {
        metric: np.full((len(run.names), settings.resamples), np.nan) for metric in INTERVAL_METRICS
    }
    usable = np.isfinite(run.scores).all(axis=1)
    found = interval_samples(run.scores[usable], run.quality, counts, settings.threshold)
    for metric, numbers in found.items():
        samples[metric][usable] = numbers
    return _Evaluated(run, points, samples)


def _score_row(name: str, evaluated: Sequence[_Evaluated], settings: _Settings) -> _Row:
    runs = [each.run for each in evaluated]
    failures = [np.count_nonzero(run.quality < settings.threshold) for run in runs]
    cells = _blank(runs, name)
    cells["n_failures"] = float(np.mean(failures))
    cells["prevalence"] = float(np.mean(failures)) / max(len(runs[0].quality), 1)
    cells["mean_dice"] = float(np.mean([run.quality.mean() for run in runs]))
    why = _reasons(name, runs, settings.threshold)
    samples = {}
    for metric in METRICS:
        values = [_point(each, metric, name) for each in evaluated]
        cells[metric] = float(np.mean(values))
        if np.isnan(values).any():
            why.setdefault(metric, "the qualities differ by no more than rounding")
    for metric in INTERVAL_METRICS:
        samples[metric] = _mean_samples(evaluated, metric, name, settings.resamples)
        low, high = _interval(samples[metric], metric in why, settings.level)
        cells |= {f"{metric}_low": low, f"{metric}_high": high}
        if metric not in why and np.isnan(low):
            share = f"{UNDEFINED_ALLOWED:.0%}".replace("%", " %")
            why[f"interval of {metric}"] = f"undefined in more than {share} of the resamples"
    cells["reason"] = _joined(why)
    if all(metric in why for metric in METRICS):
        cells["status"] = "failed" if any(name in run.broken for run in runs) else "undefined"
    return _Row(cells, samples["spearman"])


def _point(evaluated: _Evaluated, metric: str, name: str) -> float:
    run = evaluated.run
    if name not in run.names:
        return float("nan")
    return float(evaluated.points[metric][run.names.index(name)])


def _mean_samples(
    evaluated: Sequence[_Evaluated], metric: str, name: str, resamples: int
) -> Floats:
    if any(name not in each.run.names for each in evaluated):
        return np.full(resamples, np.nan)
    rows = [each.samples[metric][each.run.names.index(name)] for each in evaluated]
    mean: Floats = np.mean(rows, axis=0)
    return mean


def _interval(samples: Floats, undefined: bool, level: float) -> tuple[float, float]:
    if undefined:
        return float("nan"), float("nan")
    low, high, _ = interval(samples, level)
    return low, high


def _reasons(name: str, runs: Sequence[Run], threshold: float) -> dict[str, str]:
    """Return why each metric is undefined, for those that are in at least one seed."""
    found: dict[str, dict[int, str]] = {}
    for run in runs:
        for metric, reason in _run_reasons(name, run, threshold).items():
            found.setdefault(metric, {})[run.seed] = reason
    return {metric: _by_seed(by_seed, len(runs)) for metric, by_seed in found.items()}


def _run_reasons(name: str, run: Run, threshold: float) -> dict[str, str]:
    if name not in run.names:
        return dict.fromkeys(METRICS, run.missing.get(name, "no such score in the record"))
    place = run.names.index(name)
    return reasons(run.scores[place], run.quality, threshold, bool(run.predicts_quality[place]))


def _by_seed(texts: dict[int, str], seeds: int) -> str:
    """Join reasons; seeds are named unless all give the same reason."""
    if len(texts) == seeds and len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    named: dict[str, list[str]] = {}
    for seed, text in sorted(texts.items()):
        named.setdefault(text, []).append(str(seed))
    return "; ".join(f"seed {', '.join(held)}: {text}" for text, held in named.items())


def _joined(why: dict[str, str]) -> str:
    """Join the reasons, each once with the metrics it holds for; none named means all."""
    held: dict[str, list[str]] = {}
    for metric, reason in why.items():
        held.setdefault(reason, []).append(metric)
    if len(held) == 1 and all(metric in why for metric in METRICS):
        return next(iter(held))
    return "; ".join(f"{', '.join(metrics)}: {reason}" for reason, metrics in held.items())

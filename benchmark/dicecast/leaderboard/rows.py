"""The rows of one estimator in one domain: means over its seeds, intervals and reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.leaderboard.collect import Run
from dicecast.metrics.bootstrap import interval
from dicecast.metrics.catalogue import ESTIMATE_METRICS
from dicecast.metrics.evaluate import METRICS, undefined_metrics
from dicecast.metrics.resampling.compute import resampled_metrics
from dicecast.records import ON_QUALITY

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Cells = dict[str, object]

INTERVAL_METRICS = ("spearman", "failure_auroc", "aurc")
"""The metrics that have an interval in the leaderboard."""

KEYS = ("suite", "domain", "estimator", "score")
"""What makes a row one of a kind."""

COLUMNS = (
    *(*KEYS, "kind", "rank", "rank_high", "chosen_rank", "chosen_rank_high"),
    *("seeds", "n", "n_failures", "prevalence", "mean_dice"),
    *(f"{name}_on_quality" for name in ON_QUALITY),
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
class Settings:
    """What all records of a leaderboard share.

    Attributes:
        suite: Its name.
        threshold: A case fails where its Dice is below this.
        resamples: How many resamples the intervals are from.
        seed: Of the resamples.
        level: Coverage of the intervals.
        intervals: The metrics to give one for; any other is NaN, and is not computed.
    """

    suite: str
    threshold: float
    resamples: int
    seed: int
    level: float
    intervals: tuple[str, ...] = INTERVAL_METRICS


class EstimatorRows(NamedTuple):
    """Rows of the table, but for what is the domain's, and what they are ranked by.

    Attributes:
        cells: One for each row.
        samples: ``(rows, resamples)``, Spearman's correlation in each resample.
    """

    cells: list[Cells]
    samples: Floats


def estimator_rows(runs: Sequence[Run], counts: Counts, settings: Settings) -> EstimatorRows:
    """Return one row for each score of an estimator in one domain.

    Args:
        runs: One a seed.
        counts: ``(resamples, cases)``, shared by all estimators.
        settings: Of the leaderboard.

    Returns:
        The rows by name of score. If a run failed, every row is failed: a mean over the remaining
        seeds would not be comparable.
    """
    names = sorted({name for run in runs for name in (*run.names, *run.missing)})
    errors = {run.seed: run.error for run in runs if run.error}
    if errors or not names:
        failed: Cells = {"status": "failed", "reason": _by_seed(errors, len(runs))}
        cells = [_blank(runs, name) | failed for name in names or [""]]
        return EstimatorRows(cells, np.full((len(cells), len(counts)), np.nan))
    points, samples = _means(runs, names, counts, settings)
    intervals = {name: _intervals(samples[name], settings.level) for name in settings.intervals}
    cells = [_blank(runs, name) | _case_cells(runs, settings.threshold) for name in names]
    for row, name in enumerate(names):
        cells[row] |= dict(zip(METRICS, points[row].tolist(), strict=True))
        why = _reasons(name, runs, settings.threshold)
        for metric, ends in intervals.items():
            low, high = ends[row].tolist() if metric not in why else (np.nan, np.nan)
            cells[row] |= {f"{metric}_low": low, f"{metric}_high": high}
            if metric not in why and np.isnan(low):
                why[f"interval of {metric}"] = "undefined in more than 5 % of the resamples"
        cells[row] |= _status(name, runs, why)
    return EstimatorRows(cells, samples["spearman"])


def _blank(runs: Sequence[Run], name: str) -> Cells:
    missing: Cells = dict.fromkeys(COLUMNS, np.nan)
    known = {"estimator": runs[0].estimator, "score": name, "seeds": len(runs)}
    kinds = [run.infos[name].kind for run in runs if name in run.infos]
    return missing | known | {"kind": kinds[0] if kinds else ""} | _on_quality(runs, name)


def _on_quality(runs: Sequence[Run], name: str) -> Cells:
    """Return means over the seeds on the quality role; NaN where one seed lacks the number."""
    cells: Cells = {}
    for metric in ON_QUALITY:
        held = [run.infos[name].on_quality.get(metric) for run in runs if name in run.infos]
        numbers = [number for number in held if number is not None]
        complete = len(numbers) == len(runs)
        cells[f"{metric}_on_quality"] = float(np.mean(numbers)) if complete else np.nan
    return cells


def _case_cells(runs: Sequence[Run], threshold: float) -> Cells:
    failures = float(np.mean([np.count_nonzero(run.quality < threshold) for run in runs]))
    cases = len(runs[0].quality)
    return {
        "n_failures": failures,
        "prevalence": failures / cases,
        "mean_dice": float(np.mean([run.dice.mean() for run in runs])),
    }


def _means(
    runs: Sequence[Run], names: Sequence[str], counts: Counts, settings: Settings
) -> tuple[Floats, dict[str, Floats]]:
    """Return means over the runs, NaN where one is: points ``(names, metrics)`` and samples.

    Spearman's samples, by which rows are ranked, are there whether it has an interval or not.
    """
    points = np.zeros((len(names), len(METRICS)))
    sampled = dict.fromkeys(("spearman", *settings.intervals))
    samples = {metric: np.zeros((len(names), len(counts))) for metric in sampled}
    for run in runs:
        places = [names.index(name) for name in run.names]
        points += _placed(_points(run, settings.threshold), places, names)
        drawn = resampled_metrics(run.scores, run.quality, counts, settings.threshold, sampled)
        for metric, numbers in drawn.items():
            samples[metric] += _placed(numbers, places, names)
    points /= len(runs)
    return points, {metric: numbers / len(runs) for metric, numbers in samples.items()}


def _points(run: Run, threshold: float) -> Floats:
    """Return the metrics of the cases as they are, ``(scores, metrics)``."""
    once = np.ones((1, len(run.quality)), dtype=np.int64)
    found = resampled_metrics(run.scores, run.quality, once, threshold)
    for metric in ESTIMATE_METRICS:
        found[metric][~run.predicts_quality] = np.nan
    return np.concatenate([found[metric] for metric in METRICS], axis=1)


def _placed(rows: Floats, places: Sequence[int], names: Sequence[str]) -> Floats:
    """Put rows where their names are; a row that is missing is NaN."""
    table = np.full((len(names), rows.shape[1]), np.nan)
    table[places] = rows
    return table


def _intervals(samples: Floats, level: float) -> Floats:
    """Return ``interval`` of each row, ``(rows, 2)``; rows without a NaN all at once."""
    ends = np.full((len(samples), 2), np.nan)
    whole = ~np.isnan(samples).any(axis=1)
    if whole.any():
        ends[whole] = np.quantile(samples[whole], [(1 - level) / 2, (1 + level) / 2], axis=1).T
    for row in np.flatnonzero(~whole):
        ends[row] = interval(samples[row], level)[:2]
    return ends


def _reasons(name: str, runs: Sequence[Run], threshold: float) -> dict[str, str]:
    """Return why each metric is undefined, for those that are in at least one seed."""
    by_run = {run.seed: _run_reasons(name, run, threshold) for run in runs}
    whole = {
        seed: next(iter(reasons.values()))
        for seed, reasons in by_run.items()
        if len(reasons) == len(METRICS) and len(set(reasons.values())) == 1
    }
    if whole:
        # A seed that undoes the whole row explains it; what the other seeds lack is no news.
        return dict.fromkeys(METRICS, _by_seed(whole, len(runs)))
    found: dict[str, dict[int, str]] = {}
    for seed, reasons in by_run.items():
        for metric, reason in reasons.items():
            found.setdefault(metric, {})[seed] = reason
    return {metric: _by_seed(by_seed, len(runs)) for metric, by_seed in found.items()}


def _run_reasons(name: str, run: Run, threshold: float) -> dict[str, str]:
    if name not in run.names:
        return dict.fromkeys(METRICS, run.missing.get(name, "no such score in the record"))
    place = run.names.index(name)
    return undefined_metrics(
        run.scores[place], run.quality, threshold, bool(run.predicts_quality[place])
    )


def _by_seed(texts: dict[int, str], seeds: int) -> str:
    """Join reasons; seeds are named unless all give the same reason."""
    if len(texts) == seeds and len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    named: dict[str, list[str]] = {}
    for seed, text in sorted(texts.items()):
        named.setdefault(text, []).append(str(seed))
    return "; ".join(f"seed {', '.join(held)}: {text}" for text, held in named.items())


def _status(name: str, runs: Sequence[Run], why: dict[str, str]) -> Cells:
    """Return the status, and the reasons, each once with the metrics it holds for."""
    held: dict[str, list[str]] = {}
    for metric, reason in why.items():
        held.setdefault(reason, []).append(metric)
    reason = "; ".join(f"{', '.join(metrics)}: {text}" for text, metrics in held.items())
    if not all(metric in why for metric in METRICS):
        return {"status": "ok", "reason": reason}
    status = "failed" if any(name in run.broken for run in runs) else "undefined"
    return {"status": status, "reason": next(iter(held)) if len(held) == 1 else reason}

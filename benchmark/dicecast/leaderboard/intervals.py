"""Do the intervals that heads predict hold the true quality as often as they say?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.leaderboard.collect import Domain, Run, domains, in_order
from dicecast.metrics.bootstrap import interval, resample_counts
from dicecast.metrics.intervals import METRICS_OF_INTERVALS
from dicecast.records import Record

COLUMNS = (
    *("suite", "domain", "estimator", "score", "level", "seeds", "n"),
    *(c for name in METRICS_OF_INTERVALS for c in (name, f"{name}_low", f"{name}_high")),
)


def interval_table(records: Sequence[Record]) -> pd.DataFrame:
    """Return how good the intervals of each head are, by domain, estimator and score.

    Each number is a mean over cases and seeds; ``*_low`` and ``*_high`` are the ends of its
    percentile interval over resamples of groups, the same for all rows of a domain.

    Args:
        records: Of one suite.

    Returns:
        The columns ``COLUMNS``; empty where no head predicts intervals. A score that is not there
        in each seed of an estimator has no row.

    Raises:
        DicecastError: The records do not belong in one table.
    """
    ordered = in_order(records)
    settings = ordered[0].sidecar.bootstrap
    rows: list[dict[str, object]] = []
    for domain in domains(ordered):
        if not any(run.intervals for run in domain.runs):
            continue
        counts = resample_counts(
            domain.groups.tolist(), int(settings["resamples"]), int(settings["seed"])
        )
        for runs, score in _scores(domain):
            head = {"domain": domain.name, "estimator": runs[0].estimator, "score": score}
            rows.append(head | _numbers(runs, score, counts, float(settings["level"])))
    return pd.DataFrame(rows, columns=list(COLUMNS)).assign(suite=ordered[0].sidecar.suite)


def _scores(domain: Domain) -> Iterator[tuple[list[Run], str]]:
    """Yield the runs of each estimator with each score of which all have intervals."""
    for estimator in sorted({run.estimator for run in domain.runs}):
        runs = [run for run in domain.runs if run.estimator == estimator]
        shared = set.intersection(*(set(run.intervals) for run in runs))
        yield from ((runs, score) for score in sorted(shared))


def _numbers(
    runs: Sequence[Run], score: str, counts: NDArray[np.int64], level: float
) -> dict[str, object]:
    aimed = runs[0].infos[score].interval_level
    assert aimed is not None
    cells: dict[str, object] = {"level": aimed, "seeds": len(runs), "n": counts.shape[1]}
    for name, metric in METRICS_OF_INTERVALS.items():
        by_seed = [metric(run.intervals[score], run.quality, aimed) for run in runs]
        by_case = np.mean(by_seed, axis=0)
        low, high, _ = interval(counts @ by_case / counts.sum(axis=1), level)
        cells |= {name: float(by_case.mean()), f"{name}_low": low, f"{name}_high": high}
    return cells

"""The leaderboard: one row a domain, estimator and score, from the records alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from dicecast.leaderboard.choice import choose
from dicecast.leaderboard.collect import Domain, domains, in_order, quality_of
from dicecast.leaderboard.ranking import rank
from dicecast.leaderboard.rows import COLUMNS, INTERVAL_METRICS, Settings, estimator_rows
from dicecast.metrics.bootstrap import resample_counts
from dicecast.records import Record


def build_leaderboard(
    records: Iterable[Record], intervals: Sequence[str] = INTERVAL_METRICS
) -> pd.DataFrame:
    """Return the leaderboard of one suite; the order of records and of cases changes nothing.

    Every metric is the mean over the seeds of an estimator. ``*_low`` and ``*_high`` are the ends
    of the percentile interval of that mean over a paired bootstrap of groups of cases: all rows and
    seeds of a domain share the resamples. A metric that is undefined in one seed is NaN, never the
    mean of the others, and ``reason`` says why.

    ``rank`` is by Spearman's correlation within a domain: 1 + the number of rows whose paired
    difference is significant and in their favour; rows that cannot be told apart may share it.
    ``rank_high`` is the number of rows that are not significantly worse, the other end of the rank.
    Rows without a correlation come last.

    ``chosen_rank`` and ``chosen_rank_high`` are these among the rows that are chosen for their
    estimators, one each, without the test sets: see ``dicecast.leaderboard.choice``. They are NaN
    in all other rows.

    ``status`` is "failed" where a run or a head raised, "undefined" where no metric exists, and
    "ok" otherwise. A failed estimator is one row in each domain, with ``score`` empty.

    Args:
        records: Of one suite.
        intervals: The metrics to give an interval for; those of the others are NaN.

    Returns:
        The ``COLUMNS``; in-distribution rows first, then by domain, rank, and falling correlation.
        Its ``attrs`` are the target, the threshold, the settings of the bootstrap and the protocol
        version.

    Raises:
        DicecastError: There is no record, or some do not belong in one table; see
            ``dicecast.leaderboard.collect``.
    """
    ordered = in_order(records)
    first = ordered[0].sidecar
    settings = Settings(
        first.suite,
        first.failure_threshold,
        int(first.bootstrap.get("resamples", 1000)),
        int(first.bootstrap.get("seed", 0)),
        float(first.bootstrap.get("level", 0.95)),
        tuple(intervals),
    )
    tables = [_domain_table(domain, settings) for domain in domains(ordered)]
    table = pd.concat(tables, ignore_index=True)
    table.attrs = {
        "target": str(quality_of(ordered[0])),
        "failure_threshold": settings.threshold,
        "resamples": settings.resamples,
        "level": settings.level,
        "protocol_version": first.protocol_version,
    }
    return table


def _domain_table(domain: Domain, settings: Settings) -> pd.DataFrame:
    counts = resample_counts(domain.groups.tolist(), settings.resamples, settings.seed)
    rows, samples = [], []
    for estimator in sorted({run.estimator for run in domain.runs}):
        runs = [run for run in domain.runs if run.estimator == estimator]
        found = estimator_rows(runs, counts, settings)
        rows += found.cells
        samples.append(found.samples)
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    correlations = table["spearman"].to_numpy(np.float64)
    resampled = np.concatenate(samples)
    ranking = rank(correlations, resampled, settings.level)
    chosen = choose(table)
    among = rank(correlations[chosen], resampled[chosen], settings.level)
    table.loc[chosen, "chosen_rank"], table.loc[chosen, "chosen_rank_high"] = among
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

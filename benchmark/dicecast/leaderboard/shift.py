"""Does a score tell the cases of a shifted domain from those it was made for?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.data.cases import IN_DISTRIBUTION
from dicecast.leaderboard.collect import Domain, Run, domains, in_order
from dicecast.metrics.bootstrap import interval, resample_counts
from dicecast.metrics.resampling.compute import resampled_metrics
from dicecast.records import Record

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

OOD_AUROC = "ood_auroc"
"""The chance that a case of the in-distribution test set scores above one of a shifted domain."""

COLUMNS = (
    *("suite", "domain", "estimator", "score", "kind", "seeds", "n_in", "n_out"),
    *(OOD_AUROC, f"{OOD_AUROC}_low", f"{OOD_AUROC}_high", "reason"),
)


def joint_counts(inside: Domain, shifted: Domain, resamples: int, seed: int) -> Counts:
    """Draw groups of both domains together, so that one in both is drawn into both.

    Returns:
        ``(1 + resamples, cases of inside + cases of shifted)``; the first takes each case once.
    """
    groups = [*inside.groups.tolist(), *shifted.groups.tolist()]
    once = np.ones((1, len(groups)), dtype=np.int64)
    return np.concatenate([once, resample_counts(groups, resamples, seed)])


def resampled_ood_auroc(inside: Run, shifted: Run, scores: Sequence[str], counts: Counts) -> Floats:
    """Return the AUROC of telling both domains apart, of some scores in every resample.

    A high score means in distribution.

    Args:
        inside: A record in the in-distribution domain.
        shifted: The same record in the shifted domain.
        scores: Of ``inside.names``.
        counts: As of :func:`joint_counts`.

    Returns:
        ``(scores, counts)``, 0.5 for chance; NaN where a resample has one domain alone, or a score
        is undefined for a case.
    """
    rows = [inside.names.index(name) for name in scores]
    both = np.concatenate([inside.scores[rows], shifted.scores[rows]], axis=1)
    belongs = np.repeat([1.0, 0.0], [inside.scores.shape[1], shifted.scores.shape[1]])
    return resampled_metrics(both, belongs, counts, 0.5, ["failure_auroc"])["failure_auroc"]


def out_of_distribution(records: Sequence[Record]) -> pd.DataFrame:
    """Return how well each score tells each shifted domain from the in-distribution test set.

    Each number is a mean over the seeds of an estimator, with the percentile interval of that mean
    over resamples of the groups of both domains together. A score that no column of a record holds
    in one of the seeds has no row.

    Args:
        records: Of one suite.

    Returns:
        The ``COLUMNS``, by domain and falling AUROC; empty without a shifted domain, or without
        the in-distribution test set.

    Raises:
        DicecastError: The records do not belong in one table.
    """
    ordered = in_order(records)
    sidecar = ordered[0].sidecar
    settings = sidecar.bootstrap
    inside, *shifted = domains(ordered)
    rows: list[dict[str, object]] = []
    for domain in shifted if inside.name == IN_DISTRIBUTION else ():
        counts = joint_counts(inside, domain, int(settings["resamples"]), int(settings["seed"]))
        rows += _rows(inside, domain, counts, float(settings["level"]))
    table = pd.DataFrame(rows, columns=list(COLUMNS)).assign(suite=sidecar.suite)
    # Rounded, so that numbers that differ by rounding alone are put in order by name.
    table["order"] = -table[OOD_AUROC].astype(np.float64).round(9)
    table["place"] = table["domain"].map({domain.name: i for i, domain in enumerate(shifted)})
    by = ["place", "order", "estimator", "score"]
    return table.sort_values(by, kind="stable", ignore_index=True)[list(COLUMNS)]


def _rows(
    inside: Domain, shifted: Domain, counts: Counts, level: float
) -> Iterator[dict[str, object]]:
    pairs = list(zip(inside.runs, shifted.runs, strict=True))
    for estimator in sorted({run.estimator for run in shifted.runs}):
        held = [pair for pair in pairs if pair[0].estimator == estimator]
        names = sorted(set.intersection(*(set(run.names) for run, _ in held)))
        if not names:
            continue
        numbers = np.mean(
            [resampled_ood_auroc(first, second, names, counts) for first, second in held], axis=0
        )
        for name, found in zip(names, numbers, strict=True):
            low, high, _ = interval(found[1:], level)
            yield {
                "domain": shifted.name,
                "estimator": estimator,
                "score": name,
                "kind": held[0][0].infos[name].kind,
                "seeds": len(held),
                "n_in": len(inside.groups),
                "n_out": len(shifted.groups),
                OOD_AUROC: found[0],
                f"{OOD_AUROC}_low": low,
                f"{OOD_AUROC}_high": high,
                "reason": "undefined for some cases" if np.isnan(found[0]) else "",
            }

"""Questions a suite asks: is one score better than another, and is that what was expected?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from dicecast.data.cases import IN_DISTRIBUTION
from dicecast.errors import DicecastError, did_you_mean
from dicecast.leaderboard.collect import Domain, Run, domains, in_order
from dicecast.leaderboard.numbers import Numbers, Request, Settings
from dicecast.leaderboard.shift import OOD_AUROC
from dicecast.metrics.bootstrap import paired_difference
from dicecast.metrics.catalogue import METRICS
from dicecast.records import Record
from dicecast.suite import Comparison

ALL_ESTIMATORS = "(mean of all)"
COMPARED = ("spearman", "failure_auroc", "aurc", "mae")
"""The metrics of a question that names none."""

COLUMNS = (
    *("suite", "question", "domain", "estimator", "score", "against", "metric", "change", "seeds"),
    *("n", "n_failures", "of_score", "of_against", "difference", "low", "high"),
    *("expect", "within", "verdict"),
)


class _Pair(NamedTuple):
    """The runs of both sides of a question, and what their row is called."""

    title: str
    score: list[Run]
    against: list[Run]


def compare(records: Sequence[Record], comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return the differences ``score - against`` with paired intervals.

    One row a question, domain, metric, and estimator that has both scores in all its seeds, and one
    for the mean of these estimators; a question that names estimators has one row. Each number is
    the mean over seeds of the metric of ``score`` minus that of ``against``; ``low`` and ``high``
    are the ends of the percentile interval of the difference over resamples of groups, the same for
    both scores, all seeds and all estimators. ``verdict`` compares the interval with what the
    question expects: see :func:`verdict`.

    Args:
        records: Of one suite.
        comparisons: The questions.

    Returns:
        The columns ``COLUMNS``; empty without questions.

    Raises:
        DicecastError: The records do not belong in one table, or there is no such metric.
    """
    ordered = in_order(records)
    sidecar = ordered[0].sidecar
    _check(comparisons)
    drawn = sidecar.bootstrap
    settings = Settings(
        sidecar.failure_threshold,
        int(drawn["resamples"]),
        int(drawn["seed"]),
        float(drawn["level"]),
    )
    rows: list[dict[str, object]] = []
    every = domains(ordered) if comparisons else []
    for domain in every:
        shifted = domain.name != IN_DISTRIBUTION and every[0].name == IN_DISTRIBUTION
        asked = [request for one in comparisons for sides in _requests(one) for request in sides]
        numbers = Numbers(domain, every[0] if shifted else None, asked, settings)
        for comparison in comparisons:
            rows += _rows(comparison, domain, numbers, settings)
    return pd.DataFrame(rows, columns=list(COLUMNS)).assign(suite=sidecar.suite)


def verdict(comparison: Comparison, low: float, high: float) -> str:
    """Return whether an interval of the difference is where the question expects it.

    Returns:
        "holds" where all of the interval is on the expected side of 0 (for "equal", within the
        margin), "does not hold" where all of it is on the other side, "undecided" otherwise. Empty
        where nothing is expected, or there is no interval.
    """
    if not comparison.expect or np.isnan(low):
        return ""
    margin = comparison.within
    if comparison.expect == "equal":
        holds, fails = -margin <= low and high <= margin, low > margin or high < -margin
    elif comparison.expect == "higher":
        holds, fails = low > 0.0, high < 0.0
    else:
        holds, fails = high < 0.0, low > 0.0
    return "holds" if holds else "does not hold" if fails else "undecided"


def _check(comparisons: Sequence[Comparison]) -> None:
    known = (*METRICS, OOD_AUROC)
    for comparison in comparisons:
        for metric in comparison.metrics:
            if metric not in known:
                raise DicecastError(
                    f"The comparison '{comparison.question}' asks for the metric '{metric}', which "
                    f"there is not. {did_you_mean(metric, known)}"
                )
        if comparison.change and OOD_AUROC in comparison.metrics:
            raise DicecastError(
                f"The comparison '{comparison.question}' asks for the change of {OOD_AUROC}, which "
                "compares two domains already. Leave out change = true."
            )


def _requests(comparison: Comparison) -> list[tuple[Request, Request]]:
    """Return for each metric what is asked of the score and of what it is compared with."""
    (_, score), (_, against) = comparison.sides
    return [
        (Request(score, metric, comparison.change), Request(against, metric, comparison.change))
        for metric in comparison.metrics or COMPARED
    ]


def _rows(
    comparison: Comparison, domain: Domain, numbers: Numbers, settings: Settings
) -> Iterator[dict[str, object]]:
    pairs = _pairs(comparison, domain)
    for sides in _requests(comparison):
        if not numbers.can(sides[0]):
            continue
        found = [
            np.stack([numbers.of(pair.score, sides[0]), numbers.of(pair.against, sides[1])])
            for pair in pairs
        ]
        shown = pairs
        if len(pairs) > 1:
            found.append(np.mean(found, axis=0))
            runs = [run for pair in pairs for run in pair.score]
            shown = [*pairs, _Pair(ALL_ESTIMATORS, runs, runs)]
        for pair, (first, second) in zip(shown, found, strict=True):
            low, high = paired_difference(first[1:], second[1:], settings.level)
            runs = [*pair.score, *pair.against]
            failures = [np.count_nonzero(run.quality < settings.threshold) for run in runs]
            yield {
                "question": comparison.question,
                "domain": domain.name,
                "estimator": pair.title,
                "score": comparison.score,
                "against": comparison.against,
                "metric": sides[0].metric,
                "change": comparison.change,
                "seeds": len({run.seed for run in runs}),
                "n": len(domain.groups),
                "n_failures": np.mean(failures),
                "of_score": first[0],
                "of_against": second[0],
                "difference": first[0] - second[0],
                "low": low,
                "high": high,
                "expect": comparison.expect,
                "within": comparison.within,
                "verdict": verdict(comparison, low, high),
            }


def _pairs(comparison: Comparison, domain: Domain) -> list[_Pair]:
    """Return the estimators that have both scores in all their seeds, or the pair of two."""
    (first, score), (second, against) = comparison.sides
    runs: dict[str, list[Run]] = {}
    for run in domain.runs:
        runs.setdefault(run.estimator, []).append(run)

    def has(estimator: str, name: str) -> bool:
        return estimator in runs and all(name in run.names for run in runs[estimator])

    if first:
        title = first if first == second else f"{first} / {second}"
        held = has(first, score) and has(second, against)
        return [_Pair(title, runs[first], runs[second])] if held else []
    return [
        _Pair(name, held, held)
        for name, held in runs.items()
        if has(name, score) and has(name, against)
    ]

"""Questions a suite asks: is one score better than another, for the same segmentations?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.leaderboard.collect import Domain, Run, domains, in_order
from dicecast.leaderboard.render import Row, fixed, number
from dicecast.metrics.bootstrap import paired_difference, resample_counts
from dicecast.metrics.catalogue import METRICS
from dicecast.metrics.resampling.compute import resampled_metrics
from dicecast.records import Record
from dicecast.suite import Comparison

Floats = NDArray[np.float64]

ALL_ESTIMATORS = "(mean of all)"
COMPARED = ("spearman", "failure_auroc", "aurc", "mae")
KEYS = ("suite", "question", "domain", "estimator", "score", "against", "seeds", "n", "n_failures")
COLUMNS = (*KEYS, *(name for m in COMPARED for name in (m, f"{m}_low", f"{m}_high")))


def compare(records: Sequence[Record], comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """Return the differences ``score - against`` with paired intervals.

    One row a question, domain and estimator that has both scores in all its seeds, and one for the
    mean of these estimators. Each number is the mean over seeds of the metric of ``score`` minus
    that of ``against``; ``*_low`` and ``*_high`` are the ends of the percentile interval of the
    difference over resamples of groups, the same for both scores, all seeds and all estimators.

    Args:
        records: Of one suite.
        comparisons: The questions.

    Returns:
        The columns ``COLUMNS``; empty without questions.

    Raises:
        DicecastError: The records do not belong in one table.
    """
    ordered = in_order(records)
    sidecar = ordered[0].sidecar
    settings = sidecar.bootstrap
    rows: list[dict[str, object]] = []
    for domain in domains(ordered) if comparisons else ():
        counts = resample_counts(
            domain.groups.tolist(), int(settings["resamples"]), int(settings["seed"])
        )
        for comparison in comparisons:
            rows += _rows(
                comparison, domain, counts, sidecar.failure_threshold, float(settings["level"])
            )
    return pd.DataFrame(rows, columns=list(COLUMNS)).assign(suite=sidecar.suite)


def _rows(
    comparison: Comparison,
    domain: Domain,
    counts: NDArray[np.int64],
    threshold: float,
    level: float,
) -> list[dict[str, object]]:
    by_estimator: dict[str, list[Run]] = {}
    for run in domain.runs:
        by_estimator.setdefault(run.estimator, []).append(run)
    kept = {
        name: runs
        for name, runs in by_estimator.items()
        if all({comparison.score, comparison.against} <= set(run.names) for run in runs)
    }
    # With one row more in front for the cases as they are: a resample that takes each case once.
    counts = np.concatenate([np.ones((1, counts.shape[1]), np.int64), counts])
    sampled = {name: _sampled(runs, comparison, counts, threshold) for name, runs in kept.items()}
    if len(sampled) > 1:
        sampled[ALL_ESTIMATORS] = np.mean(list(sampled.values()), axis=0)
        kept[ALL_ESTIMATORS] = [run for runs in kept.values() for run in runs]
    return [
        {
            **comparison.model_dump(),
            "domain": domain.name,
            "estimator": name,
            "seeds": len({run.seed for run in kept[name]}),
            "n": len(domain.groups),
            "n_failures": np.mean([np.sum(run.quality < threshold) for run in kept[name]]),
            **_differences(values, level),
        }
        for name, values in sampled.items()
    ]


def _sampled(
    runs: Sequence[Run], comparison: Comparison, counts: NDArray[np.int64], threshold: float
) -> Floats:
    """Return ``(metrics, 2, 1 + resamples)``: means over the runs for score and against."""
    values = np.zeros((len(COMPARED), 2, len(counts)))
    for run in runs:
        rows = [run.names.index(name) for name in (comparison.score, comparison.against)]
        found = resampled_metrics(run.scores[rows], run.quality, counts, threshold, COMPARED)
        values += [found[metric] for metric in COMPARED]
        if not run.predicts_quality[rows].all():
            values[COMPARED.index("mae")] = np.nan
    return values / len(runs)


def _differences(values: Floats, level: float) -> dict[str, float]:
    cells: dict[str, float] = {}
    for metric, (score, against) in zip(COMPARED, values, strict=True):
        low, high = paired_difference(score[1:], against[1:], level)
        cells |= {metric: score[0] - against[0], f"{metric}_low": low, f"{metric}_high": high}
    return cells


def answers(table: pd.DataFrame) -> str:
    """Return the comparisons as Markdown, one section a question."""
    parts = ["# Comparisons: " + str(table["suite"].iloc[0])]
    for question in table["question"].unique():
        rows = table[table["question"] == question]
        first = rows.iloc[0]
        parts += [
            f"\n## {question}\n",
            f"`{first['score']}` minus `{first['against']}` with paired 95 % intervals; **bold** "
            "where the interval excludes 0 in favour of the first, *italic* where in favour of the "
            "second. Spearman and AUROC: above 0 is better; AURC and MAE: below 0 is better.\n",
            _markdown(rows),
        ]
    return "\n".join(parts)


def _markdown(rows: pd.DataFrame) -> str:
    titles = {"spearman": "Spearman", "failure_auroc": "failure AUROC", "aurc": "AURC"}
    shown = [m for m in COMPARED if rows[m].notna().any()]
    head = ["domain", "estimator", *(titles.get(m, m.upper()) for m in shown)]
    lines = [head, ["---", "---", *["--:"] * len(shown)]]
    for row in rows.to_dict(orient="records"):
        cells = [_cell(row, metric) for metric in shown]
        lines.append([f"{row['domain']}", f"{row['estimator']}", *cells])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _cell(row: Row, metric: str) -> str:
    value, low, high = (number(row, f"{metric}{end}") for end in ("", "_low", "_high"))
    if np.isnan(value):
        return "undefined"
    text = f"{fixed(value)} [{fixed(low)}, {fixed(high)}]"
    if np.isnan(low) or low <= 0.0 <= high:
        return text
    favourable = (low > 0.0) == METRICS[metric].higher_is_better
    return f"**{text}**" if favourable else f"*{text}*"

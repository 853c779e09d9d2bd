"""The answers to a suite's questions, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dicecast.leaderboard.comparisons import ALL_ESTIMATORS
from dicecast.leaderboard.render import Row, code, escape, fixed, number, pipe_table
from dicecast.leaderboard.shift import OOD_AUROC
from dicecast.metrics.catalogue import METRICS
from dicecast.suite import Comparison

_TITLES = {
    "spearman": "Spearman",
    "failure_auroc": "failure AUROC",
    OOD_AUROC: "OOD AUROC",
    "aurc": "AURC",
    "mae": "MAE",
}


def answers(table: pd.DataFrame, comparisons: Sequence[Comparison]) -> str:
    """Return the comparisons as Markdown: what was expected, then one section a question.

    Args:
        table: As of ``dicecast.leaderboard.comparisons.compare``.
        comparisons: The questions it answers.
    """
    parts = [f"# Comparisons: {escape(str(table['suite'].iloc[0]))}", *_expected(table)]
    for comparison in comparisons:
        rows = table[table["question"] == comparison.question]
        parts += [f"## {escape(comparison.question)}", _explained(comparison)]
        parts.append(_rows(rows) if len(rows) else "No record has both scores.")
    return "\n\n".join(parts) + "\n"


def _expected(table: pd.DataFrame) -> list[str]:
    """Return one row an expectation and one column a domain, of the mean over the estimators."""
    asked = table[table["expect"] != ""]
    if asked.empty:
        return []
    domains = list(asked["domain"].unique())
    lines = []
    for (question, metric), rows in asked.groupby(["question", "metric"], sort=False):
        means = rows[rows["estimator"] == ALL_ESTIMATORS]
        by_domain = (means if len(means) else rows).set_index("domain").to_dict(orient="index")
        cells = [_cell(by_domain[name]) if name in by_domain else "-" for name in domains]
        lines.append([escape(str(question)), _title(str(metric)), *cells])
    note = (
        "Expected behaviours: does the paired interval of the difference lie where it is expected? "
        "Where several estimators have both scores, it is that of their mean."
    )
    return [note, pipe_table(["question", "metric", *map(escape, domains)], lines, texts=2)]


def _explained(comparison: Comparison) -> str:
    what = f"`{comparison.score}` minus `{comparison.against}`"
    if comparison.change:
        what += ", of the change of each metric from the in-distribution test set to the domain,"
    text = f"{what} with paired intervals; **bold** where the interval excludes 0 in favour of "
    text += "the first, *italic* where in favour of the second."
    if not comparison.expect:
        return f"{text} Spearman and AUROC: above 0 is better; AURC and MAE: below 0 is better."
    margin = f" within {comparison.within:g}" if comparison.expect == "equal" else ""
    return f"{text} Expected: {comparison.expect}{margin}."


def _rows(rows: pd.DataFrame) -> str:
    shown = [metric for metric, held in rows.groupby("metric", sort=False) if _any(held)]
    lines = []
    for (domain, estimator), held in rows.groupby(["domain", "estimator"], sort=False):
        cells = held.set_index("metric").to_dict(orient="index")
        numbers = [_cell(cells[metric] | {"metric": metric}) for metric in shown]
        lines.append([escape(str(domain)), escape(str(estimator)), *numbers])
    titles = ["domain", "estimator", *(_title(str(metric)) for metric in shown)]
    return pipe_table(titles, lines, texts=2)


def _any(rows: pd.DataFrame) -> bool:
    return bool(rows["difference"].notna().any())


def _title(metric: str) -> str:
    return _TITLES.get(metric, code(metric))


def _cell(row: Row) -> str:
    value, low, high = (number(row, name) for name in ("difference", "low", "high"))
    if np.isnan(value):
        return "undefined"
    text = f"{fixed(value)} [{fixed(low)}, {fixed(high)}]"
    better = _better(str(row["metric"]))
    if better is not None and (low > 0.0 or high < 0.0):
        text = f"**{text}**" if (low > 0.0) == better else f"*{text}*"
    return f"{text} {row['verdict']}".rstrip()


def _better(metric: str) -> bool | None:
    return True if metric == OOD_AUROC else METRICS[metric].higher_is_better

"""A domain of the leaderboard in short: one row an estimator, its heads, and scores with a name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dicecast.leaderboard.choice import chosen_rows
from dicecast.leaderboard.render import (
    Notes,
    Row,
    cell,
    code,
    fixed,
    interval_cell,
    number,
    pipe_table,
    rank_text,
)

PAIR = ("spearman", "failure_auroc")
"""The metrics of a small cell, with a slash between them."""

_PAIR_NAMES = "Spearman / failure AUROC"


def chosen_section(rows: pd.DataFrame, notes: Notes) -> str:
    """Return the estimators by the score that is chosen for each, then those that failed."""
    titles = ["rank", "estimator", "score", "Spearman", "failure AUROC", "AURC", "mean Dice"]
    failed = rows[rows["status"] == "failed"].drop_duplicates("estimator")
    failed = failed[~failed["estimator"].isin(rows[rows["chosen_rank"].notna()]["estimator"])]
    lines = []
    for row in pd.concat([chosen_rows(rows), failed]).to_dict(orient="records"):
        cells = [rank_text(row, "chosen_rank")]
        cells += [code(str(row["estimator"])), code(str(row["score"]))]
        cells += [interval_cell(row, name, notes) for name in (*PAIR, "aurc")]
        known = number(row, "spearman_on_quality")
        cells += [cell(row, "mean_dice", notes), "-" if np.isnan(known) else fixed(known)]
        lines.append(cells)
    return pipe_table([*titles, "on quality"], lines, texts=3)


def heads_section(rows: pd.DataFrame) -> str:
    """Return the heads of each estimator; empty where there is none."""
    heads = sorted(set(rows[rows["kind"] == "head"]["score"]))
    title = f"Quality heads, fitted on the quality role ({_PAIR_NAMES}):"
    return _by_estimator(rows, heads, title) if heads else ""


def named_section(rows: pd.DataFrame, named: Sequence[str]) -> str:
    """Return the scores that are shown whatever is chosen; empty where no estimator has one."""
    aggregations = set(rows[rows["kind"] == "aggregation"]["score"])
    shown = [name for name in dict.fromkeys(named) if name in aggregations]
    title = f"Some scores of every estimator, named in advance ({_PAIR_NAMES}):"
    return _by_estimator(rows, shown, title) if shown else ""


def pair_cell(held: pd.DataFrame, score: str) -> str:
    """Return correlation and AUROC of a score; "-" where neither is defined.

    Args:
        held: The rows of one estimator, by score.
        score: Which.
    """
    row: Row = held.loc[score].to_dict() if score in held.index else dict.fromkeys(PAIR, np.nan)
    numbers = [number(row, name) for name in PAIR]
    if np.isnan(numbers[1]):
        return "-"
    return " / ".join("-" if np.isnan(value) else fixed(value, 2) for value in numbers)


def _by_estimator(rows: pd.DataFrame, scores: Sequence[str], title: str) -> str:
    estimators = [*chosen_rows(rows)["estimator"], *sorted(set(rows["estimator"]))]
    lines = []
    for estimator in dict.fromkeys(estimators):
        held = rows[rows["estimator"] == estimator].set_index("score")
        lines.append([code(estimator), *(pair_cell(held, score) for score in scores)])
    return f"{title}\n\n" + pipe_table(["estimator", *map(code, scores)], lines, texts=1)

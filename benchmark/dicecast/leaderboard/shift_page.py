"""Detection of shifted domains, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dicecast.data.cases import IN_DISTRIBUTION
from dicecast.leaderboard.render import Row, code, escape, fixed, number, pipe_table
from dicecast.leaderboard.shift import OOD_AUROC

NAMED = (
    *("predictive_entropy/mean", "expected_entropy/mean", "mutual_information/mean"),
    *("pairwise_dice", "expected_dice"),
)
"""The scores that are shown for every estimator: kinds of uncertainty are said to differ here."""


def detection(table: pd.DataFrame, leaderboard: pd.DataFrame) -> str:
    """Return, for each shifted domain, one row an estimator; every score is in the CSV.

    Args:
        table: As of ``dicecast.leaderboard.shift.out_of_distribution``.
        leaderboard: Of the same records; its chosen scores are shown.
    """
    chosen = leaderboard[leaderboard["chosen_rank"].notna()]
    by_estimator = dict(zip(chosen["estimator"], chosen["score"], strict=True))
    parts = [f"# Out of distribution: {escape(str(table['suite'].iloc[0]))}", _legend(leaderboard)]
    for domain in table["domain"].unique():
        rows = table[table["domain"] == domain]
        sizes = f"{rows['n_in'].iloc[0]} cases in distribution, {rows['n_out'].iloc[0]} shifted."
        parts += [f"## {escape(str(domain))}", sizes, _aggregations(rows, by_estimator)]
        heads = sorted(set(rows[rows["kind"] == "head"]["score"]))
        parts += [f"Quality heads:\n\n{_pivot(rows, heads)}"] if heads else []
    return "\n\n".join(parts) + "\n"


def _legend(leaderboard: pd.DataFrame) -> str:
    level = f"{100 * leaderboard.attrs['level']:g} %"
    return (
        "How well does a score tell the cases of a shifted domain from those of the test set "
        f"`{IN_DISTRIBUTION}`? Each number is an AUROC, the chance that a case in distribution has "
        "the higher score, mean over the seeds: 0.5 is chance, below 0.5 the shifted cases look "
        f"the surer ones. In brackets: {level} interval from "
        f"{leaderboard.attrs['resamples']} resamples of the groups of both. A shift that is easy "
        "to see need not make segmentations worse, and the reverse: compare with `leaderboard.md`. "
        "The chosen score is the one that stands for the estimator there. Every score is in "
        "`out_of_distribution.csv`."
    )


def _aggregations(rows: pd.DataFrame, chosen: dict[str, str]) -> str:
    named = [name for name in NAMED if (rows["score"] == name).any()]
    titles = ["estimator", *(["chosen score"] if chosen else []), *map(code, named)]
    lines = []
    for estimator, held in rows.groupby("estimator", sort=True):
        scores = held.set_index("score").to_dict(orient="index")
        cells = [_cell(scores[name]) if name in scores else "-" for name in named]
        if chosen:
            name = chosen.get(str(estimator), "")
            cells.insert(0, f"{code(name)} {_cell(scores[name])}" if name in scores else "-")
        lines.append([code(str(estimator)), *cells])
    return pipe_table(titles, lines, texts=2 if chosen else 1)


def _pivot(rows: pd.DataFrame, heads: Sequence[str]) -> str:
    lines = []
    for estimator, held in rows.groupby("estimator", sort=True):
        found = held.set_index("score")[OOD_AUROC]
        values = [float(found.get(head, np.nan)) for head in heads]
        cells = ["-" if np.isnan(value) else fixed(value, 2) for value in values]
        lines.append([code(str(estimator)), *cells])
    return pipe_table(["estimator", *map(code, heads)], lines, texts=1)


def _cell(row: Row) -> str:
    value, low = number(row, OOD_AUROC), number(row, f"{OOD_AUROC}_low")
    if np.isnan(value):
        return "undefined"
    ends = (
        "" if np.isnan(low) else f" [{fixed(low, 2)}, {fixed(number(row, OOD_AUROC + '_high'), 2)}]"
    )
    return f"{fixed(value, 2)}{ends}"

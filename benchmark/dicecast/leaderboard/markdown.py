"""A leaderboard for people, as Markdown: in short, or every row."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from dicecast.data.cases import IN_DISTRIBUTION
from dicecast.leaderboard.choice import chosen_rows, has_choice, without_choice
from dicecast.leaderboard.ranking import RULE
from dicecast.leaderboard.render import (
    Notes,
    cases_text,
    cell,
    code,
    escape,
    interval_cell,
    pipe_table,
    rank_text,
    read_as,
    warnings,
)
from dicecast.leaderboard.short import chosen_section, heads_section, named_section

FIGURES = {
    "risk_coverage": "Risk that is left over the share of cases that are accepted. Where few are, "
    "one bad case that is trusted lifts the curve out of its panel.",
    "referral": "Mean quality that is kept over the share of cases that are referred to a human.",
    "failure_auroc": "AUROC of finding failures over the Dice below which a case has failed.",
}
"""The curves beside a leaderboard, by the stem of their file, with what they show."""


def as_markdown(table: pd.DataFrame, grid: bool = False, named: Sequence[str] = ()) -> str:
    """Return the leaderboard for people: a legend, then one section a domain.

    In short, a domain has one row an estimator, with the aggregation chosen for it on the quality
    role; its heads; and the scores that have a name in the suite's questions.

    Args:
        table: As of ``build_leaderboard``.
        grid: Every row instead, as also where no aggregation is chosen for any estimator.
        named: The scores that are always shown, where a record has them.
    """
    notes = Notes()
    short = has_choice(table) and not grid
    parts = [f"# Leaderboard: {escape(str(table['suite'].iloc[0]))}", _legend(table, short)]
    lacking = "" if grid else without_choice(table)
    parts += [f"**{escape(lacking)}**"] if lacking else []
    for domain in table["domain"].unique():
        rows = table[table["domain"] == domain]
        parts += [f"## {escape(domain)}", cases_text(rows), *warnings(rows)]
        if short:
            parts += [chosen_section(rows, notes), heads_section(rows), named_section(rows, named)]
        else:
            parts.append(_grid(rows, notes))
    parts += _curves(table) if short else []
    return "\n\n".join([part for part in parts if part] + notes.lines()) + "\n"


def _grid(rows: pd.DataFrame, notes: Notes) -> str:
    titles = ["rank", "estimator", "score", "Spearman", "failure AUROC", "AURC", "MAE", "mean Dice"]
    lines = []
    for row in rows.to_dict(orient="records"):
        cells = [rank_text(row), code(str(row["estimator"])), code(str(row["score"]))]
        cells += [interval_cell(row, name, notes) for name in ("spearman", "failure_auroc", "aurc")]
        cells += [cell(row, name, notes) for name in ("mae", "mean_dice")]
        lines.append(cells)
    return pipe_table(titles, lines, texts=3)


def has_curves(table: pd.DataFrame) -> bool:
    """Return whether a chosen score is defined for all cases in distribution, and so has curves."""
    inside = table[table["domain"] == IN_DISTRIBUTION]
    return bool(chosen_rows(inside)["aurc"].notna().any())


def _curves(table: pd.DataFrame) -> list[str]:
    if not has_curves(table):
        return []
    images = [f"{caption}\n\n![{caption}](figures/{name}.png)" for name, caption in FIGURES.items()]
    return [f"## Curves ({IN_DISTRIBUTION}, the chosen score of each estimator)", *images]


def _legend(table: pd.DataFrame, short: bool) -> str:
    settings = table.attrs
    level = f"{100 * settings['level']:g} %"
    return "\n".join(
        [
            "Each row is one score of one estimator; each number is a mean over its seeds.",
            "",
            *([_CHOSEN] if short else []),
            f"- **rank**: {RULE} A range such as 1-4 gives both ends of what the data allow."
            + (" Here it is among the rows of the table alone." if short else ""),
            "- **Spearman**: correlation of the score's ranking with the true Dice's, -1 to 1; "
            "higher is better.",
            f"- **failure AUROC**: the chance that a good case scores above a failed one (Dice "
            f"below {settings['failure_threshold']:g}); 0.5 is chance, higher is better.",
            "- **AURC**: mean of 1 - Dice among accepted cases, over all shares accepted, 0 to 1; "
            "lower is better. It depends on the mean Dice too.",
            *([] if short else [_MAE]),
            "- **mean Dice**: of the estimator's own segmentations.",
            *([f"- {read_as(table)}"] if settings["target"] else []),
            f"- **[low, high]**: {level} interval from {settings['resamples']} resamples of whole "
            "groups (patients), the same for all rows of a domain.",
            "",
            f"All scores and metrics are in `leaderboard.csv`. Protocol version "
            f"{settings['protocol_version']}.",
        ]
    )


_CHOSEN = (
    "- **score**: of the many aggregations of an estimator, the one whose Spearman correlation on "
    "the quality role (mean over the seeds; the last column) is highest. No test case is read for "
    "the choice."
)
_MAE = "- **MAE**: mean absolute error of a predicted Dice, in units of Dice; lower is better."

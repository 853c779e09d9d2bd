"""A leaderboard as CSV, JSON and Markdown: the same bytes for the same records."""

from __future__ import annotations

import html
import json
from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd

from dicecast.leaderboard.ranking import RULE

FEW_FAILURES = 20
"""With fewer failures than this, detecting them is hardly measured."""

_DIGITS = 6

Row = Mapping[Hashable, object]


def as_csv(table: pd.DataFrame) -> str:
    """Return the table as CSV: 6 significant digits, undefined empty, lines ended by a newline."""
    return _settled(table).to_csv(index=False, float_format=f"%.{_DIGITS}g", lineterminator="\n")


def as_json(table: pd.DataFrame) -> str:
    """Return the table as a JSON list of rows: 6 significant digits, undefined is null."""
    rows = [
        {name: _plain(value) for name, value in row.items()}
        for row in _settled(table).to_dict(orient="records")
    ]
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_markdown(table: pd.DataFrame) -> str:
    """Return the leaderboard for people: a legend, then the most useful columns by domain."""
    notes = _Notes()
    parts = [f"# Leaderboard: {_escape(str(table['suite'].iloc[0]))}", _legend(table)]
    for domain in table["domain"].unique():
        rows = table[table["domain"] == domain]
        parts += [f"## {_escape(domain)}", _cases(rows), *_warnings(rows), _rows(rows, notes)]
    return "\n\n".join([*parts, *notes.lines()]) + "\n"


def read_as(table: pd.DataFrame) -> str:
    """Return how to read "Dice" where the true quality is another target; else an empty text."""
    target = table.attrs["target"]
    return target and f"Here the true quality is {target}: all Dice but the mean Dice are that."


def few_failures(rows: pd.DataFrame) -> str:
    """Return a warning if the rows of a domain have few failures, else an empty text."""
    failures = rows["n_failures"].min()
    if np.isnan(failures) or failures >= FEW_FAILURES:
        return ""
    return (
        f"Warning: only {_range(rows['n_failures'])} of {rows['n'].iloc[0]} cases fail; below "
        f"{FEW_FAILURES}, numbers that detect failures say little."
    )


class _Notes:
    """Footnotes, numbered in the order of their first use."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, text: str) -> str:
        return f"[^{self._numbers.setdefault(text, len(self._numbers) + 1)}]"

    def lines(self) -> list[str]:
        return [f"[^{number}]: {_escape(text)}" for text, number in self._numbers.items()]


def _settled(table: pd.DataFrame) -> pd.DataFrame:
    """Round away what may differ between processors: noise around 0, and the sign of 0."""
    numbers = table.select_dtypes("float").columns
    return table.assign(**{name: table[name].round(12) + 0.0 for name in numbers})


def _plain(value: object) -> object:
    if not isinstance(value, float):
        return value
    return None if np.isnan(value) else float(f"{value:.{_DIGITS}g}")


def _legend(table: pd.DataFrame) -> str:
    settings = table.attrs
    level = f"{100 * settings['level']:g} %"
    return "\n".join(
        [
            "Each row is one score of one estimator; each number is a mean over its seeds.",
            "",
            f"- **rank**: {RULE} A range such as 1-4 gives both ends of what the data allow.",
            "- **Spearman**: correlation of the score's ranking with the true Dice's, -1 to 1; "
            "higher is better.",
            f"- **failure AUROC**: the chance that a good case scores above a failed one (Dice "
            f"below {settings['failure_threshold']:g}); 0.5 is chance, higher is better.",
            "- **AURC**: mean of 1 - Dice among accepted cases, over all shares accepted, 0 to 1; "
            "lower is better. It depends on the mean Dice too.",
            "- **MAE**: mean absolute error of a predicted Dice, in units of Dice; lower is "
            "better.",
            "- **mean Dice**: of the estimator's own segmentations.",
            *([f"- {read_as(table)}"] if settings["target"] else []),
            f"- **[low, high]**: {level} interval from {settings['resamples']} resamples of whole "
            "groups (patients), the same for all rows of a domain.",
            "",
            f"All metrics are in `leaderboard.csv`. Protocol version "
            f"{settings['protocol_version']}.",
        ]
    )


def _cases(rows: pd.DataFrame) -> str:
    return f"{rows['n'].iloc[0]} cases, of which {_range(rows['n_failures'])} fail."


def _range(values: pd.Series[float]) -> str:
    low, high = values.min(), values.max()
    if np.isnan(low):
        return "an unknown number"
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _warnings(rows: pd.DataFrame) -> list[str]:
    warning = few_failures(rows)
    return [f"**{warning}**"] if warning else []


def _rows(rows: pd.DataFrame, notes: _Notes) -> str:
    head = ["rank", "estimator", "score", "Spearman", "failure AUROC", "AURC", "MAE", "mean Dice"]
    lines = [head, [*["--:"], *["---"] * 2, *["--:"] * 5]]
    for row in rows.to_dict(orient="records"):
        cells = [rank_text(row), _code(str(row["estimator"])), _code(str(row["score"]))]
        cells += [
            _interval_cell(row, name, notes) for name in ("spearman", "failure_auroc", "aurc")
        ]
        cells += [_cell(row, name, notes) for name in ("mae", "mean_dice")]
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def rank_text(row: Row) -> str:
    """Return the rank of a row, or both its ends where they differ; "-" where it has none."""
    if np.isnan(number(row, "spearman")):
        return "-"
    low, high = row["rank"], row["rank_high"]
    return str(low) if low == high else f"{low}-{high}"


def number(row: Row, name: str) -> float:
    """Return a number of a row as a float."""
    return float(str(row[name]))


def _cell(row: Row, name: str, notes: _Notes) -> str:
    value = number(row, name)
    if not np.isnan(value):
        return fixed(value)
    word = "failed" if row["status"] == "failed" else "undefined"
    return word + notes.mark(str(row["reason"]))


def _interval_cell(row: Row, name: str, notes: _Notes) -> str:
    low, high = number(row, f"{name}_low"), number(row, f"{name}_high")
    ends = "" if np.isnan(low) else f" [{fixed(low)}, {fixed(high)}]"
    return _cell(row, name, notes) + ends


def fixed(value: float, digits: int = 3) -> str:
    """Return a number with a fixed count of decimals and no negative zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _code(text: str) -> str:
    return f"`{text.replace('`', '').replace('|', chr(92) + '|')}`" if text else ""


def _escape(text: str) -> str:
    return html.escape(text, quote=False).replace("|", "\\|")

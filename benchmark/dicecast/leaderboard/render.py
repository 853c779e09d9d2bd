"""A leaderboard as CSV and JSON, and cells of tables: the same bytes for the same records."""

from __future__ import annotations

import html
import json
from collections.abc import Hashable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

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
        f"Warning: only {range_text(rows['n_failures'])} of {rows['n'].iloc[0]} cases fail; below "
        f"{FEW_FAILURES}, numbers that detect failures say little."
    )


class Notes:
    """Footnotes, numbered in the order of their first use."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, text: str) -> str:
        """Return the mark of a footnote."""
        return f"[^{self._numbers.setdefault(text, len(self._numbers) + 1)}]"

    def lines(self) -> list[str]:
        """Return the footnotes."""
        return [f"[^{number}]: {escape(text)}" for text, number in self._numbers.items()]


def _settled(table: pd.DataFrame) -> pd.DataFrame:
    """Round away what may differ between processors: noise around 0, and the sign of 0."""
    numbers = table.select_dtypes("float").columns
    return table.assign(**{name: table[name].round(12) + 0.0 for name in numbers})


def _plain(value: object) -> object:
    if not isinstance(value, float):
        return value
    return None if np.isnan(value) else float(f"{value:.{_DIGITS}g}")


def cases_text(rows: pd.DataFrame) -> str:
    """Return how many cases a domain has, and how many of them fail."""
    return f"{rows['n'].iloc[0]} cases, of which {range_text(rows['n_failures'])} fail."


def range_text(values: pd.Series[float]) -> str:
    """Return both ends of some numbers, one where they are equal."""
    low, high = values.min(), values.max()
    if np.isnan(low):
        return "an unknown number"
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def warnings(rows: pd.DataFrame) -> list[str]:
    """Return what a reader of a domain must be warned of."""
    warning = few_failures(rows)
    return [f"**{warning}**"] if warning else []


def rank_text(row: Row, name: str = "rank") -> str:
    """Return the rank of a row, or both its ends where they differ; "-" where it has none.

    Args:
        row: Of the leaderboard.
        name: "rank", or "chosen_rank" for that among the chosen rows alone.
    """
    low, high = number(row, name), number(row, f"{name}_high")
    if np.isnan(number(row, "spearman")) or np.isnan(low):
        return "-"
    return f"{low:.0f}" if low == high else f"{low:.0f}-{high:.0f}"


def pipe_table(titles: Sequence[str], rows: Iterable[Sequence[str]], texts: int) -> str:
    """Return a table in Markdown, of which the first ``texts`` columns are text."""
    marks = ["---"] * texts + ["--:"] * (len(titles) - texts)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, marks, *rows))


def number(row: Row, name: str) -> float:
    """Return a number of a row as a float."""
    return float(str(row[name]))


def cell(row: Row, name: str, notes: Notes) -> str:
    """Return a number of a row, or a word and the mark of the reason why there is none."""
    value = number(row, name)
    if not np.isnan(value):
        return fixed(value)
    word = "failed" if row["status"] == "failed" else "undefined"
    return word + notes.mark(str(row["reason"]))


def interval_cell(row: Row, name: str, notes: Notes) -> str:
    """Return a number of a row with its interval."""
    low, high = number(row, f"{name}_low"), number(row, f"{name}_high")
    ends = "" if np.isnan(low) else f" [{fixed(low)}, {fixed(high)}]"
    return cell(row, name, notes) + ends


def fixed(value: float, digits: int = 3) -> str:
    """Return a number with a fixed count of decimals and no negative zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def code(text: str) -> str:
    """Return a name in a table."""
    return f"`{text.replace('`', '').replace('|', chr(92) + '|')}`" if text else ""


def escape(text: str) -> str:
    """Return a text in which nothing is Markdown's or HTML's."""
    return html.escape(text, quote=False).replace("|", "\\|")

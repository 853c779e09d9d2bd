"""How good the intervals of heads are, as Markdown."""

from __future__ import annotations

import pandas as pd

from dicecast.leaderboard.render import Row, code, escape, fixed, number, pipe_table

LEGEND = """\
Each row is a head that predicts an interval for the true quality of each case. Each number is a
mean over cases and seeds; in brackets, its bootstrap interval over test patients, to which the
choice of the patients who calibrated adds.

- **coverage**: share of cases whose quality lies in the interval, to be compared with the level;
  **bold** where its own interval leaves the level out. Promised for cases like the examples of the
  heads, not under shift.
- **width**: of the intervals, in units of the quality; lower says more.
- **interval score**: width plus 2 / (1 - level) times the distance by which the quality is missed;
  lower is better."""

TITLES = ("estimator", "score", "level", "coverage", "width", "interval score")


def intervals_as_markdown(table: pd.DataFrame) -> str:
    """Return one section a domain of the table that ``interval_table`` returns."""
    parts = [f"# Intervals: {escape(str(table['suite'].iloc[0]))}", LEGEND]
    for domain in table["domain"].unique():
        rows = table[table["domain"] == domain]
        cells = [_cells(row) for row in rows.to_dict(orient="records")]
        sizes = f"{rows['n'].iloc[0]} cases."
        parts += [f"## {escape(str(domain))}", sizes, pipe_table(TITLES, cells, texts=2)]
    return "\n\n".join(parts) + "\n"


def _cells(row: Row) -> list[str]:
    level, held = number(row, "level"), _with_ends(row, "coverage")
    met = number(row, "coverage_low") <= level <= number(row, "coverage_high")
    names = [code(str(row[name])) for name in ("estimator", "score")]
    widths = [_with_ends(row, name) for name in ("interval_width", "interval_score")]
    return [*names, f"{level:g}", held if met else f"**{held}**", *widths]


def _with_ends(row: Row, name: str) -> str:
    low, high = (fixed(number(row, f"{name}_{end}")) for end in ("low", "high"))
    return f"{fixed(number(row, name))} [{low}, {high}]"

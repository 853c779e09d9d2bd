"""The leaderboard in a terminal of 80 columns: what a newcomer wants to see first."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dicecast.data.cases import IN_DISTRIBUTION
from dicecast.leaderboard.choice import chosen_rows, has_choice, without_choice
from dicecast.leaderboard.render import Row, few_failures, fixed, number, rank_text, read_as

SHOWN_INTERVALS = ("failure_auroc",)
"""The intervals that are printed; a table for the terminal alone needs no others."""

CONTROLS = ("random", "constant", "volume")
"""Scores that know nothing of uncertainty; the best row of each is always shown."""

_NAME_WIDTH = 38

_CHOSEN = (
    "An estimator's score: of its aggregations, that with the highest Spearman on the\n"
    "  quality role, not on the test sets. The best of all rows: --show grid\n"
)


def print_leaderboard(
    table: pd.DataFrame, console: Console, top: int = 15, grid: bool = False
) -> None:
    """Print one row an estimator, heads, failures, and one line for each further domain.

    An estimator's row is that of the score chosen on the quality role.

    Args:
        table: As of ``build_leaderboard``, with ``SHOWN_INTERVALS`` or more.
        console: Where to print; 80 columns are enough.
        top: How many rows of the first domain are shown in a grid.
        grid: The best of all rows, and the controls, instead; as where nothing is chosen.
    """
    short = has_choice(table) and not grid
    suite = str(table["suite"].iloc[0])
    names = [str(name) for name in table["domain"].unique()]
    main = IN_DISTRIBUTION if IN_DISTRIBUTION in names else names[0]
    rows = table[table["domain"] == main]
    shown = chosen_rows(rows) if short else _shown(rows, top)
    console.print(Text(f"Leaderboard of {suite}: who knows how good a segmentation is?", "bold"))
    console.print(Text(_summary(rows, main, len(shown))))
    _print_warning(rows, console)
    console.print(_main_table(shown, "chosen_rank" if short else "rank"))
    if short and (rows["kind"] == "head").any():
        console.print(Text("\nQuality heads, mean over the estimators:", "bold"))
        console.print(_head_table(rows[rows["kind"] == "head"]))
    lacking = "" if grid else without_choice(table)
    if lacking:
        console.print(Text(lacking, "yellow"))
    for line in _failures(rows):
        console.print(Text(line, "red"), overflow="fold")
    others = [name for name in names if name != main]
    if others:
        console.print(Text("\nThe best of these rows under each shift:", "bold"))
        offered = table[table["chosen_rank"].notna()] if short else table
        console.print(_domain_table(offered, others))
    console.print(Text(_explanation(table, suite, short)))


def _shown(rows: pd.DataFrame, top: int) -> pd.DataFrame:
    defined = rows[rows["spearman"].notna()]
    controls = rows["score"].map(_control)
    best_controls = controls[(controls != "") & (rows["status"] == "ok")].drop_duplicates()
    keep = set(defined.index[:top]) | set(best_controls.index)
    return rows[rows.index.isin(keep)]


def _control(score: str) -> str:
    """Return which control a score is, also of a map as in ``random/mean``; empty for none."""
    name = score.split("/", maxsplit=1)[0]
    return name if name in CONTROLS else ""


def _summary(rows: pd.DataFrame, domain: str, shown: int) -> str:
    # Every row of a domain has as many cases.
    return (
        f"{domain}: {rows['n'].iloc[0]} cases, mean Dice {_mean(rows, 'mean_dice')}, "
        f"{_mean(rows, 'prevalence', 100)} % fail. {shown} of {len(rows)} rows:"
    )


def _mean(rows: pd.DataFrame, column: str, scale: float = 1.0) -> str:
    mean = float(rows.drop_duplicates("estimator")[column].mean()) * scale
    return "unknown" if np.isnan(mean) else f"{mean:.3g}"


def _print_warning(rows: pd.DataFrame, console: Console) -> None:
    warning = few_failures(rows)
    if warning:
        console.print(Text(warning, "yellow"))


def _main_table(rows: pd.DataFrame, rank: str) -> Table:
    table = _empty_table("rank", "estimator and score", "Spearman", "failure AUROC", "AURC")
    for cells in rows.to_dict(orient="records"):
        first = cells[rank] == 1 and cells["status"] == "ok"
        table.add_row(
            rank_text(cells, rank),
            _name(cells),
            _number(cells, "spearman"),
            _with_interval(cells, "failure_auroc"),
            _number(cells, "aurc"),
            style="green" if first else "dim" if _control(str(cells["score"])) else "",
        )
    return table


def _head_table(rows: pd.DataFrame) -> Table:
    """Average each head over the estimators for which it is defined; none is chosen of them."""
    table = _empty_table("mean of", "head", "Spearman", "failure AUROC", "AURC")
    defined = rows[rows["status"] == "ok"]
    columns = ["spearman", "failure_auroc", "aurc"]
    means = defined.groupby("score")[columns].mean().sort_values("spearman", ascending=False)
    counts = defined["score"].value_counts()
    for cells in means.reset_index().to_dict(orient="records"):
        score = str(cells["score"])
        numbers = [_number(cells, name) for name in columns]
        style = "dim" if _control(score) else ""
        table.add_row(str(counts[score]), Text(score), *numbers, style=style)
    return table


def _domain_table(table: pd.DataFrame, names: Iterable[str]) -> Table:
    shape = _empty_table(
        "cases", "domain, its best estimator and score", "Spearman", "failure AUROC", "AURC"
    )
    for name in names:
        rows = table[table["domain"] == name]
        row = rows.iloc[:1].to_dict(orient="records")[0]
        if np.isnan(number(row, "spearman")):
            row["estimator"], row["score"] = "(no row has a", "correlation)"
        shape.add_row(
            str(row["n"]),
            Text.assemble((name, "bold"), "\n", _name(row, "  ")),
            _number(row, "spearman"),
            _with_interval(row, "failure_auroc"),
            _number(row, "aurc"),
        )
    return shape


def _empty_table(first: str, name: str, *numbers: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(first, justify="right", no_wrap=True)
    table.add_column(name, width=_NAME_WIDTH, overflow="fold")
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _name(row: Row, indent: str = "") -> Text:
    """Put estimator and score on one line if they fit, else the score below."""
    estimator, score = str(row["estimator"]), str(row["score"])
    line = f"{indent}{estimator} {score}"
    if len(line) > _NAME_WIDTH:
        line = f"{indent}{estimator}\n{indent}  {score}"
    return Text(line)


def _number(row: Row, name: str) -> str:
    value = number(row, name)
    return "undefined" if np.isnan(value) else fixed(value)


def _with_interval(row: Row, name: str) -> str:
    value, low = number(row, name), number(row, f"{name}_low")
    if np.isnan(value) or np.isnan(low):
        return _number(row, name)
    return f"{fixed(value, 2)} [{fixed(low, 2)}, {fixed(number(row, f'{name}_high'), 2)}]"


def _failures(rows: pd.DataFrame) -> list[str]:
    """Return one line for each estimator and reason, and one for what is undefined."""
    lines = []
    failed = rows[rows["status"] == "failed"]
    for (estimator, reason), held in failed.groupby(["estimator", "reason"], sort=True):
        scores = ", ".join(sorted(held["score"])) if len(held) <= 3 else f"{len(held)} scores"
        lines.append(f"Failed: {estimator} {scores}".rstrip() + f": {reason}")
    undefined = int((rows["status"] == "undefined").sum())
    if undefined:
        lines.append(f"Undefined: {undefined} rows; the column 'reason' of the CSV says why.")
    return lines


def _explanation(table: pd.DataFrame, suite: str, short: bool) -> str:
    threshold = table.attrs["failure_threshold"]
    level = f"{100 * table.attrs['level']:g} %"
    target = f"{read_as(table)}\n" if table.attrs["target"] else ""
    chosen = _CHOSEN if short else ""
    return (
        "\nA rank such as 1-4 means that the data cannot tell these places apart.\n"
        "Spearman: does the score rank cases as their true Dice does? 1 is best.\n"
        f"failure AUROC [{level} interval]: does it find cases with Dice below {threshold:g}?\n"
        "  1 is best, 0.5 is chance. AURC: the risk left among accepted cases, 0 is best.\n"
        f"{target}{chosen}All rows and metrics: dicecast leaderboard {suite} --format csv"
    )

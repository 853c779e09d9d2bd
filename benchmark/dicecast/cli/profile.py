"""``dicecast profile``."""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from dicecast.cli.places import check_file, check_folder
from dicecast.cli.run import selected
from dicecast.harness.work import Work
from dicecast.stopwatch import Spent, Stopwatch, timed
from dicecast.suite import load_suite


def profile(  # noqa: PLR0913  one parameter an option
    suite: Annotated[str, typer.Argument(help="Name of a shipped suite, or path of a .toml file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    write: Annotated[
        Path | None, typer.Option(help="A file that the JSON object is written to as well.")
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(help="A store that holds something; by default an empty one, removed after."),
    ] = None,
    names: Annotated[str, typer.Option("--estimators", help="As for run.")] = "",
    seeds: Annotated[str, typer.Option(help="As for run.")] = "",
    data_root: Annotated[Path | None, typer.Option(help="As for run.")] = None,
    change: Annotated[list[str] | None, typer.Option("--set", help="As for run.")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="As for run.")] = None,
) -> None:
    """Run a suite and show where its wall time went, and the efficiency of the whole.

    All-in efficiency: counted floating-point operations / (wall time x rate of matrix products).

    Such as: dicecast profile quickstart --seeds 0
    """
    watch, begun = Stopwatch(), process_started()
    if store is not None:
        check_folder(store, "--store")
    if write is not None:
        check_file(write, "--write")
    with ExitStack() as open_until_the_end:
        open_until_the_end.enter_context(watch.listening())
        watch.add(("import",), Spent(time.perf_counter() - begun))
        place = Path(open_until_the_end.enter_context(tempfile.TemporaryDirectory()))
        loaded = load_suite(suite, change or ())
        work = Work(loaded, store or place, place / "results", data_root, tuple(plugin or ()))
        work = replace(work, suite=selected(loaded, names, seeds, work.load_plugins()))
        with timed("import"):
            from dicecast.cli.progress import reporter_for  # noqa: PLC0415
            from dicecast.harness.profile_facts import facts  # noqa: PLC0415
            from dicecast.harness.profiling import profiled  # noqa: PLC0415
        measured = profiled(work, watch, reporter_for(Console(stderr=True)), begun)
    found = facts(measured)
    text = json.dumps(found, indent=1)
    if write is not None:
        write.write_text(text + "\n", encoding="utf-8")
    if as_json:
        typer.echo(text)
    else:
        _print(found, Console())
    for failure in found["failures"]:
        typer.echo(f"FAILED {failure}", err=True)
    if found["failures"]:
        raise typer.Exit(1)


def process_started() -> float:
    """Return when this process started, by ``time.perf_counter``.

    Where the system does not tell it (it is Linux that does), it is now.
    """
    try:
        stat = Path("/proc/self/stat").read_text()
        ticks = int(stat.rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        age = 0.0
    return time.perf_counter() - age


COLUMNS = {
    "seconds": ("seconds", 1, ".1f"),
    "share": ("share", 1, ".1%"),
    "images": ("images", 1, ",d"),
    "images/s": ("images_per_second", 1, ",.0f"),
    "GFLOP": ("operations", 1e9, ",.0f"),
    "GFLOP/s": ("operations_per_second", 1e9, ",.1f"),
    "of rate": ("share_of_matrix_rate", 1, ".1%"),
}
"""Title, then the name of the value, its unit, and how it is written."""


def _print(found: dict[str, Any], console: Console) -> None:
    table = Table(box=None, padding=(0, 0, 0, 2), pad_edge=False)
    table.add_column("section", no_wrap=True)
    for title in COLUMNS:
        table.add_column(title, justify="right", no_wrap=True)
    for name, row in found["sections"].items():
        table.add_row(name, *(_cell(row[key], unit, form) for key, unit, form in COLUMNS.values()))
    console.print(table, highlight=False)
    if found["heads"]:
        each = [f"{score} {row['seconds']:.1f} s" for score, row in found["heads"].items()]
        console.print(f"Heads: {', '.join(each)}.", markup=False, highlight=False)
    rates = [f"{rate / 1e9:,.0f}" for rate in found["matrix_rates"][found["precision"]]]
    console.print(
        f"All-in efficiency {found['efficiency']:.1%}: {found['operations'] / 1e9:,.0f} GFLOP in "
        f"{found['wall_seconds']:.1f} s, where matrix products run at "
        f"{found['matrix_rate'] / 1e9:,.0f} GFLOP/s ({found['precision']}; measured before and "
        f"after: {', '.join(rates)}).",
        markup=False,
        highlight=False,
    )


def _cell(value: float | None, unit: float, form: str) -> str:
    return format(value / unit if unit != 1 else value, form) if value else ""

"""``dicecast submit-check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dicecast.errors import DicecastError, shown

_MOST = 10


def submit_check(
    results: Annotated[Path, typer.Argument(help="The folder of results, or of one suite in it.")],
    base: Annotated[
        str,
        typer.Option(
            help="What is there already, such as origin/main:results; by default nothing."
        ),
    ] = "",
    plugin: Annotated[
        list[Path] | None,
        typer.Option(help="Source of a plug-in that is published elsewhere, to compare with."),
    ] = None,
) -> None:
    """Check records that you want to add to the results of this repository.

    Prints a checklist: the files are what was written, the leaderboards follow
    from them, the suite is as shipped, the sources are known, and nothing tells
    of your machine. Exits with 1 where something is to be put right.
    docs/submit.md has the whole way.

    Examples:
      dicecast submit-check results --base origin/main:results

      dicecast submit-check results/quickstart --plugin my_estimator.py
    """
    for path in (results, *(plugin or ())):
        if not path.exists():
            raise DicecastError(f"There is no {path}. Name a folder of results, or a source file.")
    # Late, so that 'dicecast --help' does not wait for pandas.
    from dicecast.revisions.snapshot import read_snapshot  # noqa: PLC0415
    from dicecast.revisions.source import opened  # noqa: PLC0415
    from dicecast.submission.checklist import (  # noqa: PLC0415
        checked_files,
        checked_records,
        to_add,
    )

    checks = list(checked_files(results))
    if not checks[0].faults:
        old = None
        if base:
            with opened(base) as path:
                old = read_snapshot(path)
        records = to_add(read_snapshot(results), old)
        checks += checked_records(results, records, plugin or ())
    console = Console()
    for check in checks:
        _print(check.title, check.faults, check.remedy, console)
    if any(check.faults for check in checks):
        raise typer.Exit(1)
    console.print("Ready: open the pull request.", style="bold green")


def _print(title: str, faults: list[str], remedy: str, console: Console) -> None:
    mark, style = ("[FAIL]", "red") if faults else ("[ok]  ", "green")
    console.print(mark, style=style, end=" ", markup=False)
    console.print(title, markup=False, highlight=False)
    for fault in faults[:_MOST]:
        console.print(f"    {shown(fault)}", markup=False, highlight=False, soft_wrap=True)
    if len(faults) > _MOST:
        console.print(f"    ... and {len(faults) - _MOST} more", highlight=False)
    if faults:
        console.print(f"    -> {remedy}.", markup=False, highlight=False)

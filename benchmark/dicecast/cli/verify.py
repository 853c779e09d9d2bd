"""``dicecast verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dicecast.errors import DicecastError, shown


def verify(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of results, or of one suite in them.", show_default="results"),
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Check the artifacts of this store too.")
    ] = None,
    records_only: Annotated[
        bool,
        typer.Option(
            "--records-only", help="Leave out the leaderboards, whose intervals take the most time."
        ),
    ] = False,
) -> None:
    """Check that results are what was written, and leaderboards what the records give.

    Every record against its format, its hashes, its place, its suite and its
    neighbours; every generated file against the records; with --store, every
    stored file against its checksum. Each fault is a line that names the file
    and the remedy. Exits with 1 if there is one.

    Examples:
      dicecast verify

      dicecast verify results/quickstart --records-only

      dicecast verify --store .dicecast
    """
    folders = paths or ([] if store else [Path("results")])
    for folder in folders:
        if not folder.is_dir():
            raise DicecastError(
                f"{folder} must be a folder of results, such as 'results' or 'results/quickstart', "
                "and is no folder. Name another one."
            )
    console = Console()
    faults = sum(_verify_results(folder, records_only, console) for folder in folders)
    if store is not None:
        faults += _verify_store(store, console)
    if faults:
        console.print(f"{faults} fault{'s' if faults > 1 else ''} found.", style="bold red")
        raise typer.Exit(1)
    console.print("All is as it was written.", style="green")


def _verify_results(folder: Path, records_only: bool, console: Console) -> int:
    # Late, so that 'dicecast --help' does not wait for pandas.
    from dicecast.verification.verify import verify_results  # noqa: PLC0415

    faults = records = 0
    for verified in verify_results(folder, generated=not records_only):
        records += verified.records
        faults += len(verified.faults)
        for finding in verified.findings:
            print_finding(finding.text, finding.note, console)
    console.print(f"{folder}: {records} records checked.", highlight=False, soft_wrap=True)
    return faults


def _verify_store(store: Path, console: Console) -> int:
    from dicecast.store_check import check_store  # noqa: PLC0415

    faults = artifacts = 0
    for checked in check_store(store):
        artifacts += not checked.note
        if checked.fault:
            faults += not checked.note
            print_finding(checked.fault, checked.note, console)
    console.print(f"{store}: {artifacts} artifacts checked.", highlight=False, soft_wrap=True)
    return faults


def print_finding(text: str, note: bool, console: Console) -> None:
    """Print a finding for people; what a terminal would obey is written out."""
    word, style = ("note", "yellow") if note else ("fault", "red")
    console.print(f"{word}: ", style=style, end="", highlight=False)
    console.print(shown(text, keep="\n"), markup=False, highlight=False, soft_wrap=True)

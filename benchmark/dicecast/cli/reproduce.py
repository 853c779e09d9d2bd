"""``dicecast reproduce``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dicecast.errors import DicecastError
from dicecast.harness.quiet import quiet_start
from dicecast.plugins import add_plugin_file

if TYPE_CHECKING:
    from dicecast.records import Record

SHOWN = 20


def reproduce(
    record: Annotated[Path, typer.Argument(help="The sidecar of a record, seed-N.json.")],
    store: Annotated[
        Path | None, typer.Option(help="Take stages from this store; none by default.")
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the dataset.")] = None,
    results: Annotated[
        Path | None, typer.Option(help="Keep what is computed in this folder.")
    ] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="As for run.")] = None,
    tolerance: Annotated[
        float,
        typer.Option(min=0, help="Where bits are not promised: of a column's largest value."),
    ] = 1e-3,
) -> None:
    """Compute a record again from what it says of itself, and compare case by case.

    On the machine, packages and sources that it names, every number must be the same to the last
    bit; elsewhere, to the tolerance. Exit status 0: it is; 1: it deviates; 2: it cannot be told.

    Such as: dicecast reproduce results/quickstart/records/softmax/seed-0.json
    """
    from dicecast.records import read_record  # noqa: PLC0415  pandas is slow

    then = read_record(record)
    for path in plugin or ():
        add_plugin_file(path)
    if results is not None and record.resolve().is_relative_to(results.resolve()):
        raise DicecastError(f"{record} lies in {results}: name another folder with --results DIR.")
    console = Console()
    with tempfile.TemporaryDirectory(prefix="dicecast-") as scratch:
        folders = (store or Path(scratch) / "store", results or Path(scratch) / "results")
        now = _again(then, folders, data_root, console)
    if _told(then, now, tolerance, console):
        raise typer.Exit(1)


def _again(
    then: Record, folders: tuple[Path, Path], data_root: Path | None, console: Console
) -> Record:
    with console.status("Loading TensorFlow and the data ..."), quiet_start():
        from dicecast.cli.progress import reporter_for  # noqa: PLC0415
        from dicecast.reproduction.rebuild import rebuilt  # noqa: PLC0415  imports TensorFlow
    return rebuilt(then, *folders, data_root, reporter_for(console))


def _told(then: Record, now: Record, tolerance: float, console: Console) -> bool:
    """Print how both compare; return whether the record deviates."""
    from dicecast.reproduction.causes import differences, promised, unexplained  # noqa: PLC0415
    from dicecast.reproduction.comparison import deviations  # noqa: PLC0415

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    found = deviations(then, now)
    bits = promised(then.sidecar, now.sidecar)
    allowed = 0.0 if bits else tolerance
    beyond = [deviation for deviation in found if not deviation.size <= allowed]
    for deviation in (beyond or found)[:SHOWN]:
        say(f"{deviation.where}: {deviation.what}")
    if len(beyond or found) > SHOWN:
        say(f"... and {len(beyond or found) - SHOWN} columns more")
    if not found:
        say("Equal: every number of the record was computed again, to the last bit.")
        return False
    say("Differs in where it comes from: ")
    for cause in differences(then.sidecar, now.sidecar) or [unexplained(then.sidecar)]:
        say(f"  {cause}")
    if beyond:
        how = "bits are promised" if bits else f"the tolerance is {tolerance:g}"
        say(f"Deviates: {len(beyond)} columns, where {how}.")
    else:
        say(f"Equal within {tolerance:g} of each column's largest value.")
    return bool(beyond)

"""``dicecast store``: what a store holds, and what may go."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dicecast.errors import DicecastError, shown
from dicecast.store_contents import Stored, contents
from dicecast.store_pruning import Wanted, prune

app = typer.Typer(
    help="What the store of weights, predictions and records holds, and what may go.\n\n"
    "Start with: dicecast store size",
    no_args_is_help=True,
)
StoreFolder = Annotated[str, typer.Option("--store", help="The folder; as for run.")]
DEFAULT = ".dicecast"
_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))


@app.command("list")
def list_contents(
    store: StoreFolder = DEFAULT,
    stage: Annotated[
        list[str] | None, typer.Option(help="Of this stage alone; may be repeated.")
    ] = None,
) -> None:
    """List every artifact: what it is of, its size and its age.

    Such as: dicecast store list --stage backbone
    """
    table = Table("stage", "of", box=None, pad_edge=False)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    now = time.time()
    for stored in contents(_folder(store)):
        if not stage or stored.entry.stage in stage:
            of = Text(shown(stored.of))
            row = (of, in_bytes(stored.size), age(now - stored.modified))
            table.add_row(shown(stored.entry.stage), *row)
    Console().print(table)


@app.command()
def size(store: StoreFolder = DEFAULT) -> None:
    """Say how much each stage holds.

    Such as: dicecast store size --store .dicecast
    """
    held = contents(_folder(store))
    count, total = Counter[str](), Counter[str]()
    for stored in held:
        kind = stored.entry.stage if not stored.entry.mark else f"({stored.of})"
        count[kind] += 1
        total[kind] += stored.size
    table = Table("stage", box=None, pad_edge=False)
    table.add_column("artifacts", justify="right")
    table.add_column("size", justify="right")
    for kind in sorted(count):
        table.add_row(shown(kind), str(count[kind]), in_bytes(total[kind]))
    table.add_row("all", str(count.total()), in_bytes(total.total()))
    Console().print(table)


@app.command("prune")
def prune_store(
    store: StoreFolder = DEFAULT,
    older_than: Annotated[
        float | None, typer.Option(min=0, help="Artifacts written more than so many days ago.")
    ] = None,
    stage: Annotated[
        list[str] | None, typer.Option(help="Artifacts of this stage; may be repeated.")
    ] = None,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Artifacts that are damaged: reads every byte.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go.")] = False,
) -> None:
    """Remove what is half-written or was set aside as damaged, and artifacts if asked.

    Several options choose what all of them mean: old artifacts of a stage. It is safe beside a
    running process, and whatever is missing is computed again when it is needed.

    Examples:
      dicecast store prune

      dicecast store prune --older-than 30 --stage prediction --dry-run
    """
    held = contents(_folder(store))
    wanted = Wanted(time.time(), older_than, tuple(stage or ()), damaged)
    console = Console()
    removed, freed, in_use = 0, 0, 0
    for pruned in prune(held, wanted, dry_run):
        in_use += pruned.in_use
        removed += not pruned.in_use
        freed += 0 if pruned.in_use else pruned.stored.size
        _tell(console, pruned.stored, "in use, stays" if pruned.in_use else pruned.reason)
    verb = "Would remove" if dry_run else "Removed"
    busy = f"; {in_use} in use" if in_use else ""
    console.print(f"{verb} {removed} of {len(held)}: {in_bytes(freed)}{busy}.", highlight=False)


def _tell(console: Console, stored: Stored, why: str) -> None:
    text = shown(f"{stored.entry.stage}/{stored.entry.place.name[:12]} ({stored.of}): {why}")
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _folder(store: str) -> Path:
    if "://" in store:
        raise DicecastError(
            f"The store {store} is a URL; this looks at folders. Look at it with its own tools, or "
            "give the folder of what was fetched (in ~/.cache/dicecast) with --store DIR."
        )
    return Path(store)


def in_bytes(size: int) -> str:
    """Return a size such as ``12.3 MB``."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


def age(seconds: float) -> str:
    """Return an age such as ``3 d``; what is of the future, by a clock that jumped, is new."""
    for unit, factor in _UNITS:
        if seconds >= factor:
            return f"{seconds / factor:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"

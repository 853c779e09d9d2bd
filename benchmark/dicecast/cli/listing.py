"""``dicecast list``."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dicecast.errors import SuiteError, did_you_mean
from dicecast.listing import KINDS, listed


def list_plugins(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List suites, datasets, estimators, measures, aggregations, heads and metrics.

    Plug-in files are read, not run, so this needs no TensorFlow.
    """
    if kind and kind not in KINDS:
        raise SuiteError(f"There is no kind '{kind}'. {did_you_mean(kind, KINDS)}")
    found = {name: listed(name) for name in ([kind] if kind else KINDS)}
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    console = Console()
    for name, items in found.items():
        console.print(f"[bold]{name}[/bold] ({len(items)})")
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column()
        for title, summary in items.items():
            grid.add_row(Text(f"  {title}"), Text(summary))
        console.print(grid)

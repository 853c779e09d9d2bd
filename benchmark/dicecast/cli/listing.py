"""``dicecast list``."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

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
        width = min(max(map(len, items), default=0), 34)
        for title, summary in items.items():
            console.print(
                f"  {title:<{width}}  {summary}",
                markup=False,
                highlight=False,
                no_wrap=True,
                overflow="ellipsis",
            )

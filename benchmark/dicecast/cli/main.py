"""The ``dicecast`` command."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from dicecast.cli.leaderboard import leaderboard
from dicecast.cli.listing import list_plugins
from dicecast.cli.profile import profile
from dicecast.cli.run import run
from dicecast.cli.show import show
from dicecast.errors import DicecastError
from dicecast.version import __version__

app = typer.Typer(
    name="dicecast",
    help="Which uncertainty method can tell, without ground truth, how good a segmentation is?\n\n"
    "Start with: dicecast run quickstart",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command("list")(list_plugins)
app.command()(leaderboard)
app.command()(show)
app.command()(profile)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; errors meant for the user are one message and exit status 2."""
    try:
        app()
    except DicecastError as error:
        if "--debug" in sys.argv:
            raise
        Console(stderr=True).print(f"Error: {error}", markup=False, highlight=False)
        sys.exit(2)

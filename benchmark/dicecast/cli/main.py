"""The ``dicecast`` command."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from dicecast.cli.check import check
from dicecast.cli.compare import compare
from dicecast.cli.leaderboard import leaderboard
from dicecast.cli.listing import list_plugins
from dicecast.cli.new import new
from dicecast.cli.profile import profile
from dicecast.cli.reproduce import reproduce
from dicecast.cli.run import run
from dicecast.cli.score import score
from dicecast.cli.show import show
from dicecast.cli.store import app as store
from dicecast.cli.submit_check import submit_check
from dicecast.cli.verify import verify
from dicecast.errors import DicecastError, control_characters, shown
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
app.add_typer(store, name="store")
app.command()(reproduce)
app.command()(new)
app.command()(check)
app.command()(score)
app.command()(verify)
app.command()(compare)
app.command()(submit_check)


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
        _check_arguments(sys.argv[1:])
        app()
    except (DicecastError, OSError) as error:
        if "--debug" in sys.argv:
            raise
        text = shown(_text_of(error), keep="\n")
        Console(stderr=True).print(f"Error: {text}", markup=False, highlight=False)
        sys.exit(2)


def _check_arguments(arguments: list[str]) -> None:
    """Refuse what a terminal would obey: names go from here into messages, tables and paths."""
    for argument in arguments:
        if control_characters(argument):
            raise DicecastError(
                f"Arguments must hold no control characters; got {shown(argument[:200])!r}. "
                "Rename the file, or write TOML's escapes, such as \\n."
            )


def _text_of(error: DicecastError | OSError) -> str:
    if isinstance(error, DicecastError):
        return str(error)
    # What nothing else foresaw: a disk that is full, a folder that is not to be written.
    place = f"{error.filename} cannot be used: " if error.filename else ""
    return (
        f"{place}{error.strerror or error}. See that it can be read or written as needed, or run "
        "again with --debug to see where."
    )

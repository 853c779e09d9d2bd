"""``dicecast compare``."""

from __future__ import annotations

from typing import Annotated

import typer

_SOURCE = "A folder of results, a leaderboard.csv, or REVISION:PATH of this git repository."


def compare(
    old: Annotated[str, typer.Argument(help=f"What was there. {_SOURCE}")],
    new: Annotated[str, typer.Argument(help="What is there now; likewise.")] = "results",
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="By how much a number may differ.")
    ] = 1e-6,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="As Markdown, for a pull request.")
    ] = False,
) -> None:
    """Show what moved between two versions of results.

    Rows of leaderboards and records that were removed, added or are there
    twice; numbers of a row, values of a case, protocol versions and hashes that
    changed, each with both values. Ranks are not compared: one more row may
    move all of them. Exits with 1 if anything but an addition was found.

    Examples:
      dicecast compare origin/main:results results

      dicecast compare v1/leaderboard.csv v2/leaderboard.csv --markdown
    """
    # Late, so that 'dicecast --help' does not wait for pandas.
    from dicecast.revisions import compare as comparing  # noqa: PLC0415
    from dicecast.revisions.moves import Kind  # noqa: PLC0415
    from dicecast.revisions.page import as_markdown, as_text  # noqa: PLC0415
    from dicecast.revisions.snapshot import read_snapshot  # noqa: PLC0415
    from dicecast.revisions.source import opened  # noqa: PLC0415

    with opened(old) as before, opened(new) as after:
        found = comparing.compare(read_snapshot(before), read_snapshot(after), tolerance)
    typer.echo(as_markdown(found, old, new) if markdown else as_text(found), nl=not markdown)
    if any(move.kind is not Kind.ADDED for move in found):
        raise typer.Exit(1)

"""``dicecast leaderboard``: print, write or check the leaderboard of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dicecast.suite import Comparison, load_suite, shipped_suites


class Show(StrEnum):
    """How much of the leaderboard is shown."""

    BEST = "best"
    GRID = "grid"


class Format(StrEnum):
    """How the leaderboard is printed."""

    TABLE = "table"
    MARKDOWN = "md"
    CSV = "csv"
    JSON = "json"


def leaderboard(  # noqa: PLR0913  one parameter an option
    suite: Annotated[str, typer.Argument(help="A suite's name, or the path of its TOML file.")],
    results: Annotated[Path, typer.Option(help="The folder of results.")] = Path("results"),
    format: Annotated[Format, typer.Option(help="How to print it.")] = Format.TABLE,
    show: Annotated[
        Show,
        typer.Option(
            help="The aggregation of each estimator that does best on the quality role, and the "
            "heads; or the whole grid. CSV and JSON always hold all."
        ),
    ] = Show.BEST,
    check: Annotated[
        bool,
        typer.Option("--check", help="Exit with 1 if the committed files differ from the records."),
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Write leaderboard.csv and leaderboard.md.")
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option(help="A file, such as README.md, whose markers hold this leaderboard too."),
    ] = None,
) -> None:
    """Show which score knows how good a segmentation is, from the records of a suite."""
    name, comparisons = _suite(suite)
    if check:
        _check(results, name, comparisons, into)
    elif write or into:
        _write(results, name, comparisons, into)
    else:
        _print(results, name, comparisons, format, show is Show.GRID)


def _suite(suite: str) -> tuple[str, Sequence[Comparison]]:
    """Return name and questions of a suite; a bare name may be of a file that is elsewhere."""
    if suite in shipped_suites() or suite.endswith(".toml") or Path(suite).name != suite:
        loaded = load_suite(suite)
        return loaded.name, loaded.comparisons
    return suite, ()


def _check(results: Path, suite: str, comparisons: Sequence[Comparison], into: Path | None) -> None:
    from dicecast.leaderboard.files import check_leaderboard  # noqa: PLC0415

    difference = check_leaderboard(results, suite, comparisons, into)
    if difference:
        typer.echo(difference)
        typer.echo(
            f"The leaderboard of {suite} is not what its records give. Write it anew with "
            f"'dicecast leaderboard {suite} --results {results} --write'.",
            err=True,
        )
        raise typer.Exit(1)
    typer.echo(f"The leaderboard of {suite} is what its records give.")


def _write(results: Path, suite: str, comparisons: Sequence[Comparison], into: Path | None) -> None:
    from dicecast.leaderboard.files import write_leaderboard  # noqa: PLC0415

    for path in write_leaderboard(results, suite, comparisons, into).paths:
        typer.echo(f"Wrote {path}")


def _print(
    results: Path, suite: str, comparisons: Sequence[Comparison], form: Format, grid: bool
) -> None:
    # Imported late, so that 'dicecast --help' does not wait for pandas and SciPy.
    from dicecast.leaderboard.files import named_scores, read_leaderboard  # noqa: PLC0415
    from dicecast.leaderboard.markdown import as_markdown  # noqa: PLC0415
    from dicecast.leaderboard.render import as_csv, as_json  # noqa: PLC0415

    if form is Format.TABLE:
        from rich.console import Console  # noqa: PLC0415

        from dicecast.leaderboard.terminal import (  # noqa: PLC0415
            SHOWN_INTERVALS,
            print_leaderboard,
        )

        print_leaderboard(read_leaderboard(results, suite, SHOWN_INTERVALS), Console(), grid=grid)
        return
    table = read_leaderboard(results, suite)
    if form is Format.MARKDOWN:
        typer.echo(as_markdown(table, grid, named_scores(comparisons)), nl=False)
    else:
        typer.echo({Format.CSV: as_csv, Format.JSON: as_json}[form](table), nl=False)

"""``dicecast score``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from dicecast.plugins import add_plugin_file


def score(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that holds export.toml.")
    ],
    store: Annotated[Path, typer.Option(help="Folder of what was computed before.")] = Path(
        ".dicecast"
    ),
    results: Annotated[Path, typer.Option(help="Where records and leaderboards go.")] = Path(
        "results"
    ),
    plugin: Annotated[
        list[Path] | None, typer.Option(help="A Python file with a head that export.toml names.")
    ] = None,
    debug: Annotated[
        bool, typer.Option(help="Stop at the first failure, with its traceback.")
    ] = False,
) -> None:
    """Score predictions of a model in any framework, as those of an estimator.

    DIR holds a table of cases and, for each of them (by its stem), a file with
    its draws or mean probabilities and one with its true mask; also maps of
    uncertainty and images, if there are any:

      export.toml        name = "my-model"   suite = "prostate"
                         classes = ["background", "prostate"]
      cases.csv          stem,role           role: validation, quality or test
      draws/<stem>.npz   (draws, height, width, classes), probabilities
      truth/<stem>.png   the class of each pixel

    Files are read a few cases at a time, however many there are. Nothing is
    written unless all is well. docs/bring-your-own-predictions.md has every
    rule, and an example for PyTorch.

    Example:
      dicecast score my-export --results results
    """
    for path in plugin or ():
        add_plugin_file(path)
    console = Console()
    from dicecast.exported.engine import choose_engine  # noqa: PLC0415  imports pydantic models
    from dicecast.exported.export import open_export  # noqa: PLC0415  imports pandas

    with console.status("Reading the cases ..."):
        export = open_export(folder)
    manifest = export.manifest
    console.print(f"{manifest.name} {manifest.description}".strip(), markup=False, highlight=False)
    engine = choose_engine(manifest.heads)
    from dicecast.harness.quiet import quiet_start  # noqa: PLC0415

    with console.status(f"Loading Keras on {engine} ..."), quiet_start():
        from dicecast.cli.progress import reporter_for  # noqa: PLC0415
        from dicecast.exported.scoring import ExportRun, check_belongs  # noqa: PLC0415
        from dicecast.store import Store  # noqa: PLC0415

        run = ExportRun(export, Store(store), reporter_for(console), debug)
    finished = run.finished()
    check_belongs(results, finished.record)
    from dicecast.leaderboard.files import write_leaderboard  # noqa: PLC0415
    from dicecast.leaderboard.terminal import print_leaderboard  # noqa: PLC0415
    from dicecast.records import write_record  # noqa: PLC0415

    write_record(results, finished.record)
    written = write_leaderboard(results, manifest.suite)
    print_leaderboard(written.table, console)
    console.print(f"Written: {', '.join(str(path) for path in written.paths)}", soft_wrap=True)
    for failure in finished.failures:
        console.print(f"FAILED {failure}", markup=False, highlight=False, soft_wrap=True)
    if finished.failures:
        raise typer.Exit(1)

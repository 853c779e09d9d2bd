"""``dicecast run``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from dicecast.cli.computing import chosen_cluster, chosen_limits, computing
from dicecast.cli.places import check_folder
from dicecast.errors import SuiteError, briefly, did_you_mean
from dicecast.harness.work import Work
from dicecast.plugins import estimators
from dicecast.suite import Suite, load_suite

if TYPE_CHECKING:
    from dicecast.cluster.settings import Settings
    from dicecast.harness.child import Limits
    from dicecast.harness.outcome import Failure


def run(  # noqa: PLR0913  one parameter an option
    suite: Annotated[str, typer.Argument(help="Name of a shipped suite, or path of a .toml file.")],
    names: Annotated[
        str, typer.Option("--estimators", help="Only these, by label, with commas between.")
    ] = "",
    seeds: Annotated[str, typer.Option(help="Only these seeds, with commas between.")] = "",
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of the dataset, for suites on files.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a value, e.g. --set training.epochs=5."),
    ] = None,
    store: Annotated[
        str, typer.Option(help="Folder (or fsspec URL) of weights and predictions.")
    ] = ".dicecast",
    results: Annotated[Path, typer.Option(help="Where records and leaderboards go.")] = Path(
        "results"
    ),
    plugin: Annotated[
        list[Path] | None,
        typer.Option(help="A Python file with an estimator, head or dataset; its estimators run."),
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Share the stages out among so many processes here.")
    ] = 0,
    scheduler: Annotated[
        str, typer.Option(help="Or among the workers of this Dask scheduler, tcp://...")
    ] = "",
    cluster: Annotated[
        Path | None,
        typer.Option(help="Or among those of this TOML file: Slurm, PBS, SGE, LSF."),
    ] = None,
    isolate: Annotated[
        bool, typer.Option(help="Each run in a process of its own, whose end stops no other.")
    ] = False,
    time_limit: Annotated[
        float, typer.Option(help="The same; stop a run after so many seconds.", min=0)
    ] = 0,
    memory_limit: Annotated[
        int, typer.Option(help="The same; stop a run with so many MB of memory.", min=0)
    ] = 0,
    debug: Annotated[
        bool, typer.Option(help="Stop at the first failure, with its traceback.")
    ] = False,
) -> None:
    """Run a suite: train, predict, fit heads, write records and the leaderboard.

    What is in the store is not computed again, so a run that was interrupted goes on where it was.

    Pixels that are too many for memory are kept, while it runs, in files in the folder that the
    environment variable DICECAST_SCRATCH names (else in /tmp, or in TMPDIR).

    Examples:
      dicecast run quickstart

      dicecast run isic2017-64 --data-root DIR --seeds 0 --estimators softmax,mc_dropout

      dicecast run quickstart --plugin my_estimator.py

      dicecast run quickstart --workers 4

      dicecast run quickstart --plugin a_strangers.py --time-limit 600
    """
    on_cluster = chosen_cluster(workers, scheduler, cluster)
    elsewhere = debug or on_cluster is not None
    limits = chosen_limits(isolate, time_limit, memory_limit, elsewhere)
    loaded = load_suite(suite, change or ())
    place = store if "://" in store else Path(store)
    check_folder(place, "--store")
    check_folder(results, "--results")
    work = Work(loaded, place, results, data_root, tuple(plugin or ()), debug)
    chosen = selected(loaded, names, seeds, work.load_plugins())
    console = Console()
    console.print(Text.assemble((chosen.name, "bold"), " ", chosen.description))
    failures = _run(replace(work, suite=chosen), limits or on_cluster, console)
    _conclude(chosen, results, failures, console)


def _conclude(chosen: Suite, results: Path, failures: Sequence[Failure], console: Console) -> None:
    """Write and print the leaderboard, and what failed; exit with 1 if anything did."""
    from dicecast.leaderboard.files import write_leaderboard  # noqa: PLC0415
    from dicecast.leaderboard.terminal import print_leaderboard  # noqa: PLC0415

    written = write_leaderboard(results, chosen.name, chosen.comparisons)
    print_leaderboard(written.table, console)
    files = ", ".join(str(path) for path in written.paths)
    console.print(f"Written: {files}", markup=False, soft_wrap=True)
    for failure in failures:
        console.print(f"FAILED {failure}", markup=False, highlight=False, soft_wrap=True)
    if failures:
        raise typer.Exit(1)


def selected(suite: Suite, names: str, seeds: str, added: list[str]) -> Suite:
    """Return the suite with the named estimators and those that were added, and these seeds."""
    if names:
        suite = suite.with_estimators([name.strip() for name in names.split(",")])
    missing = [name for name in added if name not in {p.title for p in suite.estimators}]
    suite = suite.with_estimators([*(p.title for p in suite.estimators), *missing])
    if seeds:
        suite = suite.with_seeds(_seeds(seeds))
    known = estimators.declared()
    for part in suite.estimators:
        if part.name not in known:
            raise SuiteError(
                f"There is no estimator {briefly(part.name)}. {did_you_mean(part.name, known)}"
            )
    return suite


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(seed) for seed in text.split(","))
    except ValueError:
        raise SuiteError(
            f"--seeds takes numbers with commas between, such as 0,1,2; got {briefly(text)}."
        ) from None


def _run(work: Work, where: Settings | Limits | None, console: Console) -> list[Failure]:
    from dicecast.harness.matrix import Matrix  # noqa: PLC0415  imports pandas

    matrix = Matrix(work)
    if matrix.stored:
        console.print(f"{len(matrix.stored)} of {len(work.run_keys())} records are in the store.")
    if not matrix.missing:
        return []
    return matrix.run(computing(work, where, console))

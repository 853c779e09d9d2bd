"""Where ``dicecast run`` computes: in this process, or on the workers of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from dicecast.errors import DicecastError
from dicecast.harness.quiet import quiet_start
from dicecast.harness.work import Work

if TYPE_CHECKING:
    from dicecast.cluster.settings import Settings
    from dicecast.harness.matrix import Compute


def chosen_cluster(workers: int, scheduler: str, file: Path | None) -> Settings | None:
    """Return what --workers, --scheduler and --cluster say, or None for this process.

    Raises:
        DicecastError: More than one is given, or one is wrong.
    """
    if not workers and not scheduler and file is None:
        return None
    if bool(workers) + bool(scheduler) + (file is not None) > 1:
        raise DicecastError("Give one of --workers, --scheduler and --cluster, not several.")
    from dicecast.cluster.settings import cluster_of  # noqa: PLC0415

    return cluster_of(workers, scheduler, file)


def computing(work: Work, cluster: Settings | None, console: Console) -> Compute:
    """Return what computes the runs of ``work``, its progress shown on ``console``."""
    return _here(work, console) if cluster is None else _there(work, cluster, console)


def _here(work: Work, console: Console) -> Compute:
    """Return what computes runs in this process."""
    with console.status("Loading TensorFlow and the data ..."), quiet_start():
        from dicecast.cli.progress import reporter_for  # noqa: PLC0415
        from dicecast.harness.run import SuiteRun  # noqa: PLC0415  imports TensorFlow

        reporter = reporter_for(console)
        store = work.open_store()
        prepared = SuiteRun(work.suite, store, work.results, work.data_root, reporter, work.debug)
    return prepared.finished


def _there(work: Work, cluster: Settings, console: Console) -> Compute:
    """Return what computes runs on a cluster."""
    try:
        from dicecast.cluster.compute import on_cluster  # noqa: PLC0415  imports Dask
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("dask", "distributed"):
            raise
        raise DicecastError(
            f"Running on a cluster needs {error.name}. Install it with: pip install "
            "'dicecast[cluster]'"
        ) from error
    from dicecast.cli.matrix_progress import watcher_for  # noqa: PLC0415

    return on_cluster(work, cluster, watcher_for(console))

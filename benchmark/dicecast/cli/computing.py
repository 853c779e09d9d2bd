"""Where ``dicecast run`` computes: here, in a process a run, or on the workers of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from dicecast.errors import DicecastError
from dicecast.harness.child import Limits
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


def chosen_limits(isolate: bool, seconds: float, memory_mb: int, elsewhere: bool) -> Limits | None:
    """Return what --isolate, --time-limit and --memory-limit say; a limit isolates.

    Raises:
        DicecastError: One is wrong, or the runs are computed ``elsewhere`` or to be debugged.
    """
    limits = Limits(seconds, memory_mb)
    if not isolate and limits == Limits():
        return None
    if elsewhere:
        raise DicecastError(
            "--isolate, --time-limit and --memory-limit are for runs in processes of this command; "
            "leave out --workers, --scheduler, --cluster and --debug."
        )
    return limits


def computing(work: Work, where: Settings | Limits | None, console: Console) -> Compute:
    """Return what computes the runs of ``work``, its progress shown on ``console``."""
    if where is None:
        return _here(work, console)
    return (
        _apart(work, where, console) if isinstance(where, Limits) else _there(work, where, console)
    )


def _apart(work: Work, limits: Limits, console: Console) -> Compute:
    """Return what computes each run in a process of its own."""
    from dicecast.cli.progress import reporter_for  # noqa: PLC0415
    from dicecast.harness.isolated import in_processes  # noqa: PLC0415  imports pandas

    return in_processes(work, limits, reporter_for(console))


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

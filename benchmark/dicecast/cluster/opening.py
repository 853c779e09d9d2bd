"""Opens what stages are computed on: local processes, a scheduler that runs, or batch jobs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import dask
from distributed import Client, Nanny, SpecCluster
from distributed import Scheduler as DaskScheduler

from dicecast.cluster.pinning import Pinned, gpus, shares, thread_variables
from dicecast.cluster.settings import BatchSystem, LocalWorkers, Scheduler, Settings
from dicecast.errors import DicecastError

CONNECT_SECONDS = 30

CONFIGURATION: Mapping[str, Any] = {
    # Results are in the store: there is nothing to spill, and to pause a worker helps nobody.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    # A worker inside a long TensorFlow call is not lost.
    "distributed.scheduler.worker-ttl": None,
    "distributed.admin.tick.limit": "1h",
}


@contextmanager
def opened(settings: Settings) -> Iterator[Client]:
    """Give a client of the cluster; local workers and batch jobs end with the context.

    Raises:
        DicecastError: It cannot be opened.
    """
    logging.getLogger("distributed").setLevel(logging.ERROR)
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(CONFIGURATION))
        match settings:
            case Scheduler():
                target: Any = settings.address
            case LocalWorkers():
                target = stack.enter_context(_local(settings))
            case BatchSystem():
                target = stack.enter_context(_jobs(settings))
        try:
            yield stack.enter_context(Client(target, timeout=CONNECT_SECONDS))
        except (OSError, TimeoutError) as error:
            if not isinstance(settings, Scheduler):
                raise
            raise DicecastError(
                f"There is no Dask scheduler at {settings.address} ({error}). Start one with "
                "'dask scheduler', or correct the address."
            ) from error


def resources_of(settings: Settings) -> dict[str, float]:
    """Return what a stage takes of its worker."""
    if isinstance(settings, LocalWorkers):
        return {"GPU": 1.0} if gpus() else {}
    return dict(settings.resources)


@contextmanager
def _local(settings: LocalWorkers) -> Iterator[SpecCluster]:
    devices = gpus()
    if devices and settings.workers > len(devices):
        raise DicecastError(
            f"One stage takes one GPU: this machine has {len(devices)}, but --workers is "
            f"{settings.workers}. Ask for fewer, or hide the GPUs with CUDA_VISIBLE_DEVICES=-1."
        )
    workers = {}
    for number, cores in enumerate(shares(settings.workers, settings.threads)):
        options: dict[str, Any] = {
            "nthreads": 1,
            "memory_limit": 0,
            "silence_logs": logging.ERROR,
            "plugins": [Pinned(cores)],
            "env": thread_variables(len(cores)),
        }
        if devices:
            options["env"] = options["env"] | {"CUDA_VISIBLE_DEVICES": devices[number]}
            options["resources"] = {"GPU": 1}
        workers[number] = {"cls": Nanny, "options": options}
    scheduler = {"cls": DaskScheduler, "options": {"dashboard_address": ":0", "port": 0}}
    # Read when libraries are loaded, so set before the process begins.
    variables = thread_variables(len(cores)) | {"DASK_LOGGING__DISTRIBUTED": "critical"}
    with (
        _environment_kept(),
        dask.config.set({"distributed.nanny.pre-spawn-environ": variables}),
        SpecCluster(workers, scheduler=scheduler, silence_logs=logging.ERROR) as cluster,
    ):
        yield cluster


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Undo what Dask sets in this process so that its workers inherit it."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _jobs(settings: BatchSystem) -> Iterator[Any]:
    import dask_jobqueue  # noqa: PLC0415  not needed for local workers

    classes = {"slurm": "SLURM", "pbs": "PBS", "sge": "SGE", "lsf": "LSF"}
    create = getattr(dask_jobqueue, f"{classes[settings.system]}Cluster")
    try:
        cluster = create(**job_options(settings))
        # Not ``scale``: a job that ends before the run, as by its walltime, is followed by another.
        cluster.adapt(minimum_jobs=settings.workers, maximum_jobs=settings.workers)
    except (OSError, RuntimeError, ValueError) as error:
        raise DicecastError(f"No job can be given to {settings.system}: {error}") from error
    with cluster:
        yield cluster


def job_options(settings: BatchSystem) -> dict[str, Any]:
    """Return the settings in the words of dask-jobqueue."""
    threads = thread_variables(settings.cores)
    arguments = ["--nthreads", "1"]
    if settings.resources:
        offered = [f"{name}={amount:g}" for name, amount in settings.resources.items()]
        arguments += ["--resources", f"'{','.join(offered)}'"]
    account = "project" if settings.system in ("sge", "lsf") else "account"
    return {
        "cores": settings.cores,
        "processes": 1,
        "memory": settings.memory,
        "walltime": settings.walltime,
        "queue": settings.queue,
        account: settings.account,
        "python": settings.python,
        "interface": settings.interface,
        "local_directory": settings.local_directory,
        "log_directory": settings.log_directory,
        "job_extra_directives": settings.directives,
        "job_script_prologue": [
            *settings.prologue,
            *(f"export {name}={value}" for name, value in threads.items()),
        ],
        # The last --nthreads counts: one stage at a time, on all cores of the job.
        "worker_extra_args": arguments,
        "scheduler_options": {"dashboard_address": ":0"},
    }

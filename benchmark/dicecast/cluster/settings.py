"""Cluster files: where stages are computed, as checked values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from dicecast.errors import DicecastError, did_you_mean
from dicecast.registry import explain
from dicecast.toml_file import read_toml

Resources = dict[str, Annotated[float, Field(gt=0, le=1e18)]]
Memory = Annotated[str, Field(pattern=r"^[0-9.]+ ?[kMGT]i?B$")]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class LocalWorkers(_Settings):
    """Processes on this machine, ``--workers N``.

    Attributes:
        system: Always "local".
        workers: How many; the cores are shared out among them.
        threads: Of each worker; by default its share of the cores.
    """

    system: Literal["local"] = "local"
    workers: int = Field(ge=1, le=1024)
    threads: int | None = Field(None, ge=1, le=1024)


class Scheduler(_Settings):
    """A Dask scheduler that runs already: ``--scheduler``, Kubernetes, Dask Gateway, by hand.

    Attributes:
        system: Always "dask".
        address: Such as ``tcp://10.0.0.1:8786`` or ``tls://...``.
        resources: What a stage takes of its worker, such as ``{"GPU": 1}``.
    """

    system: Literal["dask"] = "dask"
    address: str = Field(pattern=r"^(tcp|tls|ws|wss|ucx)://.+")
    resources: Resources = Field(default_factory=dict)


class BatchSystem(_Settings):
    """Jobs of a batch system, each of which is one worker.

    Attributes:
        system: "slurm", "pbs", "sge" or "lsf".
        workers: How many jobs.
        cores: Of each job; also the threads of TensorFlow there.
        memory: Of each job, such as "16 GB".
        walltime: After which a job ends, as the system writes it; its stage is computed again.
        queue: Or partition.
        account: Or project, whom the time is charged to.
        directives: Further lines for the head of the job, without "#SBATCH" and the like.
        prologue: Shell lines before the worker starts.
        python: The interpreter of the workers; by default this one.
        interface: The network interface, such as "ib0".
        local_directory: A fast folder of each node.
        log_directory: Where jobs write what they print.
        resources: What a worker offers and a stage takes, such as ``{"GPU": 1}``.
    """

    system: Literal["slurm", "pbs", "sge", "lsf"]
    workers: int = Field(ge=1, le=100_000)
    cores: int = Field(ge=1, le=100_000)
    memory: Memory
    walltime: str | None = None
    queue: str | None = None
    account: str | None = None
    directives: list[str] = Field(default_factory=list)
    prologue: list[str] = Field(default_factory=list)
    python: str | None = None
    interface: str | None = None
    local_directory: str | None = None
    log_directory: str | None = None
    resources: Resources = Field(default_factory=dict)


Settings = LocalWorkers | Scheduler | BatchSystem
_FILE: TypeAdapter[Settings] = TypeAdapter(Annotated[Settings, Field(discriminator="system")])


def load_cluster(path: Path) -> Settings:
    """Read a cluster file.

    Raises:
        DicecastError: It cannot be read, is no TOML, or a key or value is wrong.
    """
    table = read_toml(path, "cluster file")
    _check_keys(table, path)
    try:
        return _FILE.validate_python(table)
    except ValidationError as error:
        raise DicecastError(
            f"The cluster file {path} is not valid: {explain(error)}. Correct it there."
        ) from error


def cluster_of(workers: int, scheduler: str, file: Path | None) -> Settings:
    """Return what the options --workers, --scheduler and --cluster say, of which one is given.

    Raises:
        DicecastError: A wrong number, address or file.
    """
    if file is not None:
        return load_cluster(file)
    try:
        return Scheduler(address=scheduler) if scheduler else LocalWorkers(workers=workers)
    except ValidationError as error:
        raise DicecastError(
            "--workers takes a number of processes and --scheduler an address such as "
            f"tcp://10.0.0.1:8786: {explain(error)}."
        ) from error


def _check_keys(table: dict[str, Any], path: Path) -> None:
    """Name a wrong system, and unknown keys with the nearest known one."""
    models: dict[str, type[BaseModel]] = {"local": LocalWorkers, "dask": Scheduler}
    models |= dict.fromkeys(("slurm", "pbs", "sge", "lsf"), BatchSystem)
    system = table.get("system", "")
    if not isinstance(system, str) or system not in models:
        raise DicecastError(
            f"The cluster file {path} must name a system; got system = {system!r}. "
            f"{did_you_mean(str(system), models)}"
        )
    known = models[system].model_fields
    for key in table:
        if key not in known:
            raise DicecastError(
                f"The cluster file {path}: system '{system}' has no key '{key}'. "
                f"{did_you_mean(key, known)}"
            )

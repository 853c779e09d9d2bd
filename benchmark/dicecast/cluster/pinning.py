"""Shares cores and GPUs out among workers, so that they do not stand in each other's way."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

from dicecast.harness.machine import cores as number_of_cores


class Pinned(WorkerPlugin):  # type: ignore[misc]
    """Keeps a worker's process on its cores, which every library counts before it makes threads.

    Args:
        cores: Numbers of the cores.
    """

    def __init__(self, cores: list[int]) -> None:
        self.cores = cores

    def setup(self, worker: Any) -> None:
        """Pin the process; leave an interruption by the keyboard to the client, which ends it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, self.cores)


def shares(workers: int, threads: int | None = None) -> list[list[int]]:
    """Return the cores of each worker, equally many: what one computes depends on their number.

    Where there are fewer cores than threads, workers share them.
    """
    cores = _cores()
    each = threads or max(1, len(cores) // workers)
    return [
        sorted({cores[(worker * each + i) % len(cores)] for i in range(each)})
        for worker in range(workers)
    ]


def thread_variables(threads: int) -> dict[str, str]:
    """Return what tells TensorFlow, OpenMP and the BLAS libraries how many threads to make."""
    names = (
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
    )
    return dict.fromkeys(names, str(threads))


def gpus() -> list[str]:
    """Return the GPUs this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name not in ("", "-1")]
    found = [re.fullmatch(r"nvidia(\d+)", path.name) for path in Path("/dev").glob("nvidia*")]
    return sorted((match[1] for match in found if match), key=int)


def _cores() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(number_of_cores()))

"""What a run was computed on."""

from __future__ import annotations

import os
import platform
import resource
import sys
from pathlib import Path

NO_ACCELERATOR = "none"


def machine() -> dict[str, str | int]:
    """Return the processor, its cores, the system and the Python version."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def accelerator_present() -> bool:
    """Whether this machine offers a GPU or TPU, told by its device files: no import, no start.

    Only a framework can tell whether it can use what is there.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return any(
        any(Path("/dev").glob(pattern)) for pattern in ("nvidia[0-9]*", "kfd", "accel[0-9]*", "dxg")
    )


def peak_memory_mb() -> float:
    """Return the largest resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"

"""One suite, run in this process alone: prints its seconds and its peak memory as JSON."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def measured(settings: dict[str, Any]) -> dict[str, Any]:
    """Run a suite of one seed from nothing.

    Args:
        settings: The suite, as a TOML file would give it.

    Returns:
        ``stages``: seconds of each (see ``dicecast.stopwatch``); ``peak_mb``: largest resident
        memory, MiB; ``data_mb``: size of the images, masks and raters' masks, MiB.

    Raises:
        RuntimeError: Something of the suite failed.
    """
    started = time.perf_counter()
    from dicecast.harness.machine import peak_memory_mb  # noqa: PLC0415  importing is a stage
    from dicecast.harness.run import SuiteRun  # noqa: PLC0415
    from dicecast.stopwatch import Stopwatch  # noqa: PLC0415
    from dicecast.store import Store  # noqa: PLC0415
    from dicecast.suite import Suite  # noqa: PLC0415

    imported = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder, Stopwatch().listening() as watch:
        suite, store = Suite.model_validate(settings), Store(Path(folder) / "store")
        run = SuiteRun(suite, store, Path(folder) / "results")
        failures = run.run()
        if failures:
            raise RuntimeError("; ".join(map(str, failures)))
    stages = {"import": imported}
    for (stage, *_), spent in watch.spent.items():
        stages[stage] = stages.get(stage, 0.0) + spent.seconds
    return {
        "stages": {stage: round(seconds, 2) for stage, seconds in stages.items()},
        "peak_mb": peak_memory_mb(),
        "data_mb": round(_megabytes(run), 1),
    }


def _megabytes(run: Any) -> float:
    from dicecast.stacks import nbytes  # noqa: PLC0415

    stacks = [(c.images, c.masks, c.raters) for _, c in run.data.roles()]
    found = [stack for case in stacks for stack in case if stack is not None]
    return sum(nbytes(stack.shape, stack.dtype) for stack in found) / 2**20


if __name__ == "__main__":
    answer = os.fdopen(os.dup(1), "w")
    # What a library prints must not mix with the answer.
    os.dup2(2, 1)
    print(json.dumps(measured(json.load(sys.stdin))), file=answer, flush=True)

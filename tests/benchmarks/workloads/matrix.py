"""A matrix of independent runs: one softmax network a seed, trained and predicting, no heads."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from dicecast.harness.matrix import Compute, Matrix
from dicecast.harness.work import Work
from dicecast.records import read_records
from dicecast.suite import load_suite


def run(workers: int, stages: int, epochs: int) -> dict[str, float]:
    """Run the matrix once, from an empty store.

    Args:
        workers: Processes of one thread each; 0 computes in this process, with its threads.
        stages: How many (seeds), each one training and one prediction.
        epochs: Of each training.

    Returns:
        ``seconds`` of everything, the start of processes and of TensorFlow included, and
        ``in_stages``, the seconds that the stages took one by one.
    """
    changes = [f"training.epochs={epochs}", "heads=[]", "comparisons=[]"]
    suite = load_suite("quickstart", changes).with_estimators(["softmax"])
    suite = suite.model_copy(update={"seeds": tuple(range(stages))})
    with tempfile.TemporaryDirectory() as folder:
        work = Work(suite, Path(folder) / "store", Path(folder) / "results")
        started = time.perf_counter()
        failures = Matrix(work).run(_computing(work, workers))
        seconds = time.perf_counter() - started
        assert failures == [], failures
        kept = [record.sidecar.seconds for record in read_records(work.results, suite.name)]
    assert len(kept) == stages
    return {"seconds": seconds, "in_stages": sum(k["train"] + k["predict"] for k in kept)}


def _computing(work: Work, workers: int) -> Compute:
    if not workers:
        from dicecast.harness.run import SuiteRun  # noqa: PLC0415  imports TensorFlow
        from dicecast.store import Store  # noqa: PLC0415

        return lambda keys: SuiteRun(work.suite, Store(work.store), work.results).finished(keys)
    from dicecast.cluster.compute import on_cluster  # noqa: PLC0415  imports Dask
    from dicecast.cluster.settings import LocalWorkers  # noqa: PLC0415
    from dicecast.cluster.watching import Watcher  # noqa: PLC0415

    return on_cluster(work, LocalWorkers(workers=workers, threads=1), Watcher())

"""The client's side: hands stages to Dask as they become ready, and collects the records."""

from __future__ import annotations

import heapq
import itertools
import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from dicecast.cluster.stage_graph import StageGraph
from dicecast.cluster.watching import Watcher
from dicecast.cluster.worker import TOPIC, Versions, compute_stage, versions
from dicecast.errors import DicecastError
from dicecast.harness.outcome import Finished, RunKey
from dicecast.harness.stages import (
    Done,
    Failed,
    HeadStage,
    Outcome,
    PredictStage,
    RecordStage,
    Stage,
    TrainStage,
)
from dicecast.harness.stored_records import StoredRecords
from dicecast.harness.work import Work

FIRST = 2
ORDER: dict[type, int] = {RecordStage: 0, TrainStage: 1, PredictStage: 3, HeadStage: 3}
"""What is started first of what is ready: records are quick, others wait for a training, and the
``FIRST`` stage of a run finds out what must be trained; the rest in the order it became ready."""

SECONDS_BETWEEN_LOOKS = 1.0


class Dispatcher:
    """Computes runs of a suite on the workers of a Dask scheduler.

    No more stages are handed to Dask than there are workers, so that what is ready starts in our
    order and nothing waits behind a long stage. Dask chooses the worker and gives the stage of a
    lost one to another; workers may join and leave at any time.

    Args:
        client: Connected to the scheduler.
        work: The suite, with paths that mean the same on every worker.
        watcher: Receives the progress.
        resources: What a stage takes of its worker, such as ``{"GPU": 1}``.
    """

    def __init__(
        self, client: Client, work: Work, watcher: Watcher, resources: Mapping[str, float]
    ) -> None:
        self.client, self.work, self.watcher = client, work, watcher
        self.resources = dict(resources)
        self._records = StoredRecords(work.suite, work.open_store(), work.data_root)
        self._expected: Versions = versions()
        self._ready: list[tuple[int, int, Stage]] = []
        self._running: dict[str, tuple[Stage, Future]] = {}
        self._events: queue.Queue[Any] = queue.Queue()
        self._count = itertools.count()
        self._seen, self._looked = 0, -SECONDS_BETWEEN_LOOKS

    def finished(self, keys: Sequence[RunKey]) -> Iterator[Finished]:
        """Yield what comes of each of ``keys``, in the order in which they are done.

        Raises:
            DicecastError: A worker cannot open the suite, or the scheduler is lost.
        """
        heads = len(self.work.suite.heads)
        self.graph = StageGraph(keys, heads, self.work.suite.quality_fit.folds_used)
        self.watcher.begin(keys, heads)
        self.client.subscribe_topic(TOPIC, lambda event: self._events.put(event[1]))
        try:
            self._add(self.graph.first(), FIRST)
            while self._ready or self._running:
                self._hand_over()
                for stage, outcome in self._next():
                    self.watcher.ended(stage, outcome)
                    self._add(self.graph.after(stage, outcome))
                    if isinstance(stage, RecordStage) and isinstance(outcome, Done):
                        yield self._finished(stage, outcome)
        finally:
            self.client.cancel([future for _, future in self._running.values()])
            self.client.unsubscribe_topic(TOPIC)
            self.watcher.end()

    def _add(self, stages: Sequence[Stage], place: int | None = None) -> None:
        for stage in stages:
            self.watcher.ready(stage)
            order = ORDER[type(stage)] if place is None else place
            heapq.heappush(self._ready, (order, next(self._count), stage))

    def _hand_over(self) -> None:
        """Hand the next stages to Dask while there are free workers."""
        free = self._workers() - len(self._running)
        for _ in range(min(free, len(self._ready))):
            stage = heapq.heappop(self._ready)[2]
            name = f"{stage} #{next(self._count)}"
            future = self.client.submit(
                compute_stage,
                self.work,
                stage,
                self._expected,
                key=name,
                resources=self.resources or None,
                pure=False,
            )
            self._running[name] = (stage, future)
            future.add_done_callback(self._events.put)

    def _workers(self) -> int:
        """Return how many workers offer the resources, asking once a second."""
        if time.monotonic() < self._looked + SECONDS_BETWEEN_LOOKS:
            return self._seen
        self._looked = time.monotonic()
        workers = self.client.scheduler_info(n_workers=-1)["workers"].values()
        able = [
            worker
            for worker in workers
            if all(worker["resources"].get(k, 0) >= v for k, v in self.resources.items())
        ]
        if workers and not able:
            raise DicecastError(
                f"A stage needs a worker that offers {self.resources}; none of the {len(workers)} "
                "does. Start workers with --resources, or change [resources]."
            )
        self._seen = len(able)
        self.watcher.workers(self._seen)
        return self._seen

    def _next(self) -> Iterator[tuple[Stage, Outcome]]:
        """Wait for something to happen; yield the stage that ended, if that is what happened."""
        try:
            event = self._events.get(timeout=SECONDS_BETWEEN_LOOKS)
        except queue.Empty:
            return
        if isinstance(event, Future):
            stage, future = self._running.pop(event.key)
            outcome = _outcome(future)
            # Not left to its finaliser: Python ignores a Ctrl-C that arrives inside one.
            future.release()
            yield stage, outcome
        else:
            self.watcher.note(*event)

    def _finished(self, stage: RecordStage, outcome: Done) -> Finished:
        finished = self._records.handed_over(outcome.value)
        if finished is None:
            raise DicecastError(
                f"A worker stored the record of {stage.key}, but it is not in {self.work.store} "
                "here. Give a store that this machine shares with the workers, with --store."
            )
        self.watcher.finished(finished)
        return finished


def _outcome(future: Future) -> Outcome:
    """Return what came of a stage.

    Raises:
        DicecastError: The suite could not be opened, or the scheduler is gone.
    """
    try:
        outcome: Outcome = future.result()
        return outcome
    except KilledWorker as error:
        return Failed(
            f"{error.allowed_failures + 1} workers died while they computed it; most often they "
            "had too little memory"
        )
    except CancelledError as error:
        raise DicecastError(
            "The connection to the Dask scheduler was lost. What is in the store is kept: run the "
            "same command again."
        ) from error

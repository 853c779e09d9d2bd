"""Progress of a run on a cluster: the whole matrix in one display, or plain lines."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dicecast.cluster.watching import Watcher
from dicecast.harness.outcome import Finished, RunKey
from dicecast.harness.stages import (
    Failed,
    HeadStage,
    Needs,
    Outcome,
    PredictStage,
    Stage,
    TrainStage,
)


def watcher_for(console: Console) -> Watcher:
    """Return the live display where the console is a terminal, else plain lines."""
    return LiveWatcher(console) if console.is_terminal else LineWatcher(console)


class LineWatcher(Watcher):
    """A line when a training or prediction ends and when a run does, for logs and CI."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._where: dict[str, tuple[str, float]] = {}

    def begin(self, keys: Sequence[RunKey], heads: int) -> None:
        """Remember how many runs there are."""
        self.runs, self.number = len(keys), 0

    def note(self, stage: str, worker: str, text: str) -> None:
        """Remember where and since when the stage is computed."""
        if text:
            return
        if stage in self._where:
            self._line(f"{stage}: its worker was lost; it runs again on worker {worker}")
        self._where[stage] = (worker, time.perf_counter())

    def ended(self, stage: Stage, outcome: Outcome) -> None:
        """Say what was trained or predicted, where, and in what time."""
        worker, started = self._where.pop(str(stage), ("?", time.perf_counter()))
        if isinstance(stage, TrainStage | PredictStage) and not isinstance(outcome, Needs):
            failed = f"failed: {outcome.message}, " if isinstance(outcome, Failed) else ""
            seconds = time.perf_counter() - started
            self._line(f"{stage}: {failed}{seconds:.0f} s on worker {worker}")

    def finished(self, finished: Finished) -> None:
        """Say how a run ended."""
        self.number += 1
        self._line(f"[{self.number}/{self.runs}] {finished}")

    def _line(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveWatcher(Watcher):
    """A table of all runs: what state each is in, and what is computed of it where."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._workers = 0
        self._stages: dict[str, Stage] = {}
        self._notes: dict[str, str] = {}
        self._heads_done: Counter[RunKey] = Counter()
        self._results: dict[RunKey, str] = {}

    def begin(self, keys: Sequence[RunKey], heads: int) -> None:
        """Start the display."""
        self._keys, self._heads = list(keys), heads
        self.live = Live(console=self.console, refresh_per_second=4, get_renderable=self.table)
        self.live.start()

    def workers(self, count: int) -> None:
        """Remember how many workers there are."""
        self._workers = count

    def ready(self, stage: Stage) -> None:
        """Remember a stage that waits."""
        self._stages[str(stage)] = stage

    def note(self, stage: str, worker: str, text: str) -> None:
        """Remember what is computed where."""
        if stage in self._stages:  # else the note was overtaken by the end
            self._notes[stage] = f"{_kind(stage)} on worker {worker} {text}"

    def ended(self, stage: Stage, outcome: Outcome) -> None:
        """Forget the stage."""
        self._stages.pop(str(stage), None)
        self._notes.pop(str(stage), None)
        self._heads_done[stage.key] += isinstance(stage, HeadStage)

    def finished(self, finished: Finished) -> None:
        """Print how a run ended above the table."""
        self._results[finished.key] = str(finished)
        self.live.console.print(str(finished), markup=False, highlight=False)

    def end(self) -> None:
        """Take the display away."""
        self.live.stop()

    def table(self) -> RenderableType:
        """Return the display as it is now; another thread asks for it."""
        head = Text(
            f"{len(self._results)} of {len(self._keys)} runs done, "
            f"{len(self._notes)} stages on {self._workers} workers"
        )
        grid = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(3):
            grid.add_column(no_wrap=True, overflow="ellipsis")
        left = [key for key in self._keys if key not in self._results]
        room = max(1, self.console.height - 4)
        for key in sorted(left, key=lambda key: not self._now(key))[:room]:
            grid.add_row(Text(str(key)), Text(self._state(key)), Text("; ".join(self._now(key))))
        hidden = Text(f"and {len(left) - room} more") if len(left) > room else Text()
        return Group(head, grid, hidden)

    def _now(self, key: RunKey) -> list[str]:
        """Return what is computed of a run now."""
        return [
            self._notes.get(name, "")
            for name, stage in list(self._stages.items())
            if stage.key == key and name in self._notes
        ]

    def _state(self, key: RunKey) -> str:
        if self._heads_done[key]:
            return f"{self._heads_done[key]}/{self._heads} heads"
        kinds = {type(stage) for stage in list(self._stages.values()) if stage.key == key}
        if TrainStage in kinds:
            return "training"
        return "predicting" if PredictStage in kinds else "waiting for a backbone"


def _kind(stage: str) -> str:
    return stage.split(" ", 1)[0]

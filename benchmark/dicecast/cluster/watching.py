"""What a run on a cluster tells the person who waits for it."""

from __future__ import annotations

from collections.abc import Sequence

from dicecast.harness.outcome import Finished, RunKey
from dicecast.harness.stages import Outcome, Stage


class Watcher:
    """Receives the progress of the whole matrix; this one keeps silent."""

    def begin(self, keys: Sequence[RunKey], heads: int) -> None:
        """The runs that will be computed, each with so many heads."""

    def workers(self, count: int) -> None:
        """So many workers are there now."""

    def ready(self, stage: Stage) -> None:
        """A stage is known and waits for a worker."""

    def note(self, stage: str, worker: str, text: str) -> None:
        """A worker computes the stage of this name; ``text`` says how far, "" that it begins."""

    def ended(self, stage: Stage, outcome: Outcome) -> None:
        """A stage ended."""

    def finished(self, finished: Finished) -> None:
        """A run has its record."""

    def end(self) -> None:
        """The matrix is complete, or was stopped."""

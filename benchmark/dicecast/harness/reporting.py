"""What a run tells the person who waits for it."""

from __future__ import annotations


class Reporter:
    """Receives the progress of a run; this one keeps silent. The command line has others."""

    def begin(self, runs: int) -> None:
        """A suite begins that has this many (estimator, seed) runs."""

    def run(self, estimator: str, seed: int) -> None:
        """The run of an estimator under a seed begins."""

    def stage(self, name: str, total: int = 0, unit: str = "images") -> None:
        """A stage begins that will advance to ``total`` (0: unknown)."""

    def advance(self, amount: int, note: str = "") -> None:
        """The stage has advanced by ``amount``; ``note`` says how it stands."""

    def done(self, message: str) -> None:
        """The run ended; the message is one line for the person."""

    def end(self) -> None:
        """The suite ended, well or not."""

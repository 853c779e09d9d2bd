"""Progress of a run: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from dicecast.harness.reporting import Reporter


def reporter_for(console: Console) -> Reporter:
    """Return the live display where the console is a terminal, else plain lines."""
    return LiveReporter(console) if console.is_terminal else LineReporter(console)


class LineReporter(Reporter):
    """One line when a run begins and one when it ends, for logs and CI."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def begin(self, runs: int) -> None:
        """Remember how many runs there are."""
        self.runs, self.number, self.started = runs, 0, time.perf_counter()

    def run(self, estimator: str, seed: int) -> None:
        """Say which run begins."""
        self.number += 1
        self._line(f"[{self.number}/{self.runs}] {estimator} seed {seed} ...")

    def done(self, message: str) -> None:
        """Say how it ended, and the time that is left at this pace."""
        passed = time.perf_counter() - self.started
        left = passed / self.number * (self.runs - self.number)
        self._line(f"[{self.number}/{self.runs}] {message}; about {left:.0f} s left")

    def _line(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveReporter(Reporter):
    """Two bars: the runs of the suite, and the stage of the run in hand with its images/s."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=console,
        )

    def begin(self, runs: int) -> None:
        """Start the display."""
        self.progress.start()
        self.whole = self.progress.add_task("suite", total=runs, note="")
        self.current = self.progress.add_task("", total=None, note="", visible=False)
        self.title = ""

    def run(self, estimator: str, seed: int) -> None:
        """Name the run in hand."""
        self.title = f"{estimator} seed {seed}"
        self.progress.update(self.whole, description=self.title)

    def stage(self, name: str, total: int = 0, unit: str = "images") -> None:
        """Start the lower bar anew."""
        self.stage_started, self.done_amount = time.perf_counter(), 0
        self.progress.reset(
            self.current, description=f"  {name}", total=total or None, note="", visible=True
        )

    def advance(self, amount: int, note: str = "") -> None:
        """Move the lower bar."""
        self.done_amount += amount
        speed = self.done_amount / max(time.perf_counter() - self.stage_started, 1e-9)
        self.progress.update(self.current, advance=amount, note=f"{speed:.0f} images/s {note}")

    def done(self, message: str) -> None:
        """Print how the run ended above the bars."""
        self.progress.update(self.current, visible=False)
        self.progress.advance(self.whole)
        self.progress.console.print(message, markup=False, highlight=False)

    def end(self) -> None:
        """Take the display away."""
        self.progress.stop()

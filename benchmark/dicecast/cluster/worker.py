"""What a Dask worker does: it opens the suite once and computes the stages it is given."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from distributed import get_worker

from dicecast.errors import DicecastError
from dicecast.harness.quiet import quiet_start
from dicecast.harness.reporting import Reporter
from dicecast.harness.stages import Outcome, Stage
from dicecast.harness.work import Work
from dicecast.identity import code_version, package_versions

if TYPE_CHECKING:
    from dicecast.harness.stepwise import StepwiseRun

TOPIC = "dicecast"
SECONDS_BETWEEN_NOTES = 0.5


class Versions(NamedTuple):
    """What must be the same in all processes of a run."""

    code: str
    packages: dict[str, str]


def versions() -> Versions:
    """Return the versions of this process."""
    return Versions(code_version("."), package_versions())


class Note(NamedTuple):
    """Where a stage is computed and how far it is."""

    stage: str
    worker: str
    text: str


class NoteReporter(Reporter):
    """Sends the progress of a stage to the client, a few times a second at most."""

    def __init__(self) -> None:
        self.current = ""
        self._sent = 0.0

    def begin_stage(self, stage: Stage) -> None:
        """Name what is computed from now on."""
        self.current = str(stage)
        self._send("")

    def stage(self, name: str, total: int = 0, unit: str = "images") -> None:
        """Remember how much there is to do."""
        self._total, self._done, self._unit = total, 0, unit
        self._started = time.perf_counter()

    def advance(self, amount: int, note: str = "") -> None:
        """Send how much is done."""
        self._done += amount
        now = time.perf_counter()
        if now - self._sent < SECONDS_BETWEEN_NOTES:
            return
        speed = self._done / max(now - self._started, 1e-9)
        share = f"{self._done / self._total:.0%} " if self._total else ""
        self._send(f"{share}{speed:.0f} {self._unit}/s {note}".strip())

    def _send(self, text: str) -> None:
        self._sent = time.perf_counter()
        worker = get_worker()
        worker.log_event(TOPIC, tuple(Note(self.current, str(worker.name), text)))


def compute_stage(work: Work, stage: Stage, expected: Versions) -> Outcome:
    """Compute one stage of ``work`` in this process; see ``StepwiseRun.compute``.

    Args:
        work: The suite.
        stage: Which stage.
        expected: What the client runs.

    Raises:
        DicecastError: This process runs other code or packages than the client, or the suite cannot
            be opened here.
    """
    _PROCESS.reporter.begin_stage(stage)
    return _PROCESS.opened(work, expected).compute(stage)


class _Process:
    """Holds the suite that this process works on, so that it is opened once."""

    def __init__(self) -> None:
        self.work: Work | None = None
        self.reporter = NoteReporter()

    def opened(self, work: Work, expected: Versions) -> StepwiseRun:
        """Return the opened suite."""
        if self.work != work:
            _check_threads()
            _check_versions(expected)
            with quiet_start():
                from dicecast.harness.stepwise import StepwiseRun  # noqa: PLC0415  TensorFlow

                work.load_plugins()
                self.run = StepwiseRun(work, self.reporter)
            self.work = work
        return self.run


_PROCESS = _Process()


def _check_threads() -> None:
    threads = get_worker().state.nthreads
    if threads != 1:
        raise DicecastError(
            f"A worker computes one stage at a time; {get_worker().address} would compute "
            f"{threads}. Start the workers with --nthreads 1."
        )


def _check_versions(expected: Versions) -> None:
    here = versions()
    names = {*here.packages, *expected.packages}
    different = [
        f"{name} {here.packages.get(name, 'missing')} instead of {expected.packages.get(name)}"
        for name in sorted(names)
        if here.packages.get(name) != expected.packages.get(name)
    ]
    if here.code != expected.code:
        different.append("another source of dicecast")
    if different:
        raise DicecastError(
            f"All workers must run what the client runs; {get_worker().address} has "
            f"{', '.join(different)}. Start the workers in the client's environment."
        )

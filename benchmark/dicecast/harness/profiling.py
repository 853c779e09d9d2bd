"""Runs a suite with a stopwatch: where its wall time went, and what the machine could have done."""

from __future__ import annotations

import time
from dataclasses import dataclass

from dicecast.harness.outcome import Failure
from dicecast.harness.quiet import quiet_start
from dicecast.harness.reporting import Reporter
from dicecast.harness.work import Work
from dicecast.stopwatch import Names, Spent, Stopwatch, timed

SECTIONS = (
    "import",
    "data",
    "trace",
    "train",
    "validate",
    "sample",
    "aggregate",
    "pixels",
    "heads",
    "score",
    "read",
    "write",
)
"""In the order of a run; "read" and "write" are the store's, the records' and the leaderboard's."""

EVERYWHERE = ("import", "trace", "read", "write")
"""Sections that count for themselves in heads too; a head's training is the head's."""

MEASURING = "measuring"
"""The section of what only a profile does, which is no part of the wall time."""


@dataclass(frozen=True)
class Profile:
    """Where the wall time of a run went.

    Attributes:
        suite: Its name.
        precision: In which its networks compute.
        wall_seconds: From the start of the process to the written leaderboard.
        spent: By the names of the sections, the outermost first; see ``SECTIONS``.
        matrix_rates: By precision: operations a second of matrix products, before and after.
        failures: What did not finish.
    """

    suite: str
    precision: str
    wall_seconds: float
    spent: dict[Names, Spent]
    matrix_rates: dict[str, list[float]]
    failures: list[Failure]

    @property
    def sections(self) -> dict[str, Spent]:
        """What was spent in each section, in the order of ``SECTIONS``.

        Images of heads are the cases that they were fitted on, not those of their epochs.
        """
        found = dict.fromkeys(SECTIONS, Spent())
        for names, spent in self.spent.items():
            section = section_of(names)
            counted = spent if section == names[-1] else spent._replace(images=0)
            found[section] = found.get(section, Spent()).plus(counted)
        return found

    @property
    def heads(self) -> dict[str, Spent]:
        """What was spent on each head, by its score."""
        found: dict[str, Spent] = {}
        for names, spent in self.spent.items():
            if section_of(names) == "heads" and names[-1] != "heads":
                score = names[names.index("heads") + 1]
                found[score] = found.get(score, Spent()).plus(spent)
        return found

    @property
    def unaccounted_seconds(self) -> float:
        """Wall time outside of all sections."""
        return self.wall_seconds - sum(spent.seconds for spent in self.spent.values())

    @property
    def operations(self) -> int:
        """Counted floating-point operations of the whole run."""
        return sum(spent.operations for spent in self.spent.values())

    @property
    def matrix_rate(self) -> float:
        """Operations a second of matrix products in the suite's precision, over the run."""
        rates = self.matrix_rates[self.precision]
        return sum(rates) / len(rates)

    @property
    def efficiency(self) -> float:
        """Counted operations by those of matrix products in the same wall time, in [0, 1]."""
        return self.operations / (self.wall_seconds * self.matrix_rate)


def section_of(names: Names) -> str:
    """Return the section that counts what was spent under these names."""
    known = [name for name in names if name in SECTIONS] or [names[-1]]
    return "heads" if "heads" in known and known[-1] not in EVERYWHERE else known[-1]


def profiled(work: Work, watch: Stopwatch, reporter: Reporter, started: float) -> Profile:
    """Run a suite with its leaderboard and return where the time went.

    Args:
        work: What to run; with a store that holds nothing, everything is computed.
        watch: Listening; it may hold what was spent already.
        reporter: Receives the progress.
        started: When the wall time began, by ``time.perf_counter``.
    """
    precision = work.suite.compute.precision
    rates: dict[str, list[float]] = {}
    failures = _run(work, watch, reporter, rates)
    with timed("import"):
        from dicecast.leaderboard.files import write_leaderboard  # noqa: PLC0415
    write_leaderboard(work.results, work.suite.name, work.suite.comparisons)
    passed = time.perf_counter() - started
    measuring = [spent.seconds for names, spent in watch.spent.items() if MEASURING in names]
    spent = {names: spent for names, spent in watch.spent.items() if MEASURING not in names}
    _measure(precision, rates)
    return Profile(work.suite.name, precision, passed - sum(measuring), spent, rates, failures)


def _run(
    work: Work, watch: Stopwatch, reporter: Reporter, rates: dict[str, list[float]]
) -> list[Failure]:
    with timed("import"):
        from dicecast.harness.matrix import Matrix  # noqa: PLC0415  imports pandas
    matrix = Matrix(work)
    if not matrix.missing:
        return []
    with quiet_start():
        with timed("import"):
            from dicecast.harness.run import SuiteRun  # noqa: PLC0415  imports TensorFlow
        _measure(work.suite.compute.precision, rates)
        store = work.open_store()
        prepared = SuiteRun(work.suite, store, work.results, work.data_root, reporter, work.debug)
    images = sum(len(cases) for _, cases in prepared.data.roles())
    watch.add(("data",), Spent(images=images))
    return matrix.run(prepared.finished)


def _measure(precision: str, rates: dict[str, list[float]]) -> None:
    with timed(MEASURING):
        from dicecast.networks.matrix_rate import matrix_rate  # noqa: PLC0415

        for kind in dict.fromkeys(("float32", precision)):
            rates.setdefault(kind, []).append(matrix_rate(kind))

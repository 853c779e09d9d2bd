"""The leaderboard and the other files that are made from the records of a suite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from dicecast.leaderboard.files import committed_files
from dicecast.leaderboard.markdown import FIGURES
from dicecast.records import Record
from dicecast.suite import Comparison, Suite, load_suite, shipped_suites
from dicecast.verification.finding import Finding, fault

LEADERBOARD = "leaderboard.csv"
_TABLES = ("leaderboard", "comparisons", "pixels", "out_of_distribution", "intervals")
GENERATED = (
    *(f"{name}.{ending}" for name in _TABLES for ending in ("csv", "md")),
    *(f"figures/{name}.png" for name in FIGURES),
)
"""All files that records may give, within the folder of their suite."""


def generated_faults(folder: Path, differences: dict[Path, list[str]]) -> Iterator[Finding]:
    """Yield a fault for each generated file that is not what the records give.

    Args:
        folder: Of the suite's results.
        differences: As :func:`generated_files` gives them.
    """
    place = folder.absolute()
    remedy = f"write it anew with 'dicecast leaderboard {place.name} --write'"
    for path, lines in differences.items():
        if lines:
            yield fault(path, "be what the records give", _seen(path, lines), remedy)


def generated_files(folder: Path, records: Sequence[Record]) -> dict[Path, list[str]]:
    """Return every file that the records give, with the lines in which the committed one differs.

    Raises:
        DicecastError: The records do not belong in one table.
    """
    return committed_files(folder, records, questions(records))


def questions(records: Sequence[Record]) -> Sequence[Comparison]:
    """Return the questions that a leaderboard answers: those of the shipped suite of this name.

    For a suite from elsewhere, those that its records were run with.
    """
    sidecar = records[0].sidecar
    if sidecar.suite in shipped_suites():
        return load_suite(sidecar.suite).comparisons
    if not sidecar.suite_settings:
        return ()
    return Suite.model_validate(sidecar.suite_settings).comparisons


def _seen(path: Path, lines: list[str]) -> str:
    if not path.is_file():
        return "it is missing"
    held = [line[1:] for line in lines if line.startswith("-") and not line.startswith("---")]
    wanted = [line[1:] for line in lines if line.startswith("+") and not line.startswith("+++")]
    if not held and not wanted:
        return lines[0].removeprefix(f"{path} ")
    counts = f"{len(held)} of its lines are others and {len(wanted)} are missing"
    return f"{counts}, the first by '{_cut((held or wanted)[0])}'"


def _cut(line: str, most: int = 60) -> str:
    return line if len(line) <= most else f"{line[:most]}..."

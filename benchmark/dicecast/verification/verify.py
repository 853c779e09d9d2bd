"""All that can be checked of a folder of results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dicecast.errors import DicecastError
from dicecast.records import FIRST_SEALED_VERSION
from dicecast.verification.agreement import disagreements
from dicecast.verification.finding import Finding, fault
from dicecast.verification.folder import files_of, sidecars, strangers
from dicecast.verification.generated import (
    GENERATED,
    LEADERBOARD,
    generated_faults,
    generated_files,
)
from dicecast.verification.record import Checked, check_record


class Verified(NamedTuple):
    """What was checked, and found.

    Attributes:
        records: How many records were checked.
        findings: By file.
    """

    records: int
    findings: list[Finding]

    @property
    def faults(self) -> list[Finding]:
        """What is wrong."""
        return [finding for finding in self.findings if not finding.note]


def suite_folders(results: Path) -> list[Path]:
    """Return the folders of suites in a folder of results; itself, if it is one of a suite.

    Raises:
        DicecastError: There is none.
    """
    if (results / "records").is_dir():
        return [results]
    found = sorted(path.parent for path in results.glob("*/records") if path.is_dir())
    if not found:
        raise DicecastError(
            f"{results} must be a folder of results, such as 'results' or 'results/quickstart'; it "
            "has no folder 'records'. Name another one, or run a suite first."
        )
    return found


def verify_results(results: Path, generated: bool = True) -> Iterator[Verified]:
    """Check the folders of all suites in a folder of results, one after the other.

    Args:
        results: Such as ``results``, or the folder of one suite, such as ``results/quickstart``.
        generated: Whether the leaderboard and the other files that the records give are made anew
            and compared, which takes longer than all else together.

    Raises:
        DicecastError: There are no records.
    """
    folders = suite_folders(results)
    for path in sorted(results.glob(f"*/{LEADERBOARD}")):
        if path.parent not in folders:
            must, remedy = "stand beside the records it is made from", "restore them, or remove it"
            yield Verified(0, [fault(path, must, "there are none", remedy)])
    yield from (verify_suite(folder, generated) for folder in folders)


def verify_suite(folder: Path, generated: bool = True) -> Verified:
    """Check the folder of one suite; see :func:`verify_results`."""
    checked = [check_record(path) for path in sidecars(folder)]
    findings = [finding for one in checked for finding in one.findings]
    records = {one.path: one.record for one in checked if one.record is not None}
    findings += disagreements(folder, records)
    given = {folder / name for name in GENERATED}
    if generated and records and not findings:
        try:
            differences = generated_files(folder, list(records.values()))
        except DicecastError as error:
            findings.append(Finding(folder, f"{folder}: {error}"))
        else:
            given = set(differences)
            findings += generated_faults(folder, differences)
    elif generated:
        findings.append(_skipped(folder))
    parts = [files_of(one.path, one.sidecar) for one in checked]
    findings += strangers(folder, given.union(*parts))
    return Verified(len(checked), findings + _unsealed(folder, checked))


def _skipped(folder: Path) -> Finding:
    text = (
        f"{folder}: whether the generated files are what the records give was not checked, because "
        "of what is wrong with the records."
    )
    return Finding(folder, text, note=True)


def _unsealed(folder: Path, checked: list[Checked]) -> list[Finding]:
    count = sum(not one.sealed for one in checked)
    if not count:
        return []
    text = (
        f"{folder}: {count} of {len(checked)} records are from before version "
        f"{FIRST_SEALED_VERSION} of the format, whose sidecars hold no hash of themselves: a "
        "change in what no other check covers, such as their seconds, cannot be seen; run the "
        "suite again with its store to have them written anew."
    )
    return [Finding(folder, text, note=True)]

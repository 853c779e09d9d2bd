"""The checklist of a submission."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from dicecast.records import Record, table_path, tables_of
from dicecast.revisions.snapshot import RecordKey, Snapshot
from dicecast.submission.disclosure import disclosures
from dicecast.submission.provenance import known_sources, suite_fault, unknown_sources
from dicecast.verification.verify import verify_results
from dicecast.version import PROTOCOL_VERSION

MOST_BYTES = 10 * 2**20
"""Of one file of a record; those of the shipped suites have less than 1 MiB."""

Records = Mapping[RecordKey, Record]


class Check(NamedTuple):
    """One line of the checklist.

    Attributes:
        title: What must hold.
        faults: Where it does not, with what was seen.
        remedy: What to do then.
    """

    title: str
    faults: list[str]
    remedy: str


def checked_files(results: Path) -> Iterator[Check]:
    """Yield what ``dicecast verify`` says of all files, in two checks.

    Raises:
        DicecastError: There are no records.
    """
    faults = [fault for verified in verify_results(results) for fault in verified.faults]
    made = [fault for fault in faults if "must be what the records give" in fault.text]
    others = [fault for fault in faults if fault not in made]
    yield Check(
        "Every record is what was written, and nothing else is there",
        [fault.text for fault in others],
        "See 'dicecast verify'; records are written by 'dicecast run' alone, never by hand",
    )
    yield Check(
        "Leaderboards are what the records give",
        [fault.text for fault in made],
        "Run 'dicecast leaderboard SUITE --write --into README.md' and add what it wrote",
    )


def checked_records(results: Path, records: Records, plugins: Iterable[Path]) -> Iterator[Check]:
    """Yield the checks of the records that are to be added.

    Args:
        results: The folder of results.
        records: Those to add.
        plugins: Files of plug-ins that are named instead of included.
    """
    held = {str(key): record.sidecar for key, record in records.items()}
    known = known_sources(plugins)
    yield Check(
        "There is a record to add, and one that did not fail",
        [] if any(s.status == "ok" for s in held.values()) else [f"{len(held)} records, none ok"],
        "Run a suite with your estimator: 'dicecast run quickstart --plugin my_estimator.py'",
    )
    yield Check(
        "The suite is a shipped one, as it is shipped",
        _texts({name: suite_fault(sidecar) for name, sidecar in held.items()}),
        "Run it again without --set and --seeds; a new suite is a pull request of its own",
    )
    yield Check(
        f"The protocol is that of this version, {PROTOCOL_VERSION}",
        _texts({n: _protocol_fault(s.protocol_version) for n, s in held.items()}),
        "Update dicecast and run the suite again",
    )
    yield Check(
        "The source of every part is in this repository, or named",
        _texts({n: ", ".join(unknown_sources(s, known)) for n, s in held.items()}),
        "Put the plug-in, as it was run, into baselines/ or name it with --plugin FILE; where the "
        "repository has changed since, run again with its sources",
    )
    yield Check(
        "No path or name of a machine or a person is told",
        _texts({n: "; ".join(disclosures(s.model_dump(mode="json"))) for n, s in held.items()}),
        "Run again with relative paths; what an error said may have to be put otherwise",
    )
    sizes = {str(path): path.stat().st_size for path in _files(results, records)}
    large = {path: f"{size / 2**20:.0f} MiB" for path, size in sizes.items() if size > MOST_BYTES}
    yield Check(
        f"No file of a record has more than {MOST_BYTES >> 20} MiB",
        _texts(large),
        "Records hold a row a case; a suite of so many cases is agreed on before",
    )


def to_add(new: Snapshot, old: Snapshot | None) -> Records:
    """Return the records that ``old`` lacks or has otherwise; all of them where it is None."""
    held = (old and old.records) or {}
    found = new.records or {}
    return {key: one for key, one in found.items() if not _alike(one, held.get(key))}


def _alike(one: Record, other: Record | None) -> bool:
    return other is not None and one.sidecar == other.sidecar


def _protocol_fault(version: int) -> str:
    return "" if version == PROTOCOL_VERSION else f"it is of protocol {version}"


def _texts(faults: Mapping[str, str]) -> list[str]:
    return [f"{name}: {text}" for name, text in faults.items() if text]


def _files(results: Path, records: Records) -> Iterator[Path]:
    folders = {key.suite: results / key.suite for key in records}
    for key, record in records.items():
        folder = folders[key.suite] if folders[key.suite].is_dir() else results
        path = folder / "records" / key.estimator / f"seed-{key.seed}.json"
        yield path
        yield from (table_path(path, name) for name in tables_of(record.sidecar))

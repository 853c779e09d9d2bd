"""The records of one suite: do they belong together?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from dicecast.leaderboard.collect import differences
from dicecast.records import CASES, Record
from dicecast.verification.finding import Finding, fault

_FACTS = ["group", "empty_truth"]
"""What is known of a case without any estimator."""


def disagreements(folder: Path, records: dict[Path, Record]) -> Iterator[Finding]:
    """Yield what the records of a suite should share and do not, and which are copies.

    Args:
        folder: Of the suite's results.
        records: By the path of the sidecar; those that are sound in themselves.
    """
    for text in differences(list(records.values())):
        yield Finding(folder, f"{folder}: {text}")
    yield from _other_cases(records)
    yield from _copies(records)


def _other_cases(records: dict[Path, Record]) -> Iterator[Finding]:
    first: tuple[Path, pd.DataFrame] | None = None
    for path, record in records.items():
        if record.cases is None:
            continue
        facts = record.cases.set_index(["domain", "stem"])[_FACTS].sort_index()
        if first is None:
            first = path, facts
            continue
        difference = _difference(facts, first[1])
        if difference:
            must = f"have the cases of {first[0]}, with the same groups and empty truths"
            yield fault(path, must, difference, "run the older of the two again")


def _difference(facts: pd.DataFrame, first: pd.DataFrame) -> str:
    if not facts.index.equals(first.index):
        other = facts.index.symmetric_difference(first.index)
        stems = [f"{stem} of {domain}" for domain, stem in other]
        return f"{len(stems)} are in one of them alone, such as {stems[0]}"
    changed = (facts != first).any(axis=1)
    if not changed.any():
        return ""
    domain, stem = facts.index[changed][0]
    return f"{changed.sum()} differ, such as {stem} of {domain}"


def _copies(records: dict[Path, Record]) -> Iterator[Finding]:
    """Two runs never give the same table of cases to the last bit."""
    held: dict[object, Path] = {}
    for path, record in records.items():
        digest = record.sidecar.hashes.get(CASES) if record.cases is not None else None
        if digest is None:
            continue
        if digest in held:
            must = "be a run of its own"
            seen = f"its table of cases is that of {held[digest]}, byte for byte"
            yield fault(path, must, seen, "remove the copy")
        held.setdefault(digest, path)

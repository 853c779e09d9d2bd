"""One version of results: its records and the rows of its leaderboards."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from dicecast.errors import DicecastError
from dicecast.records import Record, read_record
from dicecast.verification.folder import sidecars
from dicecast.verification.generated import LEADERBOARD
from dicecast.verification.verify import suite_folders

KEY = ["suite", "domain", "estimator", "score"]


class RecordKey(NamedTuple):
    """What no two records share."""

    suite: str
    estimator: str
    seed: int

    def __str__(self) -> str:
        """Return it as in the path of the record."""
        return f"{self.suite}/{self.estimator}/seed-{self.seed}"


@dataclass(frozen=True)
class Snapshot:
    """What is compared.

    Attributes:
        rows: Of all leaderboards, as the texts of their cells; an empty one is undefined.
        records: None of a file of rows alone.
    """

    rows: pd.DataFrame
    records: dict[RecordKey, Record] | None = field(default_factory=dict)


def read_snapshot(path: Path) -> Snapshot:
    """Read a folder of results, the folder of a suite in it, or a ``leaderboard.csv``.

    A folder without any record is one from before there was a first.

    Raises:
        DicecastError: A record or leaderboard cannot be read.
    """
    if path.is_file():
        return Snapshot(_rows(path), None)
    try:
        folders = suite_folders(path)
    except DicecastError:
        folders = []
    records = {}
    for sidecar in (sidecar for folder in folders for sidecar in sidecars(folder)):
        record = read_record(sidecar)
        held = record.sidecar
        records[RecordKey(held.suite, held.estimator, held.seed)] = record
    found = sorted({*path.glob(LEADERBOARD), *path.glob(f"*/{LEADERBOARD}")})
    tables = [_rows(leaderboard) for leaderboard in found]
    return Snapshot(pd.concat(tables) if tables else pd.DataFrame(columns=KEY), records)


def _rows(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise DicecastError(
            f"{path} must be a leaderboard.csv, and cannot be read: {error}. Write it anew with "
            "'dicecast leaderboard SUITE --write'."
        ) from error
    missing = [name for name in KEY if name not in table]
    if missing:
        raise DicecastError(
            f"{path} must be a leaderboard.csv; it lacks the columns {', '.join(missing)}. Name "
            "one, or a folder of results."
        )
    return table

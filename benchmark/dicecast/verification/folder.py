"""What lies in the folder of a suite: records, generated files, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Set
from pathlib import Path

from dicecast.records import Sidecar, table_path, tables_of
from dicecast.verification.finding import Finding, fault

_NAME = re.compile(r"seed-(0|[1-9]\d*)\.json")
_REMOVE = "remove it, or put it where it belongs"


def sidecars(folder: Path) -> list[Path]:
    """Return the paths that sidecars of a suite may have, sorted."""
    paths = folder.glob("records/*/*.json")
    return sorted(path for path in paths if _NAME.fullmatch(path.name) and not path.is_symlink())


def strangers(folder: Path, expected: Set[Path]) -> Iterator[Finding]:
    """Yield what is in a suite's folder and should not be.

    Args:
        folder: Of the suite's results.
        expected: The files that the records have or give.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            yield fault(path, "be a file of its own", "it is a symbolic link", _REMOVE)
        elif path.is_file() and path not in expected:
            must = "be a part of a record, or a file that the records give"
            yield fault(path, must, _seen(path), _REMOVE)


def files_of(path: Path, sidecar: Sidecar | None) -> set[Path]:
    """Return the files of a record: its sidecar and the tables that it names.

    Where the sidecar cannot be read, all that may be its tables.
    """
    if sidecar is None:
        return {path, *path.parent.glob(f"{path.stem}.*parquet")}
    return {path, *(table_path(path, name) for name in tables_of(sidecar))}


def _seen(path: Path) -> str:
    if path.suffix != ".parquet":
        return "it is neither"
    sidecar = path.with_name(path.name.partition(".")[0] + ".json")
    known = "does not name it" if sidecar.is_file() else "is not there"
    return f"its sidecar {sidecar.name} {known}"

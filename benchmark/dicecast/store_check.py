"""Whether the artifacts of a store are those that were written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dicecast.errors import DicecastError
from dicecast.manifest import DamageError, check_artifact
from dicecast.store_layout import entries


class CheckedArtifact(NamedTuple):
    """An artifact, and what is wrong with it.

    Attributes:
        path: Its folder.
        fault: A sentence with the remedy; empty where every byte is as it was written.
        note: Whether ``path`` is only what is left of one, which nothing reads.
    """

    path: Path
    fault: str = ""
    note: bool = False


def check_store(root: Path) -> Iterator[CheckedArtifact]:
    """Check every byte of every artifact of a store, one after the other.

    Artifacts may be added and removed meanwhile.

    Args:
        root: The store's folder.

    Raises:
        DicecastError: There is no such folder, or it cannot be read.
    """
    try:
        found = list(entries(root))
    except OSError as error:
        raise DicecastError(
            f"The store {root} cannot be read: {error.strerror}. Name its folder with --store DIR."
        ) from error
    for entry in found:
        if entry.mark:
            fault = f"{entry.path} is a leftover ({entry.mark}), which nothing reads; remove it."
            yield CheckedArtifact(entry.path, fault, note=True)
        else:
            yield CheckedArtifact(entry.path, _fault(entry.path))


def _fault(place: Path) -> str:
    try:
        check_artifact(place)
    except (DamageError, OSError, ValueError) as error:
        if not place.exists():
            return ""
        return (
            f"{place} must be as it was written, but {error}; it is never read and is computed "
            "again when it is needed, so it can be removed."
        )
    return ""

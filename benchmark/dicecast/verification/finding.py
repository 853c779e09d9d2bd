"""What a check found."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Finding(NamedTuple):
    """Something that a check found in a file.

    Attributes:
        path: The file or folder.
        text: A sentence that names it, what must hold, what was seen, and the remedy.
        note: Whether it only limits what the check can say, and is no fault.
    """

    path: Path
    text: str
    note: bool = False


def fault(path: Path, must: str, seen: str, remedy: str) -> Finding:
    """Return a fault, as ``<path> must <must>, but <seen>; <remedy>.``."""
    return Finding(path, f"{path} must {must}, but {seen}; {remedy}.")


def some(names: list[str], most: int = 5) -> str:
    """Return the first of some names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")

"""Turns many broken files into one message."""

from __future__ import annotations

from collections.abc import Iterable

from dicecast.errors import DatasetError

SHOWN = 5
"""How many names a message lists before it only counts."""


def listed(names: Iterable[str]) -> str:
    """Return the first names and how many more there are.

    Example:
        >>> listed(["a", "b", "c", "d", "e", "f", "g"])
        'a, b, c, d, e and 2 more'
    """
    every = [str(name) for name in names]
    more = len(every) - SHOWN
    return ", ".join(every[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def raise_problems(problems: Iterable[str], rule: str, remedy: str) -> None:
    """Raise one DatasetError for all problems, each on a line of its own; none raises nothing.

    Args:
        problems: What was found, each naming its file.
        rule: What must hold, a sentence.
        remedy: What to do, a sentence.
    """
    every = list(problems)
    if not every:
        return
    lines = [f"  {problem}" for problem in every[:SHOWN]]
    if len(every) > SHOWN:
        lines.append(f"  and {len(every) - SHOWN} more")
    raise DatasetError("\n".join([f"{rule} {len(every)} found:", *lines, remedy]))

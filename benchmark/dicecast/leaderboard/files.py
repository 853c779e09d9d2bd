"""The committed leaderboard: written from the records, and checked against them."""

from __future__ import annotations

import difflib
from pathlib import Path

import pandas as pd

from dicecast.leaderboard.build import build_leaderboard
from dicecast.leaderboard.render import as_csv, as_markdown
from dicecast.records import read_records, write_atomically

_READABLE_LINES = 60


def read_leaderboard(results: Path, suite: str) -> pd.DataFrame:
    """Return the leaderboard that the records of a suite give; see ``build_leaderboard``.

    Args:
        results: The folder with a folder for each suite.
        suite: The suite's name.

    Raises:
        DicecastError: There are no records, one cannot be read, or they do not belong together.
    """
    return build_leaderboard(read_records(results, suite))


def write_leaderboard(results: Path, suite: str) -> list[Path]:
    """Write ``leaderboard.csv`` and ``leaderboard.md`` beside the records and return their paths.

    Arguments and errors are those of :func:`read_leaderboard`.
    """
    contents = _contents(results, suite)
    for path, text in contents.items():
        write_atomically(path, text.encode())
    return list(contents)


def check_leaderboard(results: Path, suite: str) -> str:
    """Return how the committed files differ from what the records give; empty if they do not.

    Arguments and errors are those of :func:`read_leaderboard`.

    Returns:
        A unified diff from the committed to the right files, cut to a readable length.
    """
    lines: list[str] = []
    for path, text in _contents(results, suite).items():
        # Bytes, because reading as text would forgive other ends of lines.
        held = path.read_bytes().decode(errors="replace") if path.is_file() else ""
        name = str(path) if path.is_file() else f"{path} (missing)"
        lines += difflib.unified_diff(
            held.split("\n"), text.split("\n"), name, "what the records give", lineterm="", n=1
        )
    more = len(lines) - _READABLE_LINES
    if more > 0:
        lines = [*lines[:_READABLE_LINES], f"... and {more} more lines of differences"]
    return "\n".join(lines)


def _contents(results: Path, suite: str) -> dict[Path, str]:
    table = read_leaderboard(results, suite)
    folder = results / suite
    return {
        folder / "leaderboard.csv": as_csv(table),
        folder / "leaderboard.md": as_markdown(table),
    }

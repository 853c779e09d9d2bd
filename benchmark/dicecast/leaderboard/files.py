"""The committed leaderboard: written from the records, and checked against them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from dicecast.errors import DicecastError
from dicecast.leaderboard.answers import answers
from dicecast.leaderboard.build import build_leaderboard
from dicecast.leaderboard.comparisons import compare
from dicecast.leaderboard.excerpt import HEADLINES, as_excerpt, with_excerpt
from dicecast.leaderboard.figure_files import stale_figures, write_figures
from dicecast.leaderboard.intervals import interval_table
from dicecast.leaderboard.intervals_page import intervals_as_markdown
from dicecast.leaderboard.markdown import as_markdown
from dicecast.leaderboard.pixels import pixel_table
from dicecast.leaderboard.pixels_page import pixels_as_markdown
from dicecast.leaderboard.render import as_csv
from dicecast.leaderboard.rows import INTERVAL_METRICS
from dicecast.leaderboard.shift import out_of_distribution
from dicecast.leaderboard.shift_page import detection
from dicecast.records import Record, read_records, write_atomically
from dicecast.stopwatch import timed
from dicecast.suite import Comparison

_READABLE_LINES = 60


class Written(NamedTuple):
    """What was written: the files, and the leaderboard in them."""

    paths: list[Path]
    table: pd.DataFrame


def read_leaderboard(
    results: Path, suite: str, intervals: Sequence[str] = INTERVAL_METRICS
) -> pd.DataFrame:
    """Return the leaderboard that the records of a suite give; see ``build_leaderboard``.

    Args:
        results: The folder with a folder for each suite.
        suite: The suite's name.
        intervals: The metrics to give an interval for.

    Raises:
        DicecastError: There are no records, one cannot be read, or they do not belong together.
    """
    return build_leaderboard(read_records(results, suite), intervals)


def write_leaderboard(
    results: Path, suite: str, comparisons: Sequence[Comparison] = (), into: Path | None = None
) -> Written:
    """Write the leaderboard, and the answers to a suite's questions, beside the records.

    ``leaderboard.csv`` and, with a shifted domain, ``out_of_distribution.csv`` and ``.md`` follow
    from the records alone; ``leaderboard.md``, ``comparisons.csv`` and ``.md`` from the records and
    the questions; ``intervals.csv`` and ``.md``, with heads that predict intervals, and
    ``pixels.csv`` and ``.md``, with metrics of pixels, from the records. ``figures/`` holds curves
    where a score is chosen for an estimator.

    Args:
        results: The folder with a folder for each suite.
        suite: The suite's name.
        comparisons: The questions of the suite.
        into: A file between whose markers an excerpt is written too.

    Returns:
        The paths that were written, and the leaderboard that is in them.

    Raises:
        DicecastError: As :func:`read_leaderboard`, or ``into`` lacks the markers.
    """
    records = list(read_records(results, suite))
    table, contents = _contents(records, results / suite, comparisons, into)
    # All of them first, so that none is written where another cannot be.
    for path in contents:
        if path.is_dir():
            raise DicecastError(f"{path} is a folder, but must be a file. Move it away.")
    for path, text in contents.items():
        write_atomically(path, text.encode())
    figures = write_figures(results / suite, records, table)
    return Written([*contents, *figures], table)


def check_leaderboard(
    results: Path, suite: str, comparisons: Sequence[Comparison] = (), into: Path | None = None
) -> str:
    """Return how the committed files differ from what the records give; empty if they do not.

    Arguments and errors are those of :func:`write_leaderboard`.

    Returns:
        A unified diff from the committed to the right files, cut to a readable length.
    """
    records = list(read_records(results, suite))
    committed = committed_files(results / suite, records, comparisons, into)
    lines = [line for difference in committed.values() for line in difference]
    more = len(lines) - _READABLE_LINES
    if more > 0:
        lines = [*lines[:_READABLE_LINES], f"... and {more} more lines of differences"]
    return "\n".join(lines)


def committed_files(
    folder: Path,
    records: Sequence[Record],
    comparisons: Sequence[Comparison] = (),
    into: Path | None = None,
) -> dict[Path, list[str]]:
    """Return every file that the records give, with the lines by which the committed one differs.

    Args:
        folder: Of the suite's results.
        records: In it.
        comparisons: The questions of the suite.
        into: A file between whose markers an excerpt is written too.

    Returns:
        No lines for a file that is what the records give.

    Raises:
        DicecastError: As :func:`write_leaderboard`.
    """
    table, contents = _contents(records, folder, comparisons, into)
    found = {path: _difference(path, text) for path, text in contents.items()}
    figures = stale_figures(folder, records, table)
    return found | {path: [f"{path} ({what})"] if what else [] for path, what in figures.items()}


def _difference(path: Path, text: str) -> list[str]:
    # Bytes, because reading as text would forgive other ends of lines.
    held = path.read_bytes().decode(errors="replace") if path.is_file() else ""
    name = str(path) if path.is_file() else f"{path} (missing)"
    both = held.split("\n"), text.split("\n")
    return list(difflib.unified_diff(*both, name, "what the records give", lineterm="", n=1))


def named_scores(comparisons: Sequence[Comparison]) -> list[str]:
    """Return the scores that a short leaderboard always shows: of the excerpt and the questions."""
    asked = [side for question in comparisons for side in (question.score, question.against)]
    return [*HEADLINES, *(side.rpartition(":")[2] for side in asked)]


@timed("score")
def _contents(
    records: Sequence[Record], folder: Path, comparisons: Sequence[Comparison], into: Path | None
) -> tuple[pd.DataFrame, dict[Path, str]]:
    """Return the leaderboard, and what each file in its folder must hold."""
    table = build_leaderboard(records)
    contents = {
        folder / "leaderboard.csv": as_csv(table),
        folder / "leaderboard.md": as_markdown(table, named=named_scores(comparisons)),
    }
    answered = compare(records, comparisons)
    if len(answered):
        contents[folder / "comparisons.csv"] = as_csv(answered)
        contents[folder / "comparisons.md"] = answers(answered, comparisons)
    pixels = pixel_table(records)
    if len(pixels):
        contents[folder / "pixels.csv"] = as_csv(pixels)
        contents[folder / "pixels.md"] = pixels_as_markdown(pixels)
    detected = out_of_distribution(records)
    if len(detected):
        contents[folder / "out_of_distribution.csv"] = as_csv(detected)
        contents[folder / "out_of_distribution.md"] = detection(detected, table)
    predicted = interval_table(records)
    if len(predicted):
        contents[folder / "intervals.csv"] = as_csv(predicted)
        contents[folder / "intervals.md"] = intervals_as_markdown(predicted)
    if into is not None:
        contents[into] = with_excerpt(into, records[0].sidecar.suite, as_excerpt(table))
    return table, contents

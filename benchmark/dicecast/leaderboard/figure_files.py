"""The figures beside a leaderboard, each marked with what it was drawn from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from dicecast.data.cases import IN_DISTRIBUTION
from dicecast.leaderboard.choice import chosen_rows
from dicecast.leaderboard.curves import chosen_curves
from dicecast.leaderboard.markdown import FIGURES, has_curves
from dicecast.records import Record, write_atomically

_MARK = "Description"


def write_figures(folder: Path, records: Sequence[Record], table: pd.DataFrame) -> list[Path]:
    """Draw the curves of the chosen scores into ``figures/`` and return the paths.

    Args:
        folder: Of the suite's results.
        records: As read from their files.
        table: Their leaderboard; without a chosen score there is no figure.
    """
    if not has_curves(table):
        return []
    # Late: printing a leaderboard need not wait for matplotlib.
    from dicecast.leaderboard.curve_figures import draw_curves  # noqa: PLC0415

    paths = []
    for name, png in draw_curves(chosen_curves(records, table), _mark(records, table)).items():
        paths.append(_path(folder, name))
        paths[-1].parent.mkdir(exist_ok=True)
        write_atomically(paths[-1], png)
    return paths


def stale_figures(folder: Path, records: Sequence[Record], table: pd.DataFrame) -> dict[Path, str]:
    """Return what is wrong with each figure; an empty text where it was drawn from these records.

    Their bytes are not compared: these depend on the version of matplotlib.
    """
    if not has_curves(table):
        return {}
    mark = _mark(records, table)
    return {path: _fault(path, mark) for path in (_path(folder, name) for name in FIGURES)}


def _fault(path: Path, mark: str) -> str:
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415

    if not path.is_file():
        return "missing"
    try:
        with Image.open(path) as image:
            # Reading the pixels checks the sums of the file's pieces; the mark is in one of them.
            image.load()
            found = image.info.get(_MARK)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return "not an image"
    return "" if found == mark else "drawn from other records"


def _mark(records: Sequence[Record], table: pd.DataFrame) -> str:
    rows = chosen_rows(table[table["domain"] == IN_DISTRIBUTION])
    facts = {
        "cases": sorted(str(record.sidecar.hashes.get("cases")) for record in records),
        "chosen": rows[["estimator", "score"]].to_numpy().tolist(),
        "bootstrap": sorted(records[0].sidecar.bootstrap.items()),
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _path(folder: Path, name: str) -> Path:
    return folder / "figures" / f"{name}.png"

"""Checks of the places that options name, before the work whose results are to go there."""

from __future__ import annotations

import os
import re
from pathlib import Path

from dicecast.errors import DicecastError


def check_folder(path: Path | str, option: str) -> None:
    """Check that a path is a folder or can become one; a URL is left to what opens it.

    Raises:
        DicecastError: It, or a part of it, is something else.
    """
    if isinstance(path, str):
        if not re.match(r"[A-Za-z][\w+.-]*://.", path):
            raise DicecastError(
                f"{option} takes a folder, or a URL such as s3://bucket/folder; got '{path}'. "
                "Correct it."
            )
        return
    for place in (path, *path.parents):
        if place.is_dir():
            return
        if os.path.lexists(place):
            raise DicecastError(
                f"{option} must name a folder, or one that can be made; {place} is not a folder. "
                "Name another one."
            )


def check_file(path: Path, option: str) -> None:
    """Check that a path is a file or can become one in a folder that is there.

    Raises:
        DicecastError: It is something else, or its folder is missing.
    """
    if path.is_dir() or not path.parent.is_dir():
        what = "it is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise DicecastError(
            f"{option} must name a file in a folder that is there; got {path}: {what}. Name "
            "another one, or make the folder."
        )

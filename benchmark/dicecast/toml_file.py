"""TOML files that people write, read with limits: none hangs the program or fills memory."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from dicecast.errors import DicecastError, control_characters
from dicecast.plain_file import read_plain_file

MAX_BYTES = 2**20
"""Of a file; the largest suite that is shipped has 7 kB."""

MAX_DEPTH = 16
"""Tables and lists in each other."""

# tomllib takes time by the square of a key's parts, so long ones are refused before it sees them.
_DEEP_KEY = re.compile(
    r"""^[ \t]*+\[*+(?:[ \t]*+(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.){16}""", re.MULTILINE
)
_TOO_DEEP = f"tables or lists are nested more than {MAX_DEPTH} deep. Write them flat"


def read_toml(path: Path, what: str, error: type[DicecastError] = DicecastError) -> dict[str, Any]:
    """Return the table in a TOML file, which may begin with a byte order mark.

    Args:
        path: The file.
        what: Names the kind of file in messages, such as "suite".
        error: What is raised.

    Raises:
        DicecastError: The file cannot be read, is larger than ``MAX_BYTES``, is not TOML in
            UTF-8, or holds what ``check_values`` refuses.
    """
    if not os.path.lexists(path):
        raise error(f"There is no {what} file {path}. Give the path of a TOML file.")
    try:
        text = read_plain_file(path, MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        raise error(
            f"The {what} {path} is not valid TOML: it must be text in UTF-8; {reason}. Save it in "
            "that encoding."
        ) from reason
    except OSError as reason:
        raise error(
            f"The {what} {path} cannot be read: {reason.strerror}. Give the path of a TOML file."
        ) from reason
    try:
        table = parse_toml(text)
    except ValueError as reason:
        raise error(
            f"The {what} {path} is not valid TOML: {reason}. Correct that place."
        ) from reason
    return table


def parse_toml(text: str) -> dict[str, Any]:
    """Return the table in a TOML text.

    Raises:
        ValueError: It is no TOML, or holds what ``check_values`` refuses.
    """
    if _DEEP_KEY.search(text):
        raise ValueError(_TOO_DEEP)
    try:
        table = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    check_values(table)
    return table


def check_values(value: Any, place: str = "", depth: int = 0) -> None:
    """Check that values can be computed with and shown, whatever they mean.

    Args:
        value: A table, a list or a single value.
        place: Its key, for the message.
        depth: How deep it lies.

    Raises:
        ValueError: Nested too deeply, a whole number beyond 64 bits, or text with control
            characters other than tabs and ends of lines.
    """
    if depth > MAX_DEPTH:
        raise ValueError(_TOO_DEEP)
    if isinstance(value, dict):
        for key, held in value.items():
            check_values(key, "a key", depth)
            check_values(held, key, depth + 1)
    elif isinstance(value, list):
        for held in value:
            check_values(held, place, depth + 1)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"{place} is a whole number of more than 64 bits")
    elif isinstance(value, str) and set(control_characters(value)) - set("\n\r\t"):
        raise ValueError(f"{place} holds control characters: {value[:80]!a}")

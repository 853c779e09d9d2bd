"""What a sidecar must not tell of the machine that wrote it: paths and names of people."""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator
from typing import Any

_PATHS = re.compile(
    r"(?:^|[\s'\"(=:,])("
    r"/(?:home|Users|root|tmp|mnt|data|scratch|work|opt|var|media|srv)/[^\s'\",)]*"  # Unix
    r"|[A-Za-z]:\\[^\s'\",)]*"  # Windows
    r"|\\\\[\w.-]+\\[^\s'\",)]*"  # a Windows share
    r"|~[\w.-]*/[^\s'\",)]*"
    r"|file://[^\s'\",)]*)"
)
_COMMON = {"root", "user", "runner", "admin", "ubuntu", "test"}
"""Names of accounts that say nothing of who uses them."""


def disclosures(values: Any, place: str = "") -> Iterator[str]:
    """Yield ``<key>: <path or name>`` for each that the values of a sidecar hold.

    Args:
        values: JSON values.
        place: Their key.
    """
    if isinstance(values, dict):
        for key, value in values.items():
            yield from disclosures(str(key), place)
            yield from disclosures(value, f"{place}.{key}" if place else str(key))
    elif isinstance(values, list):
        for value in values:
            yield from disclosures(value, place)
    elif isinstance(values, str):
        yield from (f"{place}: {found}" for found in _PATHS.findall(values))
        name = _account()
        if name and re.search(rf"\b{re.escape(name)}\b", values):
            yield f"{place}: the name of your account, {name}"


def _account() -> str:
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # An account without a name, as in some containers.
        return ""
    return "" if name in _COMMON or len(name) < 3 else name

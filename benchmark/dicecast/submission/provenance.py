"""Which suite and which sources a record came from, and whether they are known here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dicecast.mount import folder_of
from dicecast.records import Sidecar
from dicecast.suite import Suite, load_suite, shipped_suites

_FREE = {"description", "comparisons", "estimators"}
"""Keys of a suite on which no number of another estimator depends."""


def suite_fault(sidecar: Sidecar) -> str:
    """Return how the suite of a record differs from the shipped one; empty where it does not.

    Estimators may be added; those of the suite must have its settings.
    """
    if sidecar.suite not in shipped_suites():
        return f"there is no shipped suite '{sidecar.suite}'"
    try:
        ran = Suite.model_validate(sidecar.suite_settings)
    except ValidationError:
        return "its suite_settings are not a suite"
    shipped = load_suite(sidecar.suite)
    keys = [key for key in Suite.model_fields if key not in _FREE]
    changed = [key for key in keys if getattr(ran, key) != getattr(shipped, key)]
    own = {part.title: part for part in shipped.estimators}
    part = next((part for part in ran.estimators if part.title == sidecar.estimator), None)
    if part is not None and own.get(part.title, part) != part:
        changed.append(f"estimators.{part.title}")
    return f"it was run with another {', '.join(changed)}" if changed else ""


def known_sources(plugins: Iterable[Path] = ()) -> set[str]:
    """Return the SHA-256 of each source of this program, its plug-in folders, and ``plugins``."""
    package = Path(__file__).parents[1]
    kinds = ("baselines.estimators", "baselines.heads", "datasets")
    folders = [package, *(folder_of(kind) for kind in kinds)]
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in [*paths, *plugins]}


def unknown_sources(sidecar: Sidecar, known: set[str]) -> list[str]:
    """Return the classes of a record's parts whose source is not known, sorted."""
    return sorted({name for name, code in _sources(sidecar.parts) if code not in known})


def _sources(part: Any) -> Iterator[tuple[str, str]]:
    if isinstance(part, dict):
        if "class" in part and "code" in part:
            yield str(part["class"]), str(part["code"])
        for value in part.values():
            yield from _sources(value)
    elif isinstance(part, list):
        for value in part:
            yield from _sources(value)

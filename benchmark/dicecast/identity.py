"""What a result depends on, as plain JSON and as one hash."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parent


def describe(part: Any) -> Any:
    """Return ``part`` as JSON values; a dataclass with its class, fields and source's hash.

    The hash of the defining file is the "code version" of a plug-in: editing an estimator makes its
    stored results unreachable and leaves those of the others alone.

    Raises:
        TypeError: A value that JSON cannot hold.
    """
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        fields = {f.name: describe(getattr(part, f.name)) for f in dataclasses.fields(part)}
        source = inspect.getsourcefile(type(part))
        code = file_hash(Path(source)) if source else ""
        return {"class": type(part).__qualname__, "code": code, **fields}
    if isinstance(part, dict):
        return {str(key): describe(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [describe(value) for value in part]
    if part is None or isinstance(part, str | int | float | bool):
        return part
    raise TypeError(f"{type(part).__name__} cannot be part of an identity: {part!r}")


def hash_of(identity: Any) -> str:
    """Return the SHA-256 of ``describe(identity)`` in canonical JSON."""
    text = json.dumps(describe(identity), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def code_version(*parts: str) -> str:
    """Return the SHA-256 of the sources of the named files and folders of this package."""
    digest = hashlib.sha256()
    for part in parts:
        place = _PACKAGE / part
        for path in sorted(place.rglob("[!.]*.py")) if place.is_dir() else [place]:
            digest.update(str(path.relative_to(_PACKAGE)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def code_versions(*parts: str) -> dict[str, str]:
    """Return ``code_version`` of each of the named files and folders of this package."""
    return {part: code_version(part) for part in parts}


PACKAGES = (
    "dicecast",
    "keras",
    "tensorflow",
    "tensorflow-probability",
    "jax",
    "numpy",
    "scipy",
    "scikit-learn",
    "scikit-image",
    "pandas",
    "pyarrow",
)


@functools.cache
def package_versions() -> dict[str, str]:
    """Return the installed versions of the packages that numbers depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

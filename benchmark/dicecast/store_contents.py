"""What a store holds, told from its files alone: neither NumPy nor pandas is imported."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dicecast.errors import DicecastError
from dicecast.manifest import INFO
from dicecast.store_layout import DAMAGED, HALF, Entry, entries

PREDICTION = "prediction"
_PARTS = ("head", "estimator", "architecture")
"""What an artifact is of, the nearest first."""

_MARKS = {
    HALF: "half written, or being written",
    DAMAGED: "damaged, set aside",
}


class Stored(NamedTuple):
    """One artifact of a store, or what is left of one.

    Attributes:
        entry: Its folder.
        of: What it was computed from, in words.
        size: Bytes.
        modified: Seconds since 1970 by the clock of then.
    """

    entry: Entry
    of: str
    size: int
    modified: float


def contents(root: Path) -> list[Stored]:
    """Return what a store holds, by stage and what it is of.

    Raises:
        DicecastError: There is no such folder, or it cannot be read.
    """
    try:
        found = list(entries(root))
        identities = {entry: _identity(entry) for entry in found}
        predictions = {
            entry.place.name: described(identity, {})
            for entry, identity in identities.items()
            if entry.stage == PREDICTION and not entry.mark
        }
        stored = [_stored(entry, identities[entry], predictions) for entry in found]
    except OSError as error:
        raise DicecastError(
            f"The store {root} cannot be read: {error.strerror or error}. Name its folder with "
            "--store DIR."
        ) from error
    return sorted(stored, key=lambda s: (s.entry.stage, s.of, s.entry.path.name))


def described(identity: Any, predictions: Mapping[str, str]) -> str:
    """Return what an artifact was computed from, in a few words.

    Args:
        identity: As ``info.json`` has it.
        predictions: The words of the predictions in the store, by their hash.
    """
    if not isinstance(identity, Mapping):
        return str(identity)
    words = [part_in_words(identity[part]) for part in _PARTS if part in identity][:1]
    prediction = identity.get(PREDICTION)
    if prediction is not None:
        words.append(f"of {predictions.get(prediction, f'prediction {prediction[:8]}')}")
    elif "seed" in identity:
        words.append(f"seed {identity['seed']}")
    if "data" in identity:
        words.append(f"data {str(identity['data'])[:8]}")
    if "dataset" in identity:
        words.append(f"on {part_in_words(identity['dataset'])}")
    return ", ".join(words)


def part_in_words(part: Any) -> str:
    """Return a plug-in's name or class with its plain settings."""
    if not isinstance(part, Mapping):
        return str(part)
    name = part.get("name", part.get("class", "?"))
    own = {k: v for k, v in part.items() if k not in ("class", "code", "name", "label")}
    settings = own.get("settings", own)
    plain = [f"{k}={v}" for k, v in settings.items() if isinstance(v, str | int | float) and v]
    return " ".join([str(name), *plain])


def _identity(entry: Entry) -> Any:
    try:
        return json.loads((entry.path / INFO).read_bytes())["identity"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return f"? ({INFO} cannot be read)"


def _stored(entry: Entry, identity: Any, predictions: Mapping[str, str]) -> Stored:
    of = _MARKS[entry.mark] if entry.mark else described(identity, predictions)
    files = list(_files(entry.path))
    return Stored(entry, of, sum(size for size, _ in files), max((t for _, t in files), default=0))


def _files(path: Path) -> Iterator[tuple[int, float]]:
    """Yield size and time of a folder's files, which may vanish meanwhile."""
    for file in path.iterdir() if path.is_dir() else [path]:
        try:
            known = file.stat()
        except FileNotFoundError:
            continue
        yield known.st_size, known.st_mtime

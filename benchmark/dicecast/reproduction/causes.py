"""Why a record that is computed again may differ: where it came from then, and where now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dicecast.records import Sidecar

PROMISE = "bit-equal"
"""How the determinism of a record begins that promises the same bits on the same machine."""

MATTERS = ("processor", "cores", "system", "keras_backend", "accelerator")
"""Of the machine: what the promise is tied to."""

CODE = "code"
"""Of a record's hashes: by part, those of the sources of this package."""

NOTHING = (
    "nothing: settings, sources, packages and machine are the same. The record was changed after "
    "it was written, or what made it is not deterministic"
)
UNNAMED = (
    "nothing that the record names; it is from before records named the sources of dicecast "
    "itself, which may be others"
)


def unexplained(then: Sidecar) -> str:
    """Return what is said of a record of which nothing differs in where it comes from."""
    return NOTHING if CODE in then.hashes else UNNAMED


def promised(then: Sidecar, now: Sidecar) -> bool:
    """Return whether both must be equal to the last bit."""
    return then.determinism.startswith(PROMISE) and not list(differences(then, now))


def differences(then: Sidecar, now: Sidecar) -> list[str]:
    """Return everything that differs in where two records come from, each in words."""
    found = [*_parts(then.parts, now.parts), *_code(then, now), *_data(then, now)]
    found += _values("package", then.packages, now.packages)
    machines = [{k: s.machine.get(k) for k in MATTERS} for s in (then, now)]
    found += _values("machine", *machines)
    weights = then.hashes.get("weights") != now.hashes.get("weights")
    if weights and not found and CODE not in then.hashes:
        found.append("source of dicecast's networks or training")
    return found


def _parts(then: Any, now: Any, place: str = "") -> Iterator[str]:
    if not (isinstance(then, Mapping) and isinstance(now, Mapping)):
        if then != now:
            yield f"setting {place}: {then!r} then, {now!r} now"
        return
    name = f"{place} ({now.get('class', '')})" if "class" in now else place
    if then.get("code") != now.get("code"):
        yield f"source of {name}"
    for key in sorted({*then, *now} - {"code"}):
        inner = f"{place}.{key}" if place else str(key)
        if key not in then or key not in now:
            yield f"setting {inner}: {'new' if key in now else 'gone'}"
        else:
            yield from _parts(then[key], now[key], inner)


def _code(then: Sidecar, now: Sidecar) -> Iterator[str]:
    before, after = then.hashes.get(CODE), now.hashes.get(CODE)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for part in sorted({*before, *after}):
            if before.get(part) != after.get(part):
                yield f"source of dicecast's {part}"


def _data(then: Sidecar, now: Sidecar) -> Iterator[str]:
    for what in ("data", "split"):
        if then.hashes.get(what) != now.hashes.get(what):
            yield f"{what}: another content hash"


def _values(what: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*then, *now}):
        if then.get(name) != now.get(name):
            yield f"{what} {name}: {then.get(name, 'none')} then, {now.get(name, 'none')} now"

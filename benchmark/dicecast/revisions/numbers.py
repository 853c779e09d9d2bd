"""When a value counts as another one."""

from __future__ import annotations

import math
from typing import Any


def same(old: Any, new: Any, tolerance: float) -> bool:
    """Return whether two JSON values are equal, numbers within a tolerance.

    Example:
        >>> same({"a": [1.0, None]}, {"a": [1.0 + 1e-9, None]}, 1e-6)
        True
    """
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(same(old[k], new[k], tolerance) for k in old)
    if isinstance(old, list) and isinstance(new, list):
        pairs = zip(old, new, strict=False)
        return len(old) == len(new) and all(same(a, b, tolerance) for a, b in pairs)
    if isinstance(old, float) and isinstance(new, float | int):
        return abs(old - new) <= tolerance or (math.isnan(old) and math.isnan(new))
    return bool(old == new)


def number(text: str) -> float | None:
    """Return the number that a cell holds; None where it holds none."""
    try:
        return float(text)
    except ValueError:
        return None

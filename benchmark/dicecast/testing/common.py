"""What the contracts of all kinds of plug-ins have in common."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from dicecast.identity import describe


def settings_problem(plugin: Any) -> str:
    """Return why a plug-in's settings do not identify it, or an empty text."""
    kind = type(plugin).__name__
    if not dataclasses.is_dataclass(plugin):
        return f"{kind} is no dataclass."
    kept: Any = type(plugin)
    if not kept.__dataclass_params__.frozen:
        return f"{kind} is a dataclass whose fields may change: it is not frozen."
    try:
        json.dumps(describe(plugin))
    except (TypeError, ValueError) as error:
        return f"{kind} has a field that cannot be written down: {error}."
    return "" if (type(plugin).__doc__ or "").strip() else f"{kind} has no docstring."

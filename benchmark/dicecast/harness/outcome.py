"""What becomes of a plug-in that cannot be created or that raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from dicecast.errors import DicecastError
from dicecast.registry import BrokenPluginError
from dicecast.suite import Part

T = TypeVar("T")


class Failure(NamedTuple):
    """Something that did not finish: an estimator's run, or one head of it."""

    estimator: str
    seed: int
    head: str
    message: str

    def __str__(self) -> str:
        """Return it as a sentence."""
        head = f", head {self.head}" if self.head else ""
        return f"{self.estimator} seed {self.seed}{head}: {self.message}"


def created(create: Callable[[str, dict[str, Any]], T], part: Part) -> T | str:
    """Call a registry's ``create``; return a message where the plug-in's file is broken.

    A broken file fails the rows of its plug-in only.

    Raises:
        DicecastError: No such plug-in, or a wrong setting: the suite is wrong.
    """
    try:
        return create(part.name, part.settings)
    except BrokenPluginError as error:
        return str(error)


def message_of(error: Exception) -> str:
    """Return an error as one line, with its type where it is not meant for the user."""
    text = " ".join(str(error).split())
    return text if isinstance(error, DicecastError) else f"{type(error).__name__}: {text}"

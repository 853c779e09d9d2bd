"""What comes of a run: a record, and what failed in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from dicecast.errors import DicecastError
from dicecast.registry import BrokenPluginError
from dicecast.suite import Part

if TYPE_CHECKING:
    from dicecast.records import Record  # pandas takes its time

T = TypeVar("T")


class RunKey(NamedTuple):
    """One run of a suite: an estimator, by its label, under a seed."""

    estimator: str
    seed: int

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.estimator} seed {self.seed}"


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


class Finished(NamedTuple):
    """What came of one run.

    Attributes:
        record: To be written; without a table where the estimator failed.
        failures: What did not finish, to be told to the person; empty where all went well.
    """

    record: Record
    failures: list[Failure]

    @property
    def key(self) -> RunKey:
        """Which run it was."""
        return RunKey(self.record.sidecar.estimator, self.record.sidecar.seed)

    def __str__(self) -> str:
        """Return it as one line."""
        cases = self.record.cases
        if cases is None:
            return f"{self.key}: failed: {self.record.sidecar.error}"
        return f"{self.key}: mean test Dice {cases['dice'].mean():.3f}"


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

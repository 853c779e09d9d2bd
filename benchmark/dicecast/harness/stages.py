"""The stages of a suite as small values: each can be computed by any process, at any time.

A stage takes what it needs from the store and leaves what it made there, so these values, and a few
words about how it went, are all that processes tell each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from dicecast.harness.outcome import RunKey


@dataclass(frozen=True)
class TrainStage:
    """Train one backbone.

    Attributes:
        key: A run whose estimator asks for it; there may be others.
        backbone: Hash of everything its weights depend on.
        fold: The fold of the training role that it is trained without, from 1; 0 is none.
    """

    key: RunKey
    backbone: str
    fold: int = 0

    def __str__(self) -> str:
        """Return the stage's name; the same backbone has one name, whoever asks for it."""
        return f"train backbone {self.backbone[:12]}"


@dataclass(frozen=True)
class PredictStage:
    """Predict the quality role and the test sets with one estimator under one seed.

    Attributes:
        key: Which run.
        fold: Predict this fold of the training role instead, from 1, fitted on the others; 0 is
            none.
    """

    key: RunKey
    fold: int = 0

    def __str__(self) -> str:
        """Return the stage's name."""
        return f"predict fold {self.fold} of {self.key}" if self.fold else f"predict {self.key}"


@dataclass(frozen=True)
class HeadStage:
    """Fit one head on a prediction and predict with it.

    Attributes:
        key: Which run.
        number: The head's place in the suite.
    """

    key: RunKey
    number: int

    def __str__(self) -> str:
        """Return the stage's name."""
        return f"head {self.number} of {self.key}"


@dataclass(frozen=True)
class RecordStage:
    """Put the record together.

    Attributes:
        key: Which run.
        error: Why there is no prediction; empty where there is one.
        columnless: Heads without a column: their place in the suite, and why.
    """

    key: RunKey
    error: str = ""
    columnless: tuple[tuple[int, Unfitted], ...] = ()

    def __str__(self) -> str:
        """Return the stage's name."""
        return f"record {self.key}"


class Unfitted(NamedTuple):
    """Why a head has no column, and whether it failed or could not be defined."""

    reason: str
    failed: bool


Stage: TypeAlias = TrainStage | PredictStage | HeadStage | RecordStage


class Done(NamedTuple):
    """The stage's result is in the store.

    Attributes:
        value: An ``Unfitted`` of a head, or what a record is found by; else None.
    """

    value: Any = None


class Needs(NamedTuple):
    """The stage must be computed again once these backbones (their hashes) are trained.

    Attributes:
        backbones: Which.
        fold: The fold that they are trained without; see ``TrainStage``.
    """

    backbones: tuple[str, ...]
    fold: int = 0


class Failed(NamedTuple):
    """The stage raised; the message is one line."""

    message: str


Outcome: TypeAlias = Done | Needs | Failed

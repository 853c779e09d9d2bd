"""What quality heads that are networks are shown of a case, and what they are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicecast.errors import DicecastError
from dicecast.heads.contract import Evidence, Examples
from dicecast.stacks import LazyStack, Stack

HELD_BACK = 0.2
"""Share of the patients of the examples that choose the best epoch."""


class InputStack(LazyStack[np.float32]):
    """What the network is shown of cases, computed for those that are asked for; see ``stacked``.

    Args:
        evidence: Of the cases.
        shown: The parts that are not withheld, joined by ``+``.
    """

    def __init__(self, evidence: Evidence, shown: str) -> None:
        cases, height, width, channels = evidence.images.shape
        shape = (cases, height, width, channels + evidence.num_classes + 1)
        super().__init__(shape, np.dtype(np.float32))
        self.evidence, self.shown = evidence, shown

    def read(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the inputs of some cases."""
        return stacked(self.evidence.take(rows), self.shown)


class JoinedStack(LazyStack[Any]):
    """The rows of several stacks of one kind, one stack after the other."""

    def __init__(self, parts: Sequence[Stack[Any]]) -> None:
        super().__init__((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
        self.parts = parts
        self.ends = np.cumsum([len(part) for part in parts])

    def read(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return some rows."""
        found = np.empty((len(rows), *self.row_shape), self.dtype)
        of = np.searchsorted(self.ends, rows, side="right")
        for number, part in enumerate(self.parts):
            here = of == number
            if here.any():
                found[here] = part[rows[here] - (self.ends[number] - len(part))]
        return found


def stacked(evidence: Evidence, inputs: str) -> NDArray[np.float32]:
    """Return ``(cases, height, width, channels)``: image, one-hot mask, map; withheld ones zero."""
    shown = inputs.split("+")
    image = np.asarray(evidence.images, np.float32) / 255.0
    one_hot = np.eye(evidence.num_classes, dtype=np.float32)[np.asarray(evidence.masks)]
    parts = {"image": image, "mask": one_hot, "map": np.asarray(evidence.uncertainty)[..., None]}
    return np.concatenate(
        [part if name in shown else np.zeros_like(part) for name, part in parts.items()], axis=-1
    )


def held_back(head: str, examples: Examples, seed: int) -> NDArray[np.bool_]:
    """Return which examples choose the best epoch: those of a fifth of the patients.

    Raises:
        DicecastError: There are fewer than 5 patients.
    """
    names = sorted(set(examples.groups))
    if len(names) < 5:
        raise DicecastError(
            f"{head} needs a quality role of at least 5 patients; got {len(names)}."
        )
    chosen = np.random.default_rng(seed).permutation(names)[: round(HELD_BACK * len(names))]
    return np.isin(list(examples.groups), chosen)


def check_side(head: str, shape: tuple[int, ...], least: int) -> None:
    """Check that images are large enough for a network.

    Args:
        head: Its name, for the message.
        shape: ``(height, width, ...)``.
        least: Pixels of the shorter side.

    Raises:
        DicecastError: They are not.
    """
    if min(shape[:2]) < least:
        raise DicecastError(
            f"{head} halves the sides of images several times, so it needs at least {least} "
            f"pixels; got {shape[0]} x {shape[1]}."
        )

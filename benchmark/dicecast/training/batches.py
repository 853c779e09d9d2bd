"""Examples on their way into a graph: shuffled, turned, a piece at a time, read ahead."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from dicecast.stacks import Stack
from dicecast.training.schedule import Schedule

T = TypeVar("T")

CHUNK_BYTES = 2**24
"""Training examples enter the graph in pieces of about this size, the next one read meanwhile."""


@dataclass(frozen=True)
class Examples:
    """Stacks to train or validate on: ``inputs`` ``(n, height, width, channels)`` and ``targets``.

    Inputs are uint8 (divided by 255 on the way into the network) or float32; targets are one a
    pixel ``(n, height, width)`` or one an example ``(n,)``.
    """

    inputs: Stack[Any]
    targets: Stack[Any]


class Chunk(NamedTuple):
    """Some steps of an epoch, as they enter the graph; every chunk has the same shapes.

    Attributes:
        inputs: ``(steps, batch, ...)``, in the order of training, turned.
        targets: Likewise.
        real: How many of the steps there are; the others fill up the shape.
        first: The number of the first of them in the whole training.
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    real: np.int32
    first: np.int32


class Epochs:
    """Cuts examples into the steps of a schedule.

    Attributes:
        steps: Steps an epoch; what is left of a batch is left out.
        pieces: Chunks an epoch.
    """

    def __init__(self, examples: Examples, schedule: Schedule) -> None:
        self.examples, self.augment, self.count = examples, schedule.augment, schedule.epochs
        count, *shape = examples.inputs.shape
        self.batch = min(schedule.batch_size, count)
        self.steps = count // self.batch
        self.square = shape[0] == shape[1]
        step_bytes = self.batch * prod(shape) * examples.inputs.dtype.itemsize
        self.chunk = min(self.steps, max(CHUNK_BYTES // step_bytes, 1))
        self.pieces = -(-self.steps // self.chunk)

    def chunks(self, seed: int) -> Iterator[Chunk]:
        """Yield all epochs of the schedule, ``pieces`` chunks each."""
        for epoch in range(self.count):
            yield from self.epoch(seed, epoch)

    def epoch(self, seed: int, epoch: int) -> Iterator[Chunk]:
        """Yield an epoch, whose order and symmetries follow from its number and the seed."""
        generator = np.random.default_rng([seed, epoch])
        order = generator.permutation(len(self.examples.inputs))[: self.steps * self.batch]
        order = order.reshape(self.steps, self.batch)
        turns = generator.integers(0, 2, (self.steps, 3, self.batch)).astype(bool)
        turns &= self.augment
        turns[:, 2] &= self.square
        for start in range(0, self.steps, self.chunk):
            steps = np.arange(start, start + self.chunk)
            real = int(np.count_nonzero(steps < self.steps))
            steps = np.minimum(steps, self.steps - 1)
            first = epoch * self.steps + start
            yield self._chunk(order[steps], turns[steps], np.int32(real), np.int32(first))

    def _chunk(
        self, rows: NDArray[np.intp], turns: NDArray[np.bool_], real: np.int32, first: np.int32
    ) -> Chunk:
        turn = turns.transpose(1, 0, 2).reshape(3, -1)
        inputs, targets = self.examples.inputs[rows.ravel()], self.examples.targets[rows.ravel()]
        turn_in_place(inputs, turn)
        if targets.ndim > 1:
            turn_in_place(targets, turn)
        return Chunk(
            inputs.reshape(*rows.shape, *inputs.shape[1:]),
            targets.reshape(*rows.shape, *targets.shape[1:]),
            real,
            first,
        )


def turn_in_place(images: NDArray[Any], turn: NDArray[np.bool_]) -> None:
    """Flip and transpose each image of a stack.

    Args:
        images: ``(images, height, width, ...)``.
        turn: ``(3, images)``: flip up-down, flip left-right, transpose (of squares alone).
    """
    for which, moved in zip(
        turn, (images[:, ::-1], images[:, :, ::-1], images.swapaxes(1, 2)), strict=True
    ):
        if which.any():
            images[which] = moved[which]


def ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """Yield the items, each made in a thread of its own while the one before it is in use."""
    end = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield cast(T, item)


def padded_batches(count: int, batch: int) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Yield index arrays of one length, and how many of them are real.

    The last case fills up a batch that would be short: every batch has one shape, so that a graph
    is traced once, whatever the number of cases.
    """
    for start in range(0, count, batch):
        rows = np.arange(start, start + batch)
        yield np.minimum(rows, count - 1), min(batch, count - start)

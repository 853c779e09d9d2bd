"""How long and how fast to train."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        epochs: Passes over the training examples at most.
        batch_size: Examples a step.
        learning_rate: Adam's at the first step; a cosine takes it down until the last.
        patience: Epochs without a better validation score before training stops; 0 never stops.
        augment: Whether to flip and turn the examples (the 8 symmetries of the square where height
            equals width, else the 4 of the rectangle).
    """

    epochs: int = 30
    batch_size: int = 16
    learning_rate: float = 2e-3
    patience: int = 10
    augment: bool = True
    cycles: int = 1
    final_rate: float = 0.0
    snapshots: tuple[int, ...] = ()

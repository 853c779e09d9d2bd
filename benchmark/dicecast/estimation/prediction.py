"""The typed value where Keras ends: what an estimator says of a batch of cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Agreement:
    """How far the masks of the draws agree; see ``dicecast.estimation.agreement``.

    Of the foreground classes alone, in order: the class of index 1 comes first.

    Attributes:
        overlap: ``(cases, classes - 1, draws, draws)``, float32: how many pixels draws i and j both
            give to the class; the diagonal holds each draw's volume (in pixels).
        intersection: ``(cases, classes - 1)``, float32: pixels that all draws give to the class.
        union: ``(cases, classes - 1)``, float32: pixels that any draw gives to the class.
        with_consensus: ``(cases, classes - 1, draws)``, float32: pixels that the draw and the mask
            of the mean probabilities both give to the class.
        consensus_volume: ``(cases, classes - 1)``, float32: pixels of that mask.
        ordered: Whether the draws have an order, as the depths of one network have.
    """

    overlap: NDArray[np.float32]
    intersection: NDArray[np.float32]
    union: NDArray[np.float32]
    with_consensus: NDArray[np.float32]
    consensus_volume: NDArray[np.float32]
    ordered: bool = False


@dataclass(frozen=True)
class Prediction:
    """What an estimator says of a batch of cases.

    Attributes:
        mean_probabilities: ``(cases, height, width, classes)``, float32, the mean of the draws.
        mask: ``(cases, height, width)``, uint8, argmax of the mean probabilities.
        maps: Uncertainty maps by measure, each ``(cases, height, width)``, float32, high where
            unsure. Measures that the estimator does not define are absent.
        agreement: Agreement of the draws' masks; None for a single draw.
        draw_masks: ``(cases, draws, height, width)``, uint8, the masks of the first draws; None
            where they were not asked for, or their agreement is not defined.
    """

    mean_probabilities: NDArray[np.float32]
    mask: NDArray[np.uint8]
    maps: dict[str, NDArray[np.float32]]
    agreement: Agreement | None
    draw_masks: NDArray[np.uint8] | None = None

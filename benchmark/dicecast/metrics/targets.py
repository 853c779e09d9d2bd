"""Quality targets: the number that stands for how good a segmentation is, high where good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dicecast.metrics.quality import Floats, Masks, dice, jaccard
from dicecast.metrics.surface import (
    DEFAULT_TOLERANCE,
    diagonal,
    hausdorff_95,
    normalised_surface_dice,
)

DICE = "dice"


@dataclass(frozen=True)
class QualityTarget:
    """How good a predicted mask is, given the true one: in [0, 1], 1 being perfect.

    Attributes:
        measure: A key of ``MEASURES_OF_QUALITY``.
        class_index: The one class that counts; None for the mean over all but the background.
        tolerance: Of ``normalised_surface_dice``, in pixels; the others have none.

    Example:
        >>> import numpy as np
        >>> square = np.zeros((1, 8, 8), np.uint8)
        >>> square[:, 2:5, 2:5] = 1
        >>> moved = np.roll(square, 1, axis=2)
        >>> QualityTarget("jaccard")(moved, square, num_classes=2)
        array([0.5])
    """

    measure: str = DICE
    class_index: int | None = None
    tolerance: float = DEFAULT_TOLERANCE

    @property
    def is_mean_dice(self) -> bool:
        """Whether it is the default, the mean Dice."""
        return self.measure == DICE and self.class_index is None

    def __call__(self, predicted: Masks, truth: Masks, num_classes: int) -> Floats:
        """Return the quality of each case, ``(cases,)`` in [0, 1].

        Args:
            predicted: ``(cases, height, width)``, uint8, the class of each pixel.
            truth: Same shape, uint8.
            num_classes: How many classes, background included.

        Raises:
            ValueError: As :func:`dicecast.metrics.quality.dice`.
        """
        measure = MEASURES_OF_QUALITY[self.measure]
        by_class = measure(predicted, truth, num_classes, self.tolerance)
        if self.class_index is None:
            means: Floats = by_class.mean(axis=1)
            return means
        return by_class[:, self.class_index - 1]


MEAN_DICE = QualityTarget()
"""The default: the Dice of each foreground class, then their mean."""


def _closeness(predicted: Masks, truth: Masks, num_classes: int, tolerance: float) -> Floats:
    return 1.0 - hausdorff_95(predicted, truth, num_classes) / diagonal(truth.shape)


MEASURES_OF_QUALITY: dict[str, Callable[[Masks, Masks, int, float], Floats]] = {
    DICE: lambda predicted, truth, classes, tolerance: dice(predicted, truth, classes),
    "jaccard": lambda predicted, truth, classes, tolerance: jaccard(predicted, truth, classes),
    "normalised_surface_dice": normalised_surface_dice,
    "hausdorff_95": _closeness,
}
"""Masks, true masks, number of classes and tolerance to ``(cases, classes - 1)`` in [0, 1].

``hausdorff_95`` is 1 - distance / diagonal of the image: the quality that every metric and head
here expects, from which the distance in pixels is had by ``(1 - quality) * diagonal``.
"""

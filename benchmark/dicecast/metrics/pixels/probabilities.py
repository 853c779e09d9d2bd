"""What is counted of the class probabilities of every pixel, as sums that add up over images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.metrics.pixels.bins import BINS, fine_bins
from dicecast.metrics.pixels.ratio import Floats

CONFIDENCE_BINS = 20
"""Bins of equal width over [0, 1]; each has its lower edge, the last its upper one too."""

LEAST_PROBABILITY = 1e-7
"""Stands for smaller probabilities of the true class under a logarithm."""


class Probabilities(NamedTuple):
    """Sums over the pixels of each image; sums of these over images are of all pixels.

    The confidence of a pixel is the largest of its class probabilities; its gap is whether it is
    right (1 or 0) minus its confidence.

    Attributes:
        pixels: ``(images,)``, how many.
        wrong: ``(images,)``, how many have another class than the true one.
        log_loss: ``(images,)``, of minus the natural logarithm of the true class's probability.
        squared_error: ``(images,)``, over classes too.
        in_bin: ``(images, 20)``, pixels by confidence.
        confidence: ``(images, 20)``, of the confidence.
        right: ``(images, 20)``, of the pixels that are right.
        fine: ``(images, 4096)``, pixels by fine bins of one minus the confidence.
        fine_gap: ``(images, 4096)``, of the gap.
    """

    pixels: Floats
    wrong: Floats
    log_loss: Floats
    squared_error: Floats
    in_bin: Floats
    confidence: Floats
    right: Floats
    fine: Floats
    fine_gap: Floats


def count_probabilities(
    probabilities: NDArray[np.float32], truth: NDArray[np.uint8], predicted: NDArray[np.uint8]
) -> Probabilities:
    """Sum up what the metrics of probabilities need.

    Args:
        probabilities: ``(images, height, width, classes)``, float32.
        truth: ``(images, height, width)``, uint8.
        predicted: Same shape, uint8: the class of the largest probability.
    """
    images = len(truth)
    planes = np.ascontiguousarray(np.moveaxis(probabilities, -1, 0)).reshape(
        probabilities.shape[-1], images, -1
    )
    true, wrong = truth.reshape(images, -1), (truth != predicted).reshape(images, -1)
    of_truth = np.take_along_axis(planes, true[np.newaxis], axis=0)[0]
    confidence = planes.max(axis=0)
    gap = np.float32(1.0) - wrong - confidence
    place = np.minimum(
        (confidence * np.float32(CONFIDENCE_BINS)).astype(np.int64), CONFIDENCE_BINS - 1
    )
    fine = fine_bins(np.float32(1.0) - confidence)
    square = np.einsum("cip,cip->i", planes, planes, dtype=np.float64)
    return Probabilities(
        pixels=np.full(images, float(wrong.shape[1])),
        wrong=np.count_nonzero(wrong, axis=1).astype(np.float64),
        log_loss=-np.log(np.maximum(of_truth, LEAST_PROBABILITY)).sum(axis=1, dtype=np.float64),
        squared_error=square + (1.0 - 2.0 * of_truth).sum(axis=1, dtype=np.float64),
        in_bin=_by_bin(place, CONFIDENCE_BINS),
        confidence=_by_bin(place, CONFIDENCE_BINS, confidence),
        right=_by_bin(place, CONFIDENCE_BINS, ~wrong),
        fine=_by_bin(fine, BINS),
        fine_gap=_by_bin(fine, BINS, gap),
    )


def _by_bin(
    places: NDArray[np.integer], bins: int, weights: NDArray[np.generic] | None = None
) -> Floats:
    """Count, or sum weights, in the bins of each image, ``(images, bins)``."""
    images = len(places)
    shifted = places + bins * np.arange(images)[:, np.newaxis]
    counted = np.bincount(
        shifted.ravel(), None if weights is None else weights.ravel(), images * bins
    )
    return counted.astype(np.float64).reshape(images, bins)

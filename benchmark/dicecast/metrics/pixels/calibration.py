"""Calibration: of the pixels with a confidence of 80 %, are 80 % right?

All errors but the adaptive one come from 20 bins of equal width, which hold their sums: they are
exact, for images and for all pixels of a test set. A pixel with a confidence of exactly 0 or 1 is
in a bin like any other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dicecast.metrics.pixels.probabilities import CONFIDENCE_BINS, Probabilities
from dicecast.metrics.pixels.ratio import Floats, ratio


class Reliability(NamedTuple):
    """The reliability curve, each ``(images, 20)``, NaN in empty bins.

    Attributes:
        confidence: Mean confidence of the pixels of a bin.
        accuracy: Share of them that are right.
    """

    confidence: Floats
    accuracy: Floats


def reliability(summed: Probabilities) -> Reliability:
    """Return confidence and accuracy in bins of the confidence.

    Args:
        summed: Over the pixels of images, or of all of them.

    Source:
        DeGroot and Fienberg 1983, "The comparison and evaluation of forecasters"; the confidence
        is that of the predicted class, Guo et al. 2017.
    """
    sums = (summed.confidence, summed.right)
    return Reliability(*(ratio(part, summed.in_bin, empty=np.nan) for part in sums))


def ece(summed: Probabilities) -> Floats:
    """Return the expected calibration error (ECE) of the confidence, each bin by its pixels.

    Args:
        summed: Over the pixels of images, or of all of them.

    Returns:
        ``(images,)`` in [0, 1], 0 is calibrated.

    Source:
        Guo et al. 2017, equation 3, with 20 bins.
    """
    error: Floats = np.abs(summed.right - summed.confidence).sum(axis=1) / summed.pixels
    return error


def average_calibration_error(summed: Probabilities) -> Floats:
    """Return the average calibration error: the mean gap of the bins, each bin counting alike.

    Args:
        summed: Over the pixels of images, or of all of them.

    Returns:
        ``(images,)`` in [0, 1]; empty bins are left out.

    Source:
        Neumann et al. 2018, "Relaxed softmax: efficient confidence auto-calibration for safe
        pedestrian detection". ValUES too says ACE for it, and it is not the adaptive error.
    """
    error: Floats = np.nanmean(_gaps(summed), axis=1)
    return error


def maximum_calibration_error(summed: Probabilities) -> Floats:
    """Return the maximum calibration error (MCE): the largest gap of any bin with a pixel.

    Args:
        summed: Over the pixels of images, or of all of them.

    Returns:
        ``(images,)`` in [0, 1]. A bin of one pixel counts as much as any: read it where pooled.

    Source:
        Guo et al. 2017, equation 5.
    """
    error: Floats = np.nanmax(_gaps(summed), axis=1)
    return error


def adaptive_calibration_error(summed: Probabilities) -> Floats:
    """Return the adaptive calibration error: the mean gap of 20 bins of as many pixels each.

    Args:
        summed: Over the pixels of images, or of all of them.

    Returns:
        ``(images,)`` in [0, 1]. Where a limit between two bins falls among pixels whose confidence
        is equal (in one fine bin), each kind of them is divided in proportion, so that no order
        decides; the value then differs from one by sorting by at most half the share of pixels in
        the fine bins that are cut.

    Source:
        Nixon et al. 2019, "Measuring calibration in deep learning", of the top class only.
    """
    limits = np.linspace(0.0, 1.0, CONFIDENCE_BINS + 1)
    below = np.cumsum(summed.fine, axis=1)
    gaps = np.cumsum(summed.fine_gap, axis=1)
    start = np.zeros(1)
    at_limits = [
        np.interp(limits * count[-1], np.append(start, count), np.append(start, gap))
        for count, gap in zip(below, gaps, strict=True)
    ]
    error: Floats = np.abs(np.diff(at_limits, axis=1)).sum(axis=1) / summed.pixels
    return error


def _gaps(summed: Probabilities) -> Floats:
    curve = reliability(summed)
    return np.abs(curve.accuracy - curve.confidence)

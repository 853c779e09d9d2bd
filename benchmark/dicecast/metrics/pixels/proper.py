"""Proper scores: the expected score of a pixel is best if its probabilities are the true ones."""

from __future__ import annotations

from dicecast.metrics.pixels.probabilities import Probabilities
from dicecast.metrics.pixels.ratio import Floats


def nll(summed: Probabilities) -> Floats:
    """Return the negative log-likelihood (NLL): mean of minus the log of the true class.

    Args:
        summed: Over the pixels of images.

    Returns:
        ``(images,)``, natural units, from 0 (best) to 16.1: a probability below 1e-7 counts as
        that.

    Source:
        Guo et al. 2017, "On calibration of modern neural networks", over pixels.
    """
    return summed.log_loss / summed.pixels


def brier(summed: Probabilities) -> Floats:
    """Return the Brier score: mean over pixels of the squared error, summed over classes.

    Args:
        summed: Over the pixels of images.

    Returns:
        ``(images,)`` from 0 (best) to 2: with two classes twice the binary form, which
        ``sklearn.metrics.brier_score_loss`` gives.

    Source:
        Brier 1950, "Verification of forecasts expressed in terms of probability".
    """
    return summed.squared_error / summed.pixels


def error_rate(summed: Probabilities) -> Floats:
    """Return the share of wrong pixels, which is the average precision of chance.

    Args:
        summed: Over the pixels of images.

    Returns:
        ``(images,)`` in [0, 1].
    """
    return summed.wrong / summed.pixels

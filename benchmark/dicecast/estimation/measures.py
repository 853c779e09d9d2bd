"""Measures: what the accumulated draws say of each pixel, as maps that are high where unsure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from keras import ops

from dicecast.networks.backend import Tensor
from dicecast.networks.probabilities import entropy, log


class Moments(NamedTuple):
    """Means over the draws, of each class and pixel: ``(classes, batch, height, width)``.

    ``entropy`` has no class axis.
    """

    probability: Tensor
    square: Tensor
    log: Tensor
    entropy: Tensor

    @classmethod
    def of_draw(cls, probability: Tensor) -> Moments:
        """Return the moments of one draw, ``(classes, batch, height, width)``."""
        logs = log(probability)
        return cls(probability, ops.square(probability), logs, entropy(probability, logs))


Function = Callable[[Moments], Tensor]


@dataclass(frozen=True)
class Measure:
    """A function of the moments, with the number of draws from which it is defined."""

    name: str
    function: Function
    least_draws: int


MEASURES: dict[str, Measure] = {}


def measure(name: str, least_draws: int = 1) -> Callable[[Function], Function]:
    """Register a measure; below ``least_draws`` it is undefined."""

    def decorate(function: Function) -> Function:
        MEASURES[name] = Measure(name, function, least_draws)
        return function

    return decorate


@measure("max_softmax")
def max_softmax(moments: Moments) -> Tensor:
    """One minus the largest mean class probability, in [0, 1)."""
    return 1.0 - ops.max(moments.probability, axis=0)


@measure("predictive_entropy")
def predictive_entropy(moments: Moments) -> Tensor:
    """Entropy of the mean probabilities over its maximum, in [0, 1]: total uncertainty."""
    return entropy(moments.probability, log(moments.probability))


@measure("expected_entropy", least_draws=2)
def expected_entropy(moments: Moments) -> Tensor:
    """Mean entropy of the draws over its maximum, in [0, 1]: the aleatoric part."""
    return moments.entropy


@measure("mutual_information", least_draws=2)
def mutual_information(moments: Moments) -> Tensor:
    """Predictive minus expected entropy, in [0, 1]: the epistemic part."""
    return ops.maximum(predictive_entropy(moments) - moments.entropy, 0.0)


@measure("variance", least_draws=2)
def variance(moments: Moments) -> Tensor:
    """Variance of the class probabilities over the draws, mean over classes, in [0, 0.25]."""
    spread = moments.square - ops.square(moments.probability)
    return ops.mean(ops.maximum(spread, 0.0), axis=0)


@measure("expected_pairwise_kl", least_draws=2)
def expected_pairwise_kl(moments: Moments) -> Tensor:
    """Expected pairwise KL divergence (EPKL) of two draws over ln(classes), at least 0.

    ``-sum_c mean(p_c) mean(log p_c)`` minus the expected entropy; Malinin and Gales 2021.
    """
    cross = -ops.sum(moments.probability * moments.log, axis=0)
    classes = moments.probability.shape[0]
    return ops.maximum(cross / math.log(classes) - moments.entropy, 0.0)

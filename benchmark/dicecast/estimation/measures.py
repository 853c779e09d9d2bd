"""Measures: what the accumulated draws say of each pixel, as maps that are high where unsure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from keras import ops

from dicecast.networks.backend import Tensor
from dicecast.networks.probabilities import entropy, log

VOTES_DTYPE = "int16"
"""Votes are counted in half the memory of floats: adding them up is bound by it."""


class Moments(NamedTuple):
    """Means over the draws, of each class and pixel: ``(classes, batch, height, width)``.

    ``entropy`` has no class axis. ``votes`` has the classes but the background: whether the class
    is the draw's most likely one.
    """

    probability: Tensor
    square: Tensor
    log: Tensor
    entropy: Tensor
    votes: Tensor

    @classmethod
    def of_draw(cls, probability: Tensor, mask: Tensor) -> Moments:
        """Return the moments of one draw.

        Args:
            probability: ``(classes, batch, height, width)``.
            mask: Its most likely class, ``(batch, height, width)``, uint8.
        """
        logs = log(probability)
        voted = np.arange(1, probability.shape[0], dtype=np.uint8).reshape(-1, 1, 1, 1)
        return cls(
            probability,
            ops.square(probability),
            logs,
            entropy(probability, logs),
            ops.cast(ops.equal(mask, voted), VOTES_DTYPE),
        )

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> Moments:
        """Return what sums of moments start from.

        Args:
            shape: ``(classes, batch, height, width)``.
        """
        planes, plane = ops.zeros(shape), ops.zeros(shape[1:])
        votes = ops.zeros((shape[0] - 1, *shape[1:]), VOTES_DTYPE)
        return cls(planes, planes, planes, plane, votes)


Function = Callable[[Moments], Tensor]


@dataclass(frozen=True)
class Measure:
    """A function of the moments, with the number of draws from which it is defined."""

    name: str
    function: Function
    least_draws: int


MEASURES: dict[str, Measure] = {}

LOGIT_MEASURES: dict[str, Callable[[Tensor], Tensor]] = {}
"""Measures of a single network's logits ``(classes, batch, height, width)`` instead of moments."""

NEEDS_LOGITS = "needs the logits of a single network"
"""Why the maps of LOGIT_MEASURES are undefined for an estimator that does not give them."""


def measure(name: str, least_draws: int = 1) -> Callable[[Function], Function]:
    """Register a measure; below ``least_draws`` it is undefined."""

    def decorate(function: Function) -> Function:
        MEASURES[name] = Measure(name, function, least_draws)
        return function

    return decorate


def logit_measure(
    name: str,
) -> Callable[[Callable[[Tensor], Tensor]], Callable[[Tensor], Tensor]]:
    """Register a measure of logits."""

    def decorate(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        LOGIT_MEASURES[name] = function
        return function

    return decorate


@measure("max_softmax")
def max_softmax(moments: Moments) -> Tensor:
    """One minus the largest mean class probability, in [0, 1)."""
    return 1.0 - ops.max(moments.probability, axis=0)


@measure("margin")
def margin(moments: Moments) -> Tensor:
    """One minus the largest mean class probability plus the second largest, in [0, 1].

    Scheffer et al. 2001, margin sampling. Twice ``max_softmax`` for two classes.
    """
    best, *others = ops.unstack(moments.probability, moments.probability.shape[0], axis=0)
    second = ops.zeros_like(best)
    for plane in others:
        second = ops.maximum(second, ops.minimum(best, plane))
        best = ops.maximum(best, plane)
    return 1.0 - (best - second)


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
    return ops.maximum(_cross_entropy(moments) - moments.entropy, 0.0)


@measure("reverse_mutual_information", least_draws=2)
def reverse_mutual_information(moments: Moments) -> Tensor:
    """Mean KL divergence from the mean probabilities to a draw over ln(classes), at least 0.

    The EPKL minus the mutual information, which has the divergence the other way round: it grows
    without bound where a draw excludes what others expect. Malinin and Gales 2021
    (arXiv 2002.07650).
    """
    return ops.maximum(_cross_entropy(moments) - predictive_entropy(moments), 0.0)


@measure("variation_ratio", least_draws=2)
def variation_ratio(moments: Moments) -> Tensor:
    """Share of the draws whose most likely class is not the one of most draws, in [0, 1).

    Freeman 1965; Gal 2016 (thesis). Of K draws it takes at most K values.
    """
    background = 1.0 - ops.sum(moments.votes, axis=0)
    return 1.0 - ops.maximum(background, ops.max(moments.votes, axis=0))


@logit_measure("energy")
def energy(logits: Tensor) -> Tensor:
    """Energy of the logits, ``-ln(sum_c exp(logit_c))``, by a sigmoid in (0, 1).

    Which is the softmax probability of one more class whose logit is 0: high where no class has
    evidence. Liu et al. 2020 (arXiv 2010.03759), at temperature 1; the sigmoid is ours and
    keeps the order.
    """
    return ops.sigmoid(-ops.logsumexp(logits, axis=0))


def _cross_entropy(moments: Moments) -> Tensor:
    """Return the mean cross-entropy of the mean probabilities and a draw, over ln(classes)."""
    cross = -ops.sum(moments.probability * moments.log, axis=0)
    return cross / math.log(moments.probability.shape[0])

"""How far a case lies from the training cases in the backbone's own features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from dicecast import register_head
from dicecast.heads.comparison import FittedComparison, fit_comparison, required
from dicecast.heads.contract import Evidence, Examples


@register_head("mahalanobis")
@dataclass(frozen=True)
class Mahalanobis:
    """Predicts Dice from the Mahalanobis distance of a case to the training cases.

    What lies far from everything that the network was trained on is likely to be segmented badly.
    The features are the mean activations of the backbone's deepest block. The distance sees the
    image alone, not the mask: it is made for shifts, and says little of cases that resemble the
    training cases.

    Source: Gonzalez et al. 2021 (MICCAI, arXiv 2107.05975), after Lee et al. 2018. They pool
    activations to at most 10,000 numbers and take the empirical covariance; here one number a
    channel and the covariance shrunk by Ledoit and Wolf 2004, which a few hundred training cases
    determine. The distance becomes a Dice by isotonic regression on the examples.
    Cost: one pass of the encoder over all cases; then milliseconds.
    """

    @property
    def score_name(self) -> str:
        """The name of the head's row."""
        return "mahalanobis"

    def fit(self, examples: Examples, seed: int) -> FittedComparison:
        """Estimate the covariance and fit the regression; ``seed`` changes nothing.

        Raises:
            DicecastError: The estimator has no features.
        """
        return fit_comparison(examples, lambda part: Nearness.to(required(part.reference_features)))


@dataclass(frozen=True)
class Nearness:
    """Minus the Mahalanobis distance to known cases."""

    covariance: LedoitWolf

    @classmethod
    def to(cls, features: NDArray[np.float64]) -> Nearness:
        """Return the nearness to cases with these features, ``(cases, features)``."""
        return cls(LedoitWolf().fit(features))

    def __call__(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return minus the distance of each case, ``(cases,)``."""
        squared = self.covariance.mahalanobis(required(evidence.features))
        nearness: NDArray[np.float64] = -np.sqrt(squared)
        return nearness

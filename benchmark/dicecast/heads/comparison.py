"""Heads that compare a case with known ones: how well it compares, as a quality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from dicecast.errors import DicecastError
from dicecast.heads.contract import Evidence, Examples
from dicecast.stacks import Stack, chunks


class Comparison(Protocol):
    """Compares cases with references."""

    def __call__(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return how well each case compares, ``(cases,)``, finite, high where good."""
        ...


MakeComparison: TypeAlias = Callable[[Examples], Comparison]
"""Prepares the comparison with the reference of some examples."""


@dataclass(frozen=True)
class FittedComparison:
    """A comparison with the training role, and what its scores mean.

    Attributes:
        compare: Compares with the training role.
        regression: Quality by score: rising steps, fitted.
    """

    compare: Comparison
    regression: IsotonicRegression

    def predict(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the predicted quality of each case, ``(cases,)``, in [0, 1]."""
        if not len(evidence):
            return np.zeros(0)
        return np.asarray(self.regression.predict(self.compare(evidence)), dtype=np.float64)


def fit_comparison(examples: Examples, make: MakeComparison) -> FittedComparison:
    """Compare the examples and fit the quality that goes with a score by isotonic regression.

    Each part of the examples is compared with its own reference, so that none is compared with
    itself; see ``Examples.parts``.
    """
    compare = make(examples)
    scores = []
    for part in examples.parts:
        mine = compare if part is examples else make(part)
        rows = chunks(part.evidence.images)
        scores += [mine(part.evidence.take(some)) for some in rows]
    quality = np.concatenate([part.quality for part in examples.parts])
    regression = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    return FittedComparison(compare, regression.fit(np.concatenate(scores), quality))


def required(features: Stack[np.float32] | None) -> NDArray[np.float64]:
    """Return the features of cases, ``(cases, features)``.

    Raises:
        DicecastError: There are none.
    """
    if features is None:
        raise DicecastError(
            "needs features of the cases; this estimator has no single network that describes an "
            "image (Predictive.feature_backbone is None)."
        )
    return np.asarray(features, dtype=np.float64)

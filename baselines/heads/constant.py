"""Control: no evidence at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dicecast import register_head
from dicecast.heads.contract import Evidence, Examples


@register_head("constant")
@dataclass(frozen=True)
class Constant:
    """Control: predicts the mean Dice of the quality role for every case.

    The least mean squared error that is possible without looking at a case. A head that does not
    beat it has learned nothing; its ranking of cases is that of chance.

    Source: the mean predictor; the reference at which the coefficient of determination is 0.
    Cost: none.
    """

    @property
    def score_name(self) -> str:
        """The name of the head's row."""
        return "constant"

    def fit(self, examples: Examples, seed: int) -> FittedConstant:
        """Keep the mean quality; ``seed`` changes nothing."""
        return FittedConstant(float(np.clip(examples.quality.mean(), 0.0, 1.0)))


@dataclass(frozen=True)
class FittedConstant:
    """The mean quality of the examples, in [0, 1]."""

    quality: float

    def predict(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the same quality for each case, ``(cases,)``."""
        return np.full(len(evidence), self.quality)

"""One score, turned into a Dice by a rising step function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from dicecast import DicecastError, register_head
from dicecast.errors import did_you_mean
from dicecast.heads.columns import column_matrix
from dicecast.heads.contract import Evidence, Examples
from dicecast.metrics.correlation import spearman


@register_head("isotonic")
@dataclass(frozen=True)
class Isotonic:
    """Predicts Dice from one score by isotonic regression: the best rising step function.

    Keeps the ranking of the score (but for ties) and gives it the scale of Dice, so that errors
    can be stated in Dice. Which score to use, if none is named, is chosen on the quality role.

    Source: Barlow et al. 1972; as a calibration map, Zadrozny and Elkan 2002 (KDD).
    Cost: milliseconds.

    Attributes:
        score: Name of a score, such as ``predictive_entropy/mean``. Empty: the one whose Spearman
            correlation with Dice is highest on the quality role, among the scores that are
            defined for all its cases; the first by name of equals.
    """

    score: str = ""

    @property
    def score_name(self) -> str:
        """The name of the head's row: ``isotonic``, or ``isotonic/<score>`` for a named score."""
        return f"isotonic/{self.score}" if self.score else "isotonic"

    def fit(self, examples: Examples, seed: int) -> FittedIsotonic:
        """Choose the score if none is named, and fit; ``seed`` changes nothing.

        Raises:
            DicecastError: The named score does not exist or is undefined for some cases, or no
                score can be chosen.
        """
        scores = examples.evidence.scores
        score = self.score or _best_score(scores, examples.quality)
        _check(score, scores)
        regression = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        regression.fit(scores[score].to_numpy(dtype=np.float64), examples.quality)
        return FittedIsotonic(score, regression)


@dataclass(frozen=True)
class FittedIsotonic:
    """A fitted step function of one score.

    Attributes:
        score: The score it reads.
        regression: scikit-learn's, fitted.
    """

    score: str
    regression: IsotonicRegression

    def predict(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the predicted quality of each case, ``(cases,)``, in [0, 1].

        Raises:
            DicecastError: The evidence lacks the score, or it is undefined for a case: then the
                head is undefined too, and predicts nothing in its place.
        """
        values = column_matrix(evidence, [self.score])[:, 0]
        if not len(values):
            return values
        undefined = int(np.count_nonzero(~np.isfinite(values)))
        if undefined:
            raise DicecastError(
                f"'{self.score}', which the head reads, is undefined for {undefined} of "
                f"{len(values)} cases."
            )
        return np.asarray(self.regression.predict(values), dtype=np.float64)


def _best_score(scores: pd.DataFrame, quality: NDArray[np.float64]) -> str:
    correlations = {}
    for name, column in scores.items():
        values = column.to_numpy(dtype=np.float64)
        correlation = spearman(values, quality) if np.isfinite(values).all() else np.nan
        if np.isfinite(correlation):
            correlations[str(name)] = correlation
    if not correlations:
        raise DicecastError(
            "Choosing a score needs one that is defined for every case of the quality role and "
            f"varies, as must the Dice; of {list(scores.columns)} none will do, or the Dice is the "
            "same for all cases. Name a score, or give the quality role more cases."
        )
    return min(correlations, key=lambda name: (-correlations[name], name))


def _check(score: str, scores: pd.DataFrame) -> None:
    if score not in scores.columns:
        raise DicecastError(
            f"The head 'isotonic' needs a score that the estimator defines; it has no '{score}'. "
            f"{did_you_mean(score, scores.columns)}"
        )
    undefined = int(np.count_nonzero(~np.isfinite(scores[score].to_numpy(dtype=np.float64))))
    if undefined:
        raise DicecastError(
            f"The head 'isotonic' needs a score that is defined for every case; '{score}' is "
            f"undefined for {undefined} of {len(scores)} cases of the quality role."
        )

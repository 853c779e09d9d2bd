"""Several regressors, weighed by how well they predict patients they were not fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import StackingRegressor
from sklearn.feature_selection import SelectKBest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.preprocessing import StandardScaler

from dicecast import DicecastError, register_head
from dicecast.heads.columns import FittedColumns, Regressor, all_columns, fit_columns
from dicecast.heads.contract import Examples
from dicecast.heads.patients import patient_folds
from dicecast.heads.regressors import boosted_trees, imputed, random_forest
from dicecast.metrics.correlation import spearman


@register_head("combined")
@dataclass(frozen=True)
class Combined:
    """A weighted sum of five regressors, the weights fitted on out-of-fold predictions.

    On all scores and the shape of the predicted mask: the mean quality, an isotonic regression of
    the single column whose ranking is most like that of the quality, ridge regression, a random
    forest and gradient boosting. Each predicts every example from a fit to other patients; the
    weights, none below 0, are the least squares fit of these predictions to the true quality. Then
    all five are fitted anew on all examples. A regressor that overfits gets little weight, and
    there is nothing to choose by hand.

    Source: Wolpert 1992 (Neural Networks 5:241); weights of at least 0 and no intercept as in
    Breiman 1996 (Machine Learning 24:49), "Stacked regressions".
    Cost: ``folds`` + 1 times that of ``forest`` and ``gradient_boosting``; some seconds.

    Attributes:
        folds: Parts into which the patients are cut, at least 2.
        num_trees: Trees of the forest and of gradient boosting each, at least 1.
    """

    folds: int = 5
    num_trees: int = 100

    def __post_init__(self) -> None:
        if self.folds < 2 or self.num_trees < 1:
            raise DicecastError(f"combined needs at least 2 folds and 1 tree; got {self}.")

    @property
    def score_name(self) -> str:
        """The name of the head's row."""
        return "combined"

    def fit(self, examples: Examples, seed: int) -> FittedColumns:
        """Fit the weights, then the regressors; ``seed`` draws the trees of the forest.

        Raises:
            DicecastError: There is no column of scores or shape, or there are fewer patients than
                folds.
        """
        stack = StackingRegressor(
            list(base_regressors(self.num_trees, seed).items()),
            LinearRegression(positive=True, fit_intercept=False),
            cv=patient_folds("combined", examples.groups, self.folds),
        )
        return fit_columns(examples, all_columns(examples.evidence), stack)


def base_regressors(num_trees: int, seed: int) -> dict[str, Regressor]:
    """Return what is combined, by name, unfitted."""
    return {
        "mean": DummyRegressor(),
        "isotonic": imputed(
            SelectKBest(rank_correlation, k=1),
            IsotonicRegression(out_of_bounds="clip"),
        ),
        "ridge": imputed(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13))),
        "forest": imputed(random_forest(num_trees, 2, seed)),
        "boosting": boosted_trees(num_trees, 10, 0.05),
    }


def rank_correlation(
    columns: NDArray[np.float64], quality: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return each column's Spearman correlation with the quality; -1 where it is not defined."""
    found = [spearman(column, quality) for column in columns.T]
    return np.asarray(np.nan_to_num(found, nan=-1.0))

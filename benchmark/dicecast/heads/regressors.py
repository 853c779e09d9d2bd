"""scikit-learn's regressors as the heads on columns use them: set up once, under one set of rules.

An undefined score is NaN in a column. Regressors that cannot read NaN get the column's median over
the examples in its place; a column that is never defined stays, as zeros, so that cases can be
predicted with the columns of the fit.
"""

from __future__ import annotations

from typing import Any

from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits


def imputed(*steps: Any) -> Pipeline:
    """Return the steps behind an imputation of medians."""
    return make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), *steps)


def random_forest(num_trees: int, min_samples_leaf: int, seed: int) -> RandomForestRegressor:
    """Return a random forest; ``seed`` draws the cases and columns of its trees."""
    return RandomForestRegressor(
        n_estimators=num_trees, min_samples_leaf=min_samples_leaf, random_state=seed
    )


class OneThread(HistGradientBoostingRegressor):  # type: ignore[misc]  # it has no types
    """Gradient boosting on one thread.

    With some hundred cases there is nothing to share out: two threads on two cores that somebody
    else uses too took 30 times as long, waiting for each other.
    """

    def fit(self, *arguments: Any) -> OneThread:
        """Fit; see scikit-learn."""
        with threadpool_limits(1, "openmp"):
            super().fit(*arguments)
        return self

    def predict(self, *arguments: Any) -> Any:
        """Predict; see scikit-learn."""
        with threadpool_limits(1, "openmp"):
            return super().predict(*arguments)


def boosted_trees(
    num_trees: int, min_samples_leaf: int, learning_rate: float, **changes: Any
) -> OneThread:
    """Return gradient boosting on histograms, which reads NaN and draws nothing at random.

    It does not stop early: that would hold back cases drawn without regard to patients.
    """
    return OneThread(
        max_iter=num_trees,
        min_samples_leaf=min_samples_leaf,
        learning_rate=learning_rate,
        early_stopping=False,
        **changes,
    )

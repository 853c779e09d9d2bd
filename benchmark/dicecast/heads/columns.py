"""Heads that regress quality on columns of numbers: which columns, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.errors import DicecastError, did_you_mean
from dicecast.heads.contract import Evidence, Examples

SHAPE_PREFIX = "mask_shape/"
"""Keeps the features of the mask's shape apart from the scores."""


class Regressor(Protocol):
    """What is used of a scikit-learn regressor."""

    def fit(self, x: Any, y: Any, /) -> object:
        """Fit on a matrix ``(cases, columns)`` and targets ``(cases,)``."""
        ...

    def predict(self, x: Any, /) -> Any:
        """Return predictions ``(cases,)``."""
        ...


def evidence_table(evidence: Evidence) -> pd.DataFrame:
    """Return the scores, then the shape features as ``mask_shape/<feature>``; one row a case."""
    shape = evidence.mask_shape.add_prefix(SHAPE_PREFIX)
    return pd.concat([evidence.scores, shape], axis=1)


def all_columns(evidence: Evidence) -> list[str]:
    """Return the names of the columns of ``evidence_table``, in order."""
    return [str(column) for column in evidence_table(evidence).columns]


def column_matrix(evidence: Evidence, columns: Sequence[str]) -> NDArray[np.float64]:
    """Return the named columns of ``evidence_table`` in the given order, ``(cases, columns)``.

    Raises:
        DicecastError: The evidence lacks a column.
    """
    table = evidence_table(evidence)
    for column in columns:
        if column not in table.columns:
            raise DicecastError(
                f"The head was fitted on the column '{column}', which these cases lack. "
                f"{did_you_mean(column, table.columns)} Score them with the same estimator."
            )
    return table[list(columns)].to_numpy(dtype=np.float64)


@dataclass(frozen=True)
class FittedColumns:
    """A fitted regressor with the columns it was fitted on.

    Attributes:
        columns: Names in ``evidence_table``, in the order of the fit.
        regressor: Fitted.
    """

    columns: tuple[str, ...]
    regressor: Regressor

    def predict(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the predicted quality of each case, ``(cases,)``, in [0, 1].

        Raises:
            DicecastError: The evidence lacks a column of the fit.
        """
        matrix = column_matrix(evidence, self.columns)
        return np.clip(np.asarray(self.regressor.predict(matrix), dtype=np.float64), 0.0, 1.0)


def fit_columns(examples: Examples, columns: Sequence[str], regressor: Regressor) -> FittedColumns:
    """Fit a regressor of the true quality on the named columns.

    Raises:
        DicecastError: The evidence lacks a column, or there is none.
    """
    if not columns:
        raise DicecastError("A regression needs at least one column of scores or shape; got none.")
    regressor.fit(column_matrix(examples.evidence, columns), examples.quality)
    return FittedColumns(tuple(columns), regressor)


def check_forest(head: str, num_trees: int, min_samples_leaf: int) -> None:
    """Check the settings of a head that is a random forest.

    Raises:
        DicecastError: A setting is below 1.
    """
    if num_trees < 1 or min_samples_leaf < 1:
        raise DicecastError(
            f"{head} needs at least 1 tree and 1 case a leaf; "
            f"got num_trees = {num_trees}, min_samples_leaf = {min_samples_leaf}."
        )

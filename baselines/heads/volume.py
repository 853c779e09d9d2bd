"""Control: how far the predicted volume alone forecasts quality."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dicecast import register_head
from dicecast.heads.columns import SHAPE_PREFIX, FittedColumns, check_forest, fit_columns
from dicecast.heads.contract import Examples
from dicecast.heads.regressors import random_forest

_VOLUME = re.compile(r"(foreground|class_\d+)_fraction")


@register_head("volume")
@dataclass(frozen=True)
class Volume:
    """Control: predicts Dice from the predicted volume alone.

    A random forest on the foreground fraction and the fraction of each class, with leaves large
    enough for a smooth curve. Small structures have low Dice, so an uncertainty method has to
    beat this before its uncertainty can be said to help.

    Source: the mask-size control; the foreground fraction is a feature of Zenk et al. 2025 (MedIA
    101:103392).
    Cost: well under a second for some hundred cases.

    Attributes:
        num_trees: Trees of the forest, at least 1.
        min_samples_leaf: Least number of cases in a leaf, at least 1.
    """

    num_trees: int = 100
    min_samples_leaf: int = 10

    def __post_init__(self) -> None:
        check_forest("volume", self.num_trees, self.min_samples_leaf)

    @property
    def score_name(self) -> str:
        """The name of the head's row."""
        return "volume"

    def fit(self, examples: Examples, seed: int) -> FittedColumns:
        """Fit the forest; ``seed`` draws the cases of each tree."""
        names = [str(name) for name in examples.evidence.mask_shape.columns]
        columns = [SHAPE_PREFIX + name for name in names if _VOLUME.fullmatch(name)]
        forest = random_forest(self.num_trees, self.min_samples_leaf, seed)
        return fit_columns(examples, columns, forest)

"""A random forest on everything that is known of a case in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from dicecast import register_head
from dicecast.heads.columns import FittedColumns, all_columns, check_forest, fit_columns
from dicecast.heads.contract import Examples
from dicecast.heads.regressors import imputed, random_forest


@register_head("forest")
@dataclass(frozen=True)
class Forest:
    """Predicts Dice by a random forest on all scores and the shape of the predicted mask.

    Learns how to weigh the aggregations against each other and against what the mask's shape
    says. A score that is undefined for a case counts as its median over the examples.

    Source: Zenk et al. 2025 (MedIA 101:103392), regression forest on simple features; here with
    all scores in place of their three mean confidences, and the Dice as the only target.
    Cost: about a second for some hundred cases.

    Attributes:
        num_trees: Trees of the forest, at least 1.
        min_samples_leaf: Least number of cases in a leaf, at least 1.
    """

    num_trees: int = 200
    min_samples_leaf: int = 2

    def __post_init__(self) -> None:
        check_forest("forest", self.num_trees, self.min_samples_leaf)

    @property
    def score_name(self) -> str:
        """The name of the head's row."""
        return "forest"

    def fit(self, examples: Examples, seed: int) -> FittedColumns:
        """Fit the forest; ``seed`` draws the cases and columns of each tree.

        Raises:
            DicecastError: There is no column of scores or shape.
        """
        forest = imputed(random_forest(self.num_trees, self.min_samples_leaf, seed))
        return fit_columns(examples, all_columns(examples.evidence), forest)

"""All scores of a batch of cases, and the list of what there is."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from dicecast.estimation.prediction import Prediction
from dicecast.scores.aggregations import MAP_AGGREGATIONS, map_scores
from dicecast.scores.agreement import AGREEMENT_SCORES, PROBABILITY_SCORES, draw_scores


def score_batch(prediction: Prediction, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """Return every quality score of each case; high where good.

    Each case is scored from its own prediction alone, so cases may come in any batches.

    Args:
        prediction: A batch of cases.
        thresholds: By measure; see ``ThresholdCalibration``.

    Returns:
        One row a case; columns ``<measure>/<aggregation>``, then the scores of probabilities and
        of the draws' agreement. ``undefined_scores`` says which are absent, and why.

    Raises:
        DicecastError: A measure of the prediction has no threshold.
    """
    return pd.concat([map_scores(prediction, thresholds), draw_scores(prediction)], axis=1)


def describe_aggregations() -> dict[str, str]:
    """Return the first sentence of each aggregation's docstring by its name.

    Aggregations of maps are named ``<measure>/<name>``, because each applies to every measure.
    """
    of_maps = {f"<measure>/{name}": function for name, function in MAP_AGGREGATIONS.items()}
    functions = {**of_maps, **PROBABILITY_SCORES, **AGREEMENT_SCORES}
    return {name: _summary(function) for name, function in functions.items()}


def _summary(function: object) -> str:
    return (function.__doc__ or "").partition("\n")[0]

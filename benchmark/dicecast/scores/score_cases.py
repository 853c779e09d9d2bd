"""All scores of a batch of cases."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from dicecast.estimation.prediction import Prediction
from dicecast.scores.agreement import draw_scores
from dicecast.scores.map_scores import map_scores


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

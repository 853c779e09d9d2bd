"""Every measure with every aggregation: on 2 and 4 classes, two sizes, in batches of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from keras import ops

from dicecast.estimation.contract import Predictive
from dicecast.estimation.measures import LOGIT_MEASURES, MEASURES
from dicecast.estimation.sampling import Sampler
from dicecast.networks.noise import Noise
from dicecast.networks.probabilities import classes_first
from dicecast.scores.aggregations import MAP_AGGREGATIONS
from dicecast.scores.agreement import AGREEMENT_SCORES, PROBABILITY_SCORES
from dicecast.scores.score_cases import score_batch
from dicecast.scores.threshold import ThresholdCalibration

CASES, DRAWS = 8, 3


class Mixed(Predictive):
    """Draw ``i`` is the softmax of the pixel times the ``i``-th matrix."""

    num_draws = DRAWS
    ordered_draws = True

    def __init__(self, classes: int) -> None:
        rng = np.random.default_rng(classes)
        self.state = rng.normal(0, 3, (DRAWS, 3, classes)).astype(np.float32)

    def draw(self, state: Any, prepared: Any, noise: Noise) -> Any:
        return ops.softmax(ops.matmul(prepared, ops.take(state, noise.index, axis=0)))

    def maps(self, state: Any, prepared: Any) -> dict[str, Any]:
        logits = classes_first(ops.matmul(prepared, state[0]))
        return {name: function(logits) for name, function in LOGIT_MEASURES.items()}


def images(height: int, width: int) -> np.ndarray:
    """Smooth images, the first of them of one colour."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (CASES, height // 4, width // 4, 3)).astype(np.uint8)
    coarse[0] = 128
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def scores(classes: int, size: tuple[int, int], batch_size: int) -> pd.DataFrame:
    predictions = list(
        Sampler(classes, batch_size=batch_size).predict(Mixed(classes), images(*size), seed=0)
    )
    calibration = ThresholdCalibration()
    for prediction in predictions:
        calibration.update(prediction)
    # Of all batches together: what a threshold is must not depend on them here.
    limits = {name: round(value, 3) for name, value in calibration.thresholds().items()}
    return pd.concat([score_batch(p, limits) for p in predictions], ignore_index=True)


@pytest.mark.parametrize("size", [(16, 16), (8, 12)], ids=str)
@pytest.mark.parametrize("classes", [2, 4])
def test_a_case_has_the_same_scores_in_batches_of_1_3_and_8(
    classes: int, size: tuple[int, int]
) -> None:
    whole = scores(classes, size, 8)
    grid = {
        f"{measure}/{name}" for measure in (*MEASURES, *LOGIT_MEASURES) for name in MAP_AGGREGATIONS
    }
    assert set(whole) == grid | {*AGREEMENT_SCORES, *PROBABILITY_SCORES}
    # What no case of these has is no score; a single case may lack one, such as a boundary.
    assert np.isfinite(whole).any().all()
    assert not np.isinf(whole).any(axis=None)
    for batch_size in (1, 3):
        pd.testing.assert_frame_equal(
            scores(classes, size, batch_size), whole, rtol=1e-4, atol=1e-5
        )

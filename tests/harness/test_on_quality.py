"""Aggregations on the quality role against SciPy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dicecast.harness.on_quality import on_quality
from dicecast.harness.predicting import PredictedRole
from dicecast.heads.contract import Evidence
from dicecast.metrics.risk_coverage import aurc


def test_each_aggregation_is_compared_with_the_true_quality_of_the_quality_role():
    generator = np.random.default_rng(0)
    dice = generator.random(30)
    scores = pd.DataFrame({"good": dice + 0.1 * generator.normal(size=30), "constant": 1.0})
    scores["gaps"] = np.where(np.arange(30) == 3, np.nan, dice)
    scores["infinite"] = np.where(np.arange(30) == 3, np.inf, dice)
    empty = np.zeros((30, 1, 1))
    evidence = Evidence(empty, empty, empty, scores, pd.DataFrame(), 2)
    found = on_quality(PredictedRole(pd.DataFrame({"dice": dice}), evidence))
    assert found["good"] == {
        "spearman": pytest.approx(stats.spearmanr(scores["good"], dice).statistic),
        "aurc": pytest.approx(aurc(scores["good"].to_numpy(), dice)),
    }
    assert found["constant"] == {"spearman": None, "aurc": pytest.approx(1 - dice.mean())}
    assert found["gaps"] == found["infinite"] == {"spearman": None, "aurc": None}

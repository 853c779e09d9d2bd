"""Kendall's tau-b against SciPy's, and against all pairs for counts too large to write out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dicecast.metrics.resampling.block import Truth
from dicecast.metrics.resampling.kendall import kendall


def found(scores, quality, counts):
    truth = Truth(quality, 0.5)
    return kendall(scores[:, truth.order], truth, counts[:, truth.order])


@pytest.mark.parametrize("decimals", [1, 2, 12])
@pytest.mark.parametrize("cases", [2, 3, 50, 400])
def test_equals_scipy(cases, decimals):
    generator = np.random.default_rng(cases)
    quality = generator.random(cases).round(decimals)
    scores = (quality + generator.normal(scale=0.3, size=(4, cases))).round(decimals)
    counts = generator.integers(0, 4, size=(5, cases))
    expected = [
        [
            stats.kendalltau(np.repeat(score, count), np.repeat(quality, count)).statistic
            for count in counts
        ]
        for score in scores
    ]
    np.testing.assert_allclose(found(scores, quality, counts), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("largest", [5, 100_000], ids=["single precision", "double precision"])
def test_equals_all_pairs(largest):
    generator = np.random.default_rng(largest)
    quality, scores = generator.random(70).round(2), generator.random((3, 70)).round(2)
    counts = generator.integers(0, largest, size=(6, 70))
    by_quality = np.sign(np.subtract.outer(quality, quality))
    expected = []
    for score in scores:
        by_score = np.sign(np.subtract.outer(score, score))
        pairs = [
            np.einsum("ri,ij,rj->r", counts, signs, counts)
            for signs in (by_score * by_quality, by_score**2, by_quality**2)
        ]
        expected.append(pairs[0] / np.sqrt(pairs[1] * pairs[2]))
    np.testing.assert_allclose(found(scores, quality, counts), expected, rtol=0, atol=1e-12)

from __future__ import annotations

import numpy as np
import pytest

from dicecast.metrics.intervals import coverage, interval_score, interval_width


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(3)
    ends = np.sort(rng.random((200, 2)), axis=1)
    return ends, rng.random(200)


def test_each_case_by_hand(drawn):
    ends, quality = drawn
    level = 0.8
    for (low, high), true, held, width, score in zip(
        ends,
        quality,
        *(metric(ends, quality, level) for metric in (coverage, interval_width, interval_score)),
        strict=True,
    ):
        assert held == (low <= true <= high)
        assert width == high - low
        missed = 0.0 if held else min(abs(true - low), abs(true - high))
        assert score == pytest.approx(high - low + 10 * missed)


def test_an_end_is_held():
    ends = np.array([[0.5, 0.5], [0.2, 0.5], [0.5, 0.9]])
    np.testing.assert_array_equal(coverage(ends, np.full(3, 0.5), 0.9), 1.0)


def test_the_score_is_least_for_the_quantiles():
    quality = np.random.default_rng(0).normal(0.5, 0.1, 100_000)
    half = np.linspace(0.08, 0.25, 35)
    means = [
        interval_score(np.tile([0.5 - h, 0.5 + h], (len(quality), 1)), quality, 0.9).mean()
        for h in half
    ]
    assert half[np.argmin(means)] == pytest.approx(0.1 * 1.645, abs=0.01)

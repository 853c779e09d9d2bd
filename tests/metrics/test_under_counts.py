"""A metric under counts is the plain metric of the cases repeated as often as counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicecast.metrics import under_counts
from dicecast.metrics.bootstrap import resample_counts
from dicecast.metrics.catalogue import METRICS, Sample
from dicecast.metrics.tie_groups import sums_along
from dicecast.metrics.under_counts import UNDER_COUNTS, metric_under

THRESHOLD = 0.6


def repeated(name, scores, quality, counts):
    """Compute the metric of every row in every resample with the cases written out."""
    quality = np.broadcast_to(quality, scores.shape)
    return np.array(
        [
            [
                METRICS[name].compute(
                    Sample(np.repeat(score, count), np.repeat(truth, count), THRESHOLD, True)
                )
                for count in counts
            ]
            for score, truth in zip(scores, quality, strict=True)
        ]
    )


def rows(cases, decimals):
    """Return three rows of scores and of qualities, the first two rows of one quality."""
    generator = np.random.default_rng(5)
    quality = generator.beta(4.0, 2.0, size=(3, cases)).round(decimals)
    quality[1] = quality[0]
    return (quality + generator.normal(scale=0.2, size=(3, cases))).round(decimals), quality


@pytest.mark.parametrize("decimals", [1, 12], ids=["tied", "distinct"])
@pytest.mark.parametrize("name", UNDER_COUNTS)
def test_equals_the_repeated_cases(name, decimals):
    scores, quality = rows(40, decimals)
    counts = resample_counts([f"patient {case // 3}" for case in range(40)], 150, seed=0)
    ours = metric_under(name, scores, quality, counts, THRESHOLD)
    np.testing.assert_allclose(ours, repeated(name, scores, quality, counts), rtol=0, atol=1e-9)
    assert np.isfinite(ours).all()


@st.composite
def small_tables(draw):
    """Tables so small that resamples are often constant, of one class, of one case, or empty."""
    cases = draw(st.integers(1, 6))
    values = st.sampled_from([0.0, 0.3, 0.6, 0.9, 1.0])
    table = st.lists(values, min_size=cases, max_size=cases)
    counts = st.lists(st.integers(0, 3), min_size=cases, max_size=cases)
    many = st.lists(counts, min_size=1, max_size=5)
    return np.array([draw(table), draw(table)]), np.array(draw(table)), np.array(draw(many))


@settings(max_examples=80)
@given(small_tables())
def test_equals_the_repeated_cases_where_they_are_degenerate(table):
    scores, quality, counts = table
    for name in UNDER_COUNTS:
        np.testing.assert_allclose(
            metric_under(name, scores, quality, counts, THRESHOLD),
            repeated(name, scores, quality, counts),
            rtol=0,
            atol=1e-9,
            err_msg=name,
        )


@pytest.mark.parametrize("name", ["spearman", "pearson", "naurc"])
def test_a_resample_of_equal_cases_is_constant_though_its_mean_is_rounded(name):
    values = np.array([0.0, 0.1, 1.0])
    counts = np.array([[0, 3, 0], [1, 3, 0]])
    assert np.isnan(metric_under(name, values[np.newaxis], values, counts)).tolist() == [
        [True, False]
    ]


def test_naurc_of_equal_qualities_is_undefined_whatever_rounding_does():
    generator = np.random.default_rng(2)
    quality = np.where(np.arange(90) % 2 == 0, 0.7, generator.random(90))
    counts = generator.integers(0, 4, size=(200, 90)) * (quality == 0.7)
    assert np.isnan(metric_under("naurc", generator.random((1, 90)), quality, counts)).all()


def test_naurc_is_undefined_where_rounding_puts_the_best_area_above_the_random_one():
    # Found by search: 0 to 2 units in the last place apart.
    quality = float.fromhex("0x1.c86571133c4e0p-5") + np.array([0, 2, 2, 0, 1, 1]) * 2.0**-57
    assert np.ptp(quality) == 2.0**-56
    scores = np.arange(6.0)[np.newaxis]
    assert np.isnan(METRICS["naurc"].compute(Sample(scores[0], quality, THRESHOLD, False)))
    assert np.isnan(metric_under("naurc", scores, quality, np.ones((1, 6), int)))


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_pearson_survives_any_scale(scale):
    scores, quality = rows(20, 12)
    counts = resample_counts([str(case) for case in range(20)], 30, seed=0)
    np.testing.assert_allclose(
        metric_under("pearson", scores * scale, quality, counts),
        metric_under("pearson", scores, quality, counts),
        rtol=0,
        atol=1e-9,
    )


@pytest.mark.parametrize("cases", [1, 19, 20, 21, 40, 41, 137])
def test_sums_along_an_order_are_those_of_cumsum(cases):
    generator = np.random.default_rng(cases)
    values = generator.integers(0, 9, size=(cases, 5)).astype(float)
    order = generator.permutation(cases)
    sums = sums_along(order, values)
    assert sums.shape == (cases + 1, 5)
    assert not sums[0].any()
    np.testing.assert_array_equal(sums[1:], np.cumsum(values[order], axis=0))


def test_pearson_stays_exact_where_an_outlier_is_not_drawn():
    generator = np.random.default_rng(0)
    scores, quality = generator.random((1, 30)), generator.random(30)
    scores[0, 0] = 1e5
    counts = resample_counts([str(case) for case in range(30)], 100, seed=0)
    assert (counts[:, 0] == 0).any()
    np.testing.assert_allclose(
        metric_under("pearson", scores, quality, counts),
        repeated("pearson", scores, quality, counts),
        rtol=0,
        atol=1e-9,
    )


@pytest.mark.parametrize("name", UNDER_COUNTS)
def test_neither_threads_nor_blocks_nor_neighbours_change_a_bit(name, monkeypatch):
    scores, quality = rows(30, 1)
    counts = resample_counts([str(case) for case in range(30)], 90, seed=0)
    together = metric_under(name, scores, quality, counts, THRESHOLD)
    alone = metric_under(name, scores[2:], quality[2], counts, THRESHOLD)
    np.testing.assert_array_equal(together[2:], alone)
    monkeypatch.setattr(under_counts, "_THREADS", 1)
    np.testing.assert_array_equal(metric_under(name, scores, quality, counts, THRESHOLD), together)
    monkeypatch.setattr(under_counts, "_BLOCK", 7)
    np.testing.assert_allclose(
        metric_under(name, scores, quality, counts, THRESHOLD), together, rtol=0, atol=1e-13
    )


def test_a_score_undefined_for_a_case_is_undefined_in_every_resample():
    scores, quality = rows(10, 1)
    scores[1, 4] = np.nan
    counts = resample_counts([str(case) for case in range(10)], 20, seed=0)
    result = metric_under("augrc", scores, quality, counts)
    assert np.isnan(result[1]).all()
    assert np.isfinite(result[[0, 2]]).all()


@pytest.mark.parametrize("name", UNDER_COUNTS)
def test_no_cases_and_no_rows(name):
    empty = metric_under(name, np.zeros((2, 0)), np.zeros(0), np.zeros((3, 0), int), THRESHOLD)
    assert empty.shape == (2, 3)
    assert np.isnan(empty).all()
    assert metric_under(name, np.zeros((0, 4)), np.zeros(4), np.ones((3, 4), int)).shape == (0, 3)


@pytest.mark.parametrize(
    ("scores", "quality", "counts", "text"),
    [
        (np.zeros(3), np.zeros(3), np.ones((1, 3), int), "rows, cases"),
        (np.zeros((2, 3)), np.zeros(2), np.ones((1, 3), int), "rows, cases"),
        (np.zeros((2, 3)), np.zeros(3), np.ones((1, 4), int), "rows, cases"),
        (np.full((1, 3), np.inf), np.zeros(3), np.ones((1, 3), int), "infinite"),
        (np.zeros((1, 3)), np.full(3, np.nan), np.ones((1, 3), int), "finite"),
    ],
    ids=["scores", "quality", "counts", "infinite score", "undefined quality"],
)
def test_wrong_tables_are_refused(scores, quality, counts, text):
    with pytest.raises(ValueError, match=text):
        metric_under("spearman", scores, quality, counts)

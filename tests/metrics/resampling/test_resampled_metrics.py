"""A metric of counted cases is the plain metric of the cases repeated as often as counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicecast.metrics.bootstrap import resample_counts
from dicecast.metrics.catalogue import METRICS, Sample
from dicecast.metrics.evaluate import evaluate
from dicecast.metrics.resampling import acceptance, compute, kendall
from dicecast.metrics.resampling.compute import resampled_metrics

THRESHOLD = 0.6


def repeated(name, scores, quality, counts):
    """Compute the metric of every row in every resample with the cases written out."""
    return np.array(
        [
            [
                METRICS[name].compute(
                    Sample(np.repeat(score, count), np.repeat(quality, count), THRESHOLD, True)
                )
                for count in counts
            ]
            for score in scores
        ]
    )


def assert_repeated(scores, quality, counts, names=tuple(METRICS)):
    found = resampled_metrics(scores, quality, counts, THRESHOLD, names)
    assert list(found) == list(names)
    for name, values in found.items():
        expected = repeated(name, scores, quality, counts)
        np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9, err_msg=name)
    return found


def table(cases, decimals, rows=3):
    """Return scores of which the first has no ties if ``decimals`` are many, and the quality."""
    generator = np.random.default_rng(5)
    quality = generator.beta(4.0, 2.0, size=cases).round(decimals)
    return (quality + generator.normal(scale=0.2, size=(rows, cases))).round(decimals), quality


def drawn(cases, resamples, together=1):
    groups = [f"patient {case // together}" for case in range(cases)]
    return resample_counts(groups, resamples, seed=0)


@pytest.mark.parametrize("decimals", [1, 12], ids=["tied", "distinct"])
@pytest.mark.parametrize("name", METRICS)
def test_equals_the_repeated_cases(name, decimals):
    scores, quality = table(40, decimals)
    found = assert_repeated(scores, quality, drawn(40, 150, together=3), [name])
    assert np.isfinite(found[name]).all()


@pytest.mark.parametrize("cases", [1, 2, 15, 16, 17, 33, 1030])
def test_equals_the_repeated_cases_however_many_there_are(cases):
    scores, quality = table(cases, 12)
    tied_scores, tied_quality = table(cases, 1)
    assert_repeated(np.concatenate([scores, tied_scores]), quality, drawn(cases, 3))
    assert_repeated(np.concatenate([scores, tied_scores]), tied_quality, drawn(cases, 3))


@st.composite
def small_tables(draw):
    """Tables so small that resamples are often constant, of one class, of one case, or empty."""
    cases = draw(st.integers(1, 6))
    values = st.sampled_from([0.0, 0.3, 0.6, 0.9, 1.0])
    row = st.lists(values, min_size=cases, max_size=cases)
    counts = st.lists(st.integers(0, 3), min_size=cases, max_size=cases)
    many = st.lists(counts, min_size=1, max_size=5)
    return np.array([draw(row), draw(row)]), np.array(draw(row)), np.array(draw(many))


@settings(max_examples=80, deadline=None)
@given(small_tables())
def test_equals_the_repeated_cases_where_they_are_degenerate(small):
    assert_repeated(*small)


@pytest.mark.parametrize("cases", [1, 2, 3, 7, 60, 650])
@pytest.mark.parametrize("quality_of", ["distinct", "tied", "constant"])
@pytest.mark.parametrize("threshold", [0.6, 0.0, 2.0])
def test_a_resample_of_each_case_once_gives_the_plain_metrics(cases, quality_of, threshold):
    scores, quality = table(cases, 1 if quality_of == "tied" else 12, rows=8)
    quality = np.full(cases, 0.7) if quality_of == "constant" else quality
    scores[5:], scores[6], scores[7] = scores[5:].round(1), 0.0, quality
    found = resampled_metrics(scores, quality, np.ones((1, cases), int), threshold)
    for row, score in enumerate(scores):
        expected = evaluate(score, quality, threshold, predicts_quality=True).values
        values = {name: numbers[row, 0] for name, numbers in found.items()}
        assert values == pytest.approx(expected, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("decimals", [1, 12], ids=["tied", "distinct"])
def test_the_cases_of_highest_score_may_all_be_absent(decimals):
    scores, quality = table(80, decimals)
    counts = drawn(80, 4)
    for row, ranks in enumerate(np.argsort(np.argsort(-scores, axis=1), axis=1)):
        counts[row, ranks < 50] = 0
    assert_repeated(scores, quality, counts, ["aurc", "naurc", "augrc"])


@pytest.mark.parametrize("name", ["spearman", "pearson", "kendall", "naurc", "r2"])
def test_a_resample_of_equal_cases_is_constant_though_its_mean_is_rounded(name):
    values = np.array([0.0, 0.1, 1.0])
    counts = np.array([[0, 3, 0], [1, 3, 0]])
    found = resampled_metrics(values[np.newaxis], values, counts, THRESHOLD, [name])[name]
    assert np.isnan(found).tolist() == [[True, False]]


def test_naurc_of_equal_qualities_is_undefined_whatever_rounding_does():
    generator = np.random.default_rng(2)
    quality = np.where(np.arange(90) % 2 == 0, 0.7, generator.random(90))
    counts = generator.integers(0, 4, size=(200, 90)) * (quality == 0.7)
    scores = generator.random((1, 90))
    assert np.isnan(resampled_metrics(scores, quality, counts, THRESHOLD)["naurc"]).all()


def test_naurc_is_undefined_where_rounding_puts_the_best_area_above_the_random_one():
    # Found by search: 0 to 2 units in the last place apart.
    quality = float.fromhex("0x1.c86571133c4e0p-5") + np.array([0, 2, 2, 0, 1, 1]) * 2.0**-57
    assert np.ptp(quality) == 2.0**-56
    scores = np.arange(6.0)[np.newaxis]
    assert np.isnan(METRICS["naurc"].compute(Sample(scores[0], quality, THRESHOLD, False)))
    found = resampled_metrics(scores, quality, np.ones((1, 6), int), THRESHOLD)
    assert np.isnan(found["naurc"])
    assert np.isnan(found["r2"])


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_pearson_survives_any_scale(scale):
    scores, quality = table(20, 12)
    counts = drawn(20, 30)
    scaled = resampled_metrics(scores * scale, quality, counts, THRESHOLD, ["pearson"])
    plain = resampled_metrics(scores, quality, counts, THRESHOLD, ["pearson"])
    np.testing.assert_allclose(scaled["pearson"], plain["pearson"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("outlier", [1e5, 1e-170], ids=["large", "the others vanish"])
def test_pearson_stays_exact_where_an_outlier_is_not_drawn(outlier):
    generator = np.random.default_rng(0)
    scores, quality = generator.random((1, 30)), generator.random(30)
    scores[0] *= min(outlier, 1.0)
    scores[0, 0] = max(outlier, 1.0)
    counts = drawn(30, 100)
    assert (counts[:, 0] == 0).any()
    assert_repeated(scores, quality, counts, ["pearson"])


@pytest.mark.parametrize("elements", [1, 300, 4000])
def test_blocks_and_neighbours_change_nothing_but_the_rounding_of_sums(elements, monkeypatch):
    scores = np.concatenate([table(30, 1, rows=5)[0], table(30, 12, rows=5)[0]])
    quality, counts = table(30, 1)[1], drawn(30, 90)
    together = resampled_metrics(scores, quality, counts, THRESHOLD)
    alone = resampled_metrics(scores[2:3], quality, counts, THRESHOLD)
    monkeypatch.setattr(compute, "_BLOCK_ELEMENTS", elements)
    monkeypatch.setattr(compute, "_LEAST_WIDTH", 7)
    monkeypatch.setattr(compute, "_PREPARED", 70)
    monkeypatch.setattr(kendall, "_BLOCK_ELEMENTS", elements)
    monkeypatch.setattr(kendall, "_LEAST_WIDTH", 7)
    apart = resampled_metrics(scores, quality, counts, THRESHOLD)
    for name in METRICS:
        np.testing.assert_allclose(apart[name], together[name], rtol=0, atol=1e-13)
        np.testing.assert_allclose(alone[name], together[name][2:3], rtol=0, atol=1e-13)
    # Made of whole numbers, so that rows of one order have one number, and are ranked as equal.
    for name in ("spearman", "kendall", "failure_auroc", "fpr_at_95_tpr"):
        np.testing.assert_array_equal(apart[name], together[name])


def test_metrics_left_out_cost_nothing(monkeypatch):
    scores, quality = table(20, 12)
    counts = drawn(20, 10)
    everything = resampled_metrics(scores, quality, counts, THRESHOLD)

    def refuse(*_):
        raise AssertionError("computed though it was not asked for")

    monkeypatch.setattr(acceptance.Paths, "__init__", refuse)
    monkeypatch.setattr(compute, "kendall", refuse)
    errors = resampled_metrics(scores, quality, counts, THRESHOLD, ("mae", "pearson"))
    assert list(errors) == ["mae", "pearson"]
    np.testing.assert_array_equal(errors["mae"], everything["mae"])
    monkeypatch.undo()
    monkeypatch.setattr(acceptance.Acceptance, "risk", property(refuse))
    monkeypatch.setattr(acceptance.Acceptance, "successes", property(refuse))
    ranks = resampled_metrics(scores, quality, counts, THRESHOLD, ("failure_auroc", "spearman"))
    np.testing.assert_array_equal(ranks["failure_auroc"], everything["failure_auroc"])


def test_a_score_undefined_for_a_case_is_undefined_in_every_resample():
    scores, quality = table(10, 1)
    scores[1, 4] = np.nan
    for values in resampled_metrics(scores, quality, drawn(10, 20), 0.5).values():
        assert np.isnan(values[1]).all()
    assert np.isfinite(resampled_metrics(scores, quality, drawn(10, 20), 0.5)["mae"][[0, 2]]).all()


def test_no_cases_no_rows_and_no_resamples():
    empty = resampled_metrics(np.zeros((2, 0)), np.zeros(0), np.zeros((3, 0), int), THRESHOLD)
    rowless = resampled_metrics(np.zeros((0, 4)), np.zeros(4), np.ones((3, 4), int), THRESHOLD)
    never = resampled_metrics(np.zeros((2, 4)), np.zeros(4), np.ones((0, 4), int), THRESHOLD)
    for name in METRICS:
        assert np.isnan(empty[name]).all()
        shapes = [found[name].shape for found in (empty, rowless, never)]
        assert shapes == [(2, 3), (0, 3), (2, 0)]


@pytest.mark.parametrize(
    ("scores", "quality", "counts", "threshold", "name", "text"),
    [
        (np.zeros(3), np.zeros(3), np.ones((1, 3), int), 0.5, "mae", "rows, cases"),
        (np.zeros((2, 3)), np.zeros(2), np.ones((1, 3), int), 0.5, "mae", "rows, cases"),
        (np.zeros((2, 3)), np.zeros(3), np.ones((1, 4), int), 0.5, "mae", "rows, cases"),
        (np.full((1, 3), np.inf), np.zeros(3), np.ones((1, 3), int), 0.5, "mae", "infinite"),
        (np.zeros((1, 3)), np.full(3, np.nan), np.ones((1, 3), int), 0.5, "mae", r"in \[0, 1\]"),
        (np.zeros((1, 3)), np.full(3, 1.1), np.ones((1, 3), int), 0.5, "mae", r"in \[0, 1\]"),
        (np.zeros((1, 3)), np.zeros(3), np.ones((1, 3), int), np.nan, "mae", "threshold"),
        (np.zeros((1, 3)), np.zeros(3), np.ones((1, 3), int), 0.5, "auroc", "failure_auroc"),
    ],
    ids=["scores", "quality", "counts", "infinite", "undefined", "above", "threshold", "name"],
)
def test_wrong_tables_are_refused(scores, quality, counts, threshold, name, text):
    with pytest.raises(ValueError, match=text):
        resampled_metrics(scores, quality, counts, threshold, [name])

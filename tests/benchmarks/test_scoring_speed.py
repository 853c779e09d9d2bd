"""How long every metric of many scores takes in bootstrap resamples."""

from __future__ import annotations

import pytest

from dicecast.metrics.catalogue import METRICS
from workloads.scoring import looped, ours, study


def test_every_metric(benchmark):
    benchmark(ours, study(), tuple(METRICS))


@pytest.mark.parametrize("name", METRICS)
def test_one_metric(benchmark, name):
    benchmark(ours, study(), (name,))


def test_what_the_leaderboard_gives_intervals_of(benchmark):
    benchmark(ours, study(), ("spearman", "failure_auroc", "aurc"))


def test_the_metrics_of_the_cases_as_they_are(benchmark):
    given = study(resamples=1)
    benchmark(ours, given._replace(counts=given.counts * 0 + 1))


def test_ten_thousand_cases(benchmark):
    benchmark.pedantic(ours, (study(rows=10, cases=10_000, resamples=200),), rounds=3)


def test_the_loop_over_the_libraries_in_one_resample(benchmark):
    given = study()
    benchmark.pedantic(looped, (given, range(1)), rounds=5)

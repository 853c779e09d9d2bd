"""What comparisons need of a domain: metrics of some scores in resamples, computed once a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dicecast.leaderboard.collect import Domain, Run
from dicecast.leaderboard.shift import OOD_AUROC, joint_counts, resampled_ood_auroc
from dicecast.metrics.bootstrap import resample_counts
from dicecast.metrics.catalogue import ESTIMATE_METRICS
from dicecast.metrics.resampling.compute import resampled_metrics

Floats = NDArray[np.float64]
Found = dict[str, dict[str, Floats]]


class Request(NamedTuple):
    """A number of a score.

    Attributes:
        score: Its name.
        metric: Of ``METRICS``, or ``OOD_AUROC``.
        change: Whether it is the change of the metric from the in-distribution test set.
    """

    score: str
    metric: str
    change: bool


class Settings(NamedTuple):
    """What all records of a table share: threshold of failure, and the bootstrap's settings."""

    threshold: float
    resamples: int
    seed: int
    level: float


class Numbers:
    """Numbers of the runs in one domain, in resamples that all runs and scores share.

    Args:
        domain: Where.
        inside: The in-distribution test set; None where ``domain`` is that, or there is none.
        requests: All that will be asked for.
        settings: Of the table.
    """

    def __init__(
        self, domain: Domain, inside: Domain | None, requests: Iterable[Request], settings: Settings
    ) -> None:
        self._settings = settings
        self._wanted: dict[str, list[Request]] = {"value": [], "change": [], "ood": []}
        for request in requests:
            self._wanted[_way(request)].append(request)
        once = np.ones((1, len(domain.groups)), dtype=np.int64)
        drawn = resample_counts(domain.groups.tolist(), settings.resamples, settings.seed)
        self._counts = np.concatenate([once, drawn])
        self._inside = {}
        if inside is not None:
            self._inside = {(run.estimator, run.seed): run for run in inside.runs}
            self._joint = joint_counts(inside, domain, settings.resamples, settings.seed)
        self._found: dict[tuple[str, int, str], Found] = {}

    def can(self, request: Request) -> bool:
        """Whether the domain has such a number: some compare with the in-distribution test set."""
        return _way(request) == "value" or bool(self._inside)

    def of(self, runs: Sequence[Run], request: Request) -> Floats:
        """Return the mean over the runs, ``(1 + resamples,)``; the first is of the cases as are.

        NaN where the metric is undefined in one of the runs.
        """
        way = _way(request)
        samples = []
        for run in runs:
            key = (run.estimator, run.seed, way)
            if key not in self._found:
                self._found[key] = getattr(self, f"_{way}")(run)
            samples.append(self._found[key][request.metric][request.score])
        mean: Floats = np.mean(samples, axis=0)
        return mean

    def _value(self, run: Run) -> Found:
        names, metrics = self._asked(run, "value")
        return _metrics(run, names, metrics, self._counts, self._settings.threshold)

    def _change(self, run: Run) -> Found:
        names, metrics = self._asked(run, "change")
        before = self._inside[run.estimator, run.seed]
        cut = len(before.quality)
        was = _metrics(before, names, metrics, self._joint[:, :cut], self._settings.threshold)
        now = _metrics(run, names, metrics, self._joint[:, cut:], self._settings.threshold)
        return {
            metric: {name: now[metric][name] - was[metric][name] for name in names}
            for metric in metrics
        }

    def _ood(self, run: Run) -> Found:
        names, _ = self._asked(run, "ood")
        before = self._inside[run.estimator, run.seed]
        found = resampled_ood_auroc(before, run, names, self._joint)
        return {OOD_AUROC: dict(zip(names, found, strict=True))}

    def _asked(self, run: Run, way: str) -> tuple[list[str], list[str]]:
        wanted = self._wanted[way]
        names = dict.fromkeys(request.score for request in wanted if request.score in run.names)
        return list(names), list(dict.fromkeys(request.metric for request in wanted))


def _way(request: Request) -> str:
    if request.metric == OOD_AUROC:
        return "ood"
    return "change" if request.change else "value"


def _metrics(
    run: Run,
    names: Sequence[str],
    metrics: Sequence[str],
    counts: NDArray[np.int64],
    threshold: float,
) -> Found:
    rows = [run.names.index(name) for name in names]
    found = resampled_metrics(run.scores[rows], run.quality, counts, threshold, metrics)
    for metric in set(metrics) & set(ESTIMATE_METRICS):
        found[metric][~run.predicts_quality[rows]] = np.nan
    return {metric: dict(zip(names, table, strict=True)) for metric, table in found.items()}

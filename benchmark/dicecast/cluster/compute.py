"""Computes runs of a suite on a cluster: the counterpart of ``SuiteRun.finished``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from dicecast.cluster.dispatch import Dispatcher
from dicecast.cluster.opening import opened, resources_of
from dicecast.cluster.settings import Settings
from dicecast.cluster.watching import Watcher
from dicecast.harness.outcome import Finished, RunKey
from dicecast.harness.work import Work


def on_cluster(
    work: Work, settings: Settings, watcher: Watcher
) -> Callable[[Sequence[RunKey]], Iterator[Finished]]:
    """Return a function that computes runs of ``work`` on the cluster of ``settings``."""

    def finished(keys: Sequence[RunKey]) -> Iterator[Finished]:
        with opened(settings) as client:
            dispatcher = Dispatcher(client, _absolute(work), watcher, resources_of(settings))
            yield from dispatcher.finished(keys)

    return finished


def _absolute(work: Work) -> Work:
    """Return ``work`` with paths that do not depend on where a process was started."""

    def absolute(path: Path) -> Path:
        return path.expanduser().absolute()

    return replace(
        work,
        store=absolute(work.store) if isinstance(work.store, Path) else work.store,
        results=absolute(work.results),
        data_root=None if work.data_root is None else absolute(work.data_root),
        plugins=tuple(absolute(path) for path in work.plugins),
    )

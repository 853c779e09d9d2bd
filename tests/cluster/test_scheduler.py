"""Runs on a scheduler that was started elsewhere; its worker is a thread of this process."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from distributed import LocalCluster

from dicecast.cluster import worker
from dicecast.cluster.compute import on_cluster
from dicecast.cluster.settings import Scheduler
from dicecast.errors import DicecastError
from dicecast.harness.matrix import Matrix
from dicecast.harness.run import SuiteRun
from dicecast.harness.work import Work
from dicecast.store import Store
from dicecast.suite import Part

RAISES = """
from dataclasses import dataclass
from dicecast import register_estimator

@register_estimator("raises_on_workers")
@dataclass(frozen=True)
class Raises:
    def fit(self, data, train_backbone, seed):
        train_backbone(seed)
        raise RuntimeError("no luck")
"""


@contextmanager
def one_worker(threads: int):
    options = {"processes": False, "n_workers": 1, "threads_per_worker": threads}
    options |= {"protocol": "tcp://", "dashboard_address": ":0", "resources": {"GPU": 1}}
    with LocalCluster(**options) as cluster:
        yield Scheduler(address=cluster.scheduler_address)


@pytest.fixture(scope="module")
def scheduler():
    with one_worker(threads=1) as settings:
        yield settings


@pytest.fixture
def work(small, tmp_path) -> Work:
    return Work(small.with_estimators(["random"]), tmp_path / "store", tmp_path / "results")


def test_tables_are_those_of_a_run_without_dask(scheduler, work, recording, tables, tmp_path):
    path = tmp_path / "raises.py"
    path.write_text(RAISES)
    suite = work.suite.with_estimators(["random", "raises_on_workers"])
    work = replace(work, suite=suite, plugins=(path,))
    work.load_plugins()
    [failure] = Matrix(work).run(on_cluster(work, scheduler, recording))
    assert str(failure) == "raises_on_workers seed 0: RuntimeError: no luck"
    assert sorted(recording.messages)[0].startswith("raises_on_workers seed 0: failed: RuntimeE")

    here = replace(work, store=tmp_path / "here", results=tmp_path / "results_here")
    assert Matrix(here).run(SuiteRun(suite, Store(here.store), here.results).finished) == [failure]
    assert tables(here.results) == tables(work.results)
    assert Matrix(replace(work, suite=work.suite.with_estimators(["random"]))).missing == []


def test_the_store_may_be_a_url(scheduler, work, recording, tables, tmp_path, monkeypatch):
    monkeypatch.setenv("DICECAST_CACHE", str(tmp_path / "cache"))
    remote = replace(work, store=f"memory://{tmp_path}", results=tmp_path / "by_url")
    assert Matrix(remote).run(on_cluster(remote, scheduler, recording)) == []
    monkeypatch.setenv("DICECAST_CACHE", str(tmp_path / "another_machine"))
    again = replace(remote, results=tmp_path / "again")
    assert Matrix(again).missing == []
    assert tables(again.results) == tables(remote.results)
    # A table of cases, one of pixels and one of pooled pixels.
    assert len(tables(again.results)) == 3


def test_stages_take_the_resources_they_are_given(scheduler, work, recording):
    suite = work.suite.model_copy(update={"heads": ()})
    work = replace(work, suite=suite)
    with_gpu = scheduler.model_copy(update={"resources": {"GPU": 1}})
    assert Matrix(work).run(on_cluster(work, with_gpu, recording)) == []


def test_resources_that_no_worker_offers_are_named(scheduler, work, recording):
    without = scheduler.model_copy(update={"resources": {"TPU": 1}})
    with pytest.raises(DicecastError, match=r"\{'TPU': 1"):
        Matrix(work).run(on_cluster(work, without, recording))


def test_what_stops_a_run_here_stops_it_there(scheduler, work, recording):
    suite = work.suite.model_copy(update={"dataset": Part(name="isic2017")})
    work = replace(work, suite=suite)
    with pytest.raises(DicecastError, match="--data-root"):
        Matrix(work).run(on_cluster(work, scheduler, recording))


def test_a_worker_with_other_packages_is_named(scheduler, work, recording, monkeypatch):
    other = worker.Versions("other code", {**worker.versions().packages, "keras": "1.0"})
    monkeypatch.setattr("dicecast.cluster.dispatch.versions", lambda: other)
    with pytest.raises(DicecastError, match=r"keras .* instead of 1.0, another source of dicecast"):
        Matrix(work).run(on_cluster(work, scheduler, recording))


def test_a_worker_of_several_threads_is_refused(work, recording):
    # Another suite than that which the process holds already.
    work = replace(work, suite=work.suite.model_copy(update={"heads": ()}))
    with (
        one_worker(threads=2) as settings,
        pytest.raises(DicecastError, match="--nthreads 1"),
    ):
        Matrix(work).run(on_cluster(work, settings, recording))


def test_no_scheduler_at_the_address(work, recording, monkeypatch):
    monkeypatch.setattr("dicecast.cluster.opening.CONNECT_SECONDS", 1)
    nobody = Scheduler(address="tcp://127.0.0.1:9")
    with pytest.raises(DicecastError, match="no Dask scheduler at tcp://127"):
        Matrix(work).run(on_cluster(work, nobody, recording))

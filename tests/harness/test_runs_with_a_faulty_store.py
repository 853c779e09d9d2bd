"""What a run does when its store fails it."""

import errno
import random

import pytest

from dicecast import store as store_module
from dicecast.harness.matrix import Matrix
from dicecast.harness.outcome import RunKey
from dicecast.harness.reporting import Reporter
from dicecast.harness.run import SuiteRun
from dicecast.harness.stages import PredictStage, TrainStage
from dicecast.harness.stepwise import StepwiseRun
from dicecast.harness.work import Work
from dicecast.store import Store, StoreError
from dicecast.store_layout import DAMAGED, entries

FLIPS = 50
SOFTMAX = RunKey("softmax", 0)


@pytest.fixture
def work(tiny, tmp_path) -> Work:
    softmax = tiny.with_estimators(["softmax"])
    return Work(softmax, tmp_path / "store", tmp_path / "results", debug=True)


def tables(work: Work) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in work.results.rglob("*.parquet")}


def test_flipped_bytes_are_never_used_and_the_tables_stay_as_they_were(work):
    run = SuiteRun(work.suite, Store(work.store), work.results, debug=True)
    Matrix(work).run(run.finished)
    expected, rng, flipped = tables(work), random.Random(0), 0
    while flipped < FLIPS:
        whole = [entry.path for entry in entries(work.store) if entry.mark != DAMAGED]
        for path in whole:
            file = rng.choice([file for file in sorted(path.iterdir()) if file.stat().st_size])
            content = bytearray(file.read_bytes())
            content[rng.randrange(len(content))] ^= rng.randrange(1, 256)
            file.write_bytes(content)
        flipped += len(whole)
        for path in work.results.rglob("*.parquet"):
            path.unlink()
        assert Matrix(work).run(run.finished) == []
        assert tables(work) == expected
        aside = [entry for entry in entries(work.store) if entry.mark == DAMAGED]
        assert len(aside) == flipped


def test_a_store_that_cannot_be_written_stops_the_run_and_no_record_says_it_failed(
    work, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_module, "write_artifact", full)
    run = SuiteRun(work.suite, Store(work.store), work.results)
    with pytest.raises(StoreError, match=r"cannot be written: No space left .* Free some space"):
        run.run()
    assert not list(work.results.rglob("*.json"))
    stepwise = StepwiseRun(Work(work.suite, work.store, work.results), Reporter())
    [backbone] = stepwise.compute(PredictStage(SOFTMAX)).backbones
    with pytest.raises(StoreError):
        stepwise.compute(TrainStage(SOFTMAX, backbone))


def test_a_head_that_cannot_be_stored_is_no_failure_of_the_head(work, monkeypatch):
    run = SuiteRun(work.suite, Store(work.store), work.results)
    predicted = run.predicted(SOFTMAX)
    monkeypatch.setattr(Store, "_write", lambda *_: (_ for _ in ()).throw(StoreError("full")))
    with pytest.raises(StoreError, match="full"):
        run.column(run.heads[0], predicted)

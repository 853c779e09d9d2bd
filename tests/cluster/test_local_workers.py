"""Runs on two worker processes of this machine, as ``dicecast run --workers 2`` makes them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import dask
import psutil

from dicecast.cluster.compute import on_cluster
from dicecast.cluster.dispatch import Dispatcher
from dicecast.cluster.opening import opened
from dicecast.cluster.settings import LocalWorkers
from dicecast.harness.matrix import Matrix
from dicecast.harness.work import Work

TINY = Path(__file__).parent.parent / "suites" / "tiny.toml"
TWO = LocalWorkers(workers=2, threads=1)

DEADLY = """
import os, signal
from dataclasses import dataclass
from dicecast import register_estimator

@register_estimator("deadly")
@dataclass(frozen=True)
class Deadly:
    def fit(self, data, train_backbone, seed):
        os.kill(os.getpid(), signal.SIGKILL)
"""


def trainings(stages) -> dict[str, int]:
    return {name: count for name, count in stages.items() if name.startswith("train")}


def test_a_killed_worker_changes_no_byte_of_the_tables(small, tables, recording_of, tmp_path):
    """Also: no backbone is trained twice, but for the one that was lost; both workers work."""
    calm, disturbed = recording_of(), recording_of()
    work = Work(small, tmp_path / "store", tmp_path / "results")
    assert Matrix(work).run(on_cluster(work, TWO, calm)) == []
    trained = trainings(calm.done)
    assert trained == trainings(calm.begun)
    assert list(trained.values()) == [1, 1, 1]
    assert calm.workers_seen == {"0", "1"}

    again = Work(small, tmp_path / "store_again", tmp_path / "results_again")
    killed = []
    with opened(TWO) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        numbers = {str(workers[a]["name"]): n for a, n in client.run(os.getpid).items()}

        def kill(stage: str, worker: str, text: str) -> None:
            type(disturbed).note(disturbed, stage, worker, text)
            if stage.startswith("train") and not killed:
                killed.append(stage)
                os.kill(numbers[worker], signal.SIGKILL)

        disturbed.note = kill
        dispatcher = Dispatcher(client, again, disturbed, {})
        assert Matrix(again).run(dispatcher.finished) == []
    assert trainings(disturbed.done) == trained
    assert trainings(disturbed.begun) == trained | {killed[0]: 2}
    assert tables(again.results) == tables(work.results)
    # A table of cases, one of pixels and one of pooled pixels for each run.
    assert len(tables(work.results)) == 3 * 3


def test_an_estimator_that_kills_its_workers_is_a_failed_row(small, recording, tmp_path):
    path = tmp_path / "deadly.py"
    path.write_text(DEADLY)
    suite = small.with_estimators(["deadly"]).model_copy(update={"heads": ()})
    work = Work(suite, tmp_path / "store", tmp_path / "results", plugins=(path,))
    work.load_plugins()
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        [failure] = Matrix(work).run(on_cluster(work, LocalWorkers(workers=1), recording))
    assert failure.estimator == "deadly"
    assert "died while they computed it" in failure.message


def test_an_interruption_leaves_no_process_and_what_was_done(tmp_path):
    command = [sys.executable, "-m", "dicecast", "run", str(TINY), "--workers", "2"]
    command += ["--estimators", "random,mc_dropout,deep_ensemble"]
    command += ["--set", "heads=[]", "--set", "training.epochs=10"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A background job, as these tests may be, ignores Ctrl-C; the run must not inherit that.
    first = subprocess.Popen(
        command,
        cwd=tmp_path,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        **pipes,
    )
    seen = next(line for line in first.stdout if line.startswith("train"))
    started = psutil.Process(first.pid).children(recursive=True)
    # As a terminal does: the workers get it too.
    os.killpg(first.pid, signal.SIGINT)
    _, errors = first.communicate(timeout=600)
    assert first.returncode != 0
    assert "Traceback" not in errors
    assert len(started) >= 2
    assert psutil.wait_procs(started, timeout=600)[1] == []

    second = subprocess.run(command, cwd=tmp_path, check=False, **pipes)
    assert second.returncode == 0, second.stderr
    assert "Traceback" not in second.stderr
    trained = [line.split(":")[0] for line in second.stdout.splitlines() if "train b" in line]
    assert seen.split(":")[0] not in trained
    assert len(trained) == len(set(trained)) in (1, 2)
    assert "[3/3]" in second.stdout

"""One plug-in that hangs, eats memory, dies or prints wildly stops no other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dicecast.cli.main import app
from dicecast.errors import DicecastError
from dicecast.harness.child import LAST_CHARACTERS, Limits, StoppedError, call_in_child
from dicecast.harness.isolated import in_processes
from dicecast.harness.matrix import Matrix
from dicecast.harness.reporting import Reporter
from dicecast.harness.work import Work
from dicecast.records import read_records
from dicecast.suite import load_suite

TINY = str(Path(__file__).parent.parent / "suites" / "tiny.toml")

PLUGINS = '''
import os
import time
from dataclasses import dataclass

from dicecast import register_estimator
from dicecast.plugins import estimators


@register_estimator("eating")
@dataclass(frozen=True)
class Eating:
    """Its appetite ends at 10 GB."""

    def fit(self, data, train_backbone, seed):
        print("one more", flush=True)
        kept = []
        for _ in range(160):
            kept.append(bytearray(b"x") * 2**26)
            time.sleep(0.03)


@register_estimator("loud")
@dataclass(frozen=True)
class Loud:
    """The softmax, with 8 MB of remarks."""

    def fit(self, data, train_backbone, seed):
        os.write(1, b"x" * 2**22)
        os.write(2, b"y" * 2**22)
        return estimators.create("softmax", {}).fit(data, train_backbone, seed)
'''


def hang() -> None:
    os.write(1, b"first\nsecond\nthird\n\nlast \x1b[31m")
    time.sleep(600)


def eat() -> None:
    kept = []
    for _ in range(200):
        kept.append(bytearray(b"x") * 2**24)
        time.sleep(0.02)


def die() -> None:
    os.abort()


def leave() -> None:
    os.write(2, b"z" * 2**20)
    sys.exit(3)


def fail() -> None:
    raise ValueError("a stranger's mistake")


def refuse() -> None:
    raise DicecastError("the suite is wrong")


def add(one: int, other: int) -> list[int]:
    return [one + other]


def leave_a_child() -> int:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid


@pytest.mark.parametrize(
    ("function", "limits", "message"),
    [
        (
            hang,
            Limits(seconds=6.0),
            r"time limit of 6 s; printed last: second \| third \| last \\x1b\[31m$",
        ),
        (eat, Limits(memory_mb=1000), r"with \d{4} MB of memory; its limit is 1000 MB$"),
        (die, Limits(), "ended by the signal SIGABRT"),
        (leave, Limits(), "exit status 3, before there was a result; printed last: z{400}$"),
        (fail, Limits(), "ValueError: a stranger's mistake"),
    ],
)
def test_a_process_that_comes_to_no_result_is_ended_and_says_why(
    function: Callable[[], None], limits: Limits, message: str
) -> None:
    assert LAST_CHARACTERS == 400
    with pytest.raises(StoppedError, match=message):
        call_in_child(function, (), limits)


def test_what_it_returns_and_what_it_refuses_come_back() -> None:
    assert call_in_child(add, (2, 3), Limits(60.0, 8000)) == [5]
    with pytest.raises(DicecastError, match="the suite is wrong"):
        call_in_child(refuse, (), Limits())


def test_what_it_started_ends_with_it() -> None:
    pid = call_in_child(leave_a_child, (), Limits())
    deadline = time.monotonic() + 30
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("wrong", [{"seconds": -1.0}, {"memory_mb": -1}, {"seconds": float("nan")}])
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DicecastError, match="above 0"):
        Limits(**wrong)


def test_the_others_go_on(tmp_path: Path) -> None:
    plugins = tmp_path / "strangers.py"
    plugins.write_text(PLUGINS)
    names = ["eating", "loud"]
    suite = load_suite(TINY, ["heads=[]", "training.epochs=1"]).with_estimators(names)
    work = Work(suite, tmp_path / "store", tmp_path / "results", None, (plugins,))
    failures = Matrix(work).run(in_processes(work, Limits(memory_mb=3000), Reporter()))
    said = {failure.estimator: failure.message for failure in failures}
    assert said.keys() == {"eating"}
    assert "its limit is 3000 MB" in said["eating"]
    assert said["eating"].endswith("one more")
    records = {r.sidecar.estimator: r for r in read_records(tmp_path / "results", "tiny")}
    assert {name: r.sidecar.status for name, r in records.items()} == {
        "eating": "failed",
        "loud": "ok",
    }
    for record in records.values():
        assert record.sidecar.hashes["data"] == records["loud"].sidecar.hashes["data"]
        told = [part["name"] for part in record.sidecar.suite_settings["estimators"]]
        assert told == names
    cases = records["loud"].cases
    assert cases is not None
    assert cases["dice"].between(0, 1).all()


@pytest.mark.parametrize("other", ["--debug", "--workers=2"])
def test_a_limit_is_for_processes_of_this_command(other: str) -> None:
    arguments = ["run", TINY, "--time-limit", "60", other]
    with pytest.raises(DicecastError, match="leave out --workers"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_a_dataset_beyond_the_limits_stops_the_command(tmp_path: Path) -> None:
    folders = ["--store", str(tmp_path / "store"), "--results", str(tmp_path / "results")]
    arguments = ["run", TINY, "--estimators", "softmax", "--memory-limit", "20", *folders]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, DicecastError)
    assert "'lesions' must load within the limits of a run" in str(done.exception)

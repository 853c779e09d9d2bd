import json
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from dicecast.cli import profile as command
from dicecast.cli.main import app
from dicecast.harness import profiling
from dicecast.harness.outcome import Failure
from dicecast.harness.profiling import Profile
from dicecast.stopwatch import Spent

SPENT = {
    ("import",): Spent(2.0),
    ("train",): Spent(123.4, 123_456, 10**13),
    ("heads", "two_stage/image+mask+map", "train"): Spent(2.0, 90, 10**11),
}


@pytest.fixture
def profile(monkeypatch):
    """Run the command on a run that is already measured; returns its result and the work."""

    def invoke(*options: str, failures: tuple[Failure, ...] = ()):
        works = []

        def profiled(work, *_):
            works.append(work)
            rates = {"float32": [2e11, 2.2e11]}
            return Profile(work.suite.name, "float32", 200.0, SPENT, rates, list(failures))

        monkeypatch.setattr(profiling, "profiled", profiled)
        monkeypatch.setenv("COLUMNS", "80")
        return CliRunner().invoke(app, ["profile", "quickstart", *options]), *works

    return invoke


def test_the_table_fits_80_columns_and_says_the_efficiency(profile):
    result, _ = profile()
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    rows = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines() if line}
    assert rows["train"] == ["123.4", "61.7%", "123,456", "1,000", "10,000", "81.0", "38.6%"]
    assert rows["import"] == ["2.0", "1.0%"]
    assert rows["unaccounted"] == ["72.6", "36.3%"]
    assert "two_stage/image+mask+map 2.0 s" in result.stdout
    assert "All-in efficiency 24.0%: 10,100 GFLOP in 200.0 s" in result.stdout


def test_json_is_one_object_on_stdout_and_in_the_file(profile, tmp_path):
    result, _ = profile("--json", "--write", str(tmp_path / "profile.json"))
    found = json.loads(result.stdout)
    assert found == json.loads((tmp_path / "profile.json").read_text())
    assert found["efficiency"] == pytest.approx(10.1e12 / (200.0 * 2.1e11))
    assert {
        *("sections", "wall_seconds", "operations", "matrix_rate", "machine", "versions"),
        *("commit", "command"),
    } <= set(found)


def test_what_failed_is_told_beside_the_json(profile):
    result, _ = profile("--json", failures=(Failure("softmax", 0, "", "by design"),))
    assert result.exit_code == 1
    assert json.loads(result.stdout)["failures"] == ["softmax seed 0: by design"]
    assert "FAILED softmax seed 0: by design" in result.stderr


def test_everything_is_computed_anew_unless_a_store_is_named(profile, tmp_path):
    _, work = profile("--estimators", "softmax", "--seeds", "7")
    assert [str(key) for key in work.run_keys()] == ["softmax seed 7"]
    assert not work.store.exists()
    _, work = profile("--store", str(tmp_path))
    assert work.store == tmp_path
    assert tmp_path.exists()
    assert not work.results.exists()


def test_the_time_before_the_first_line_of_python_counts():
    code = (
        "import time; begun = time.perf_counter(); time.sleep(0.3)\n"
        "from dicecast.cli.profile import process_started\n"
        "print(begun - process_started(), time.perf_counter() - process_started())"
    )
    before = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    around = time.perf_counter() - before
    until_python, in_all = map(float, done.stdout.split())
    if sys.platform == "linux":
        assert 0.0 < until_python < in_all - 0.3
    # The system counts in hundredths of a second.
    assert in_all <= around + 0.01


def test_where_the_system_does_not_tell_the_start_it_is_now(monkeypatch):
    monkeypatch.delattr(command.time, "CLOCK_BOOTTIME", raising=False)
    now = time.perf_counter()
    assert command.process_started() >= now

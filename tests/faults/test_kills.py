"""Runs that are killed end as if they had not been: a few kills; kill_runs.py makes hundreds."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import kill_runs
import kills_page
import pytest

SMALLEST = Path(__file__).parents[1] / "suites" / "smallest.toml"
WRITERS = ("write an artifact", "write a record", "write the leaderboard")


@pytest.fixture
def session(tmp_path, monkeypatch):
    def make(runners, lives):
        found = kill_runs.Session(kill_runs.options_of(options(tmp_path, len(lives), runners)))
        monkeypatch.setattr(found, "draw", iter([*lives, *[(1e9, "", 0.0)] * runners]).__next__)
        return found

    return make


def options(folder, kills, runners):
    named = {"suite": SMALLEST, "folder": folder / "kills", "kills": kills, "runners": runners}
    return [text for name, value in named.items() for text in (f"--{name}", str(value))]


def test_a_run_killed_while_it_writes_and_the_killer_killed_itself(tmp_path, session):
    script = Path(kill_runs.__file__)
    killer = subprocess.Popen([sys.executable, str(script), *options(tmp_path, 100, 1)])
    state = tmp_path / "kills" / "state.json"
    while not (state.exists() and json.loads(state.read_text())["kills"]):
        assert killer.poll() is None
        time.sleep(0.02)
    killer.send_signal(signal.SIGKILL)
    killer.wait()
    before = json.loads(state.read_text())
    goes_on = session(1, [(0.0, "", 0.0)] + [(0.0, writer, 0.0) for writer in WRITERS])
    assert goes_on.state == before
    goes_on.run()
    assert goes_on.state["seconds"] == before["seconds"]
    assert (goes_on.kills, goes_on.state["rounds"]) == (4, before["rounds"] + 1)


def test_two_runners_that_share_a_store_are_killed_in_turn(session):
    both = session(2, [(0.0, "write an artifact", 0.001), (2.5, "", 0.0), (0.0, "predict", 0.0)])
    both.run()
    assert (both.kills, both.state["rounds"]) == (3, 1)


def test_results_that_differ_by_a_byte_are_told(tmp_path):
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "leaderboard.csv").write_text(folder[0])
    kill_runs.compare(tmp_path / "one", tmp_path / "other")
    (tmp_path / "other" / "leaderboard.csv").write_text("p")
    with pytest.raises(SystemExit, match=r"leaderboard\.csv differs"):
        kill_runs.compare(tmp_path / "one", tmp_path / "other")
    (tmp_path / "other" / "leaderboard.md").write_text("")
    with pytest.raises(SystemExit, match="one alone has"):
        kill_runs.compare(tmp_path / "one", tmp_path / "other")


def test_the_committed_page_is_what_the_json_gives():
    assert (kills_page.ROOT / kills_page.PAGE).read_text() == kills_page.page(kills_page.ROOT)


def test_what_is_written_is_a_row_of_the_page(tmp_path):
    (tmp_path / "docs").mkdir()
    page = tmp_path / kills_page.PAGE
    page.write_text("<!-- dicecast:begin kills -->\n<!-- dicecast:end kills -->\n")
    state = {"kills": {"start": 1, "predict": 2}, "half_written": 1, "rounds": 4, "seconds": 9.0}
    for runners in (1, 2, 2):
        kills_page.write(tmp_path, "quickstart", runners, state)
    text = page.read_text()
    assert "| quickstart | 2 | 3 | 1 | 4 |" in text
    assert text.count("Kills by stage: predict 2, start 1.") == 2

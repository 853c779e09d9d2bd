"""A pull request with wrong results is refused by the commands of the workflow itself."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from complete_records import RUNS, complete, write_suite

from dicecast.leaderboard.files import write_leaderboard
from dicecast.record_seal import sealed
from dicecast.records import record_path, table_bytes, write_record

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
VERIFY, LEADERBOARD, COMPARE = (
    "Records are what was written",
    "Leaderboards are what the records give",
    "Nothing that was there has moved",
)


def workflow(name="submission.yml"):
    return yaml.safe_load((WORKFLOWS / name).read_text())


def commands():
    """The workflow's own steps that run dicecast, by name."""
    steps = workflow()["jobs"]["results"]["steps"]
    return {step["name"]: step["run"] for step in steps if "dicecast " in step.get("run", "")}


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A repository with results and a README, at its first commit."""
    folder = tmp_path_factory.mktemp("base")
    quick = {"bootstrap": {"resamples": 100, "seed": 0, "level": 0.9}}
    write_suite(folder / "results", [complete(*run, **quick) for run in RUNS])
    (folder / "README.md").write_text("<!-- dicecast:begin tiny -->\n<!-- dicecast:end tiny -->\n")
    made_anew(folder)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "results")
    return folder


def made_anew(folder):
    write_leaderboard(folder / "results", "tiny", into=folder / "README.md")


def sidecar(folder, seed=0):
    return record_path(folder / "results", "tiny", "softmax", seed)


def honest_record(folder):
    bootstrap = {"resamples": 100, "seed": 0, "level": 0.9}
    write_record(folder / "results", complete("swag", bootstrap=bootstrap))
    made_anew(folder)


def edited_number(folder):
    path = folder / "results" / "tiny" / "leaderboard.csv"
    text = path.read_text()
    number = re.search(r"0\.\d{5}", text)[0]
    path.write_text(text.replace(number, "0.99999", 1))


def dropped_row(folder):
    path = folder / "results" / "tiny" / "leaderboard.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def changed_table(folder):
    cases = complete().cases
    cases.loc[0, "dice"] = 0.99
    content = table_bytes(cases)
    sidecar(folder).with_suffix(".parquet").write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def resealed(path, **values):
    held = json.loads(path.read_bytes())
    del held["sha256"]
    path.write_bytes(sealed(json.dumps(held | values, indent=1)))


def changed_dice(folder):
    changed_table(folder)


def changed_dice_and_hashes(folder):
    digest = changed_table(folder)
    path = sidecar(folder)
    resealed(path, hashes=json.loads(path.read_bytes())["hashes"] | {"cases": digest})
    made_anew(folder)


def copied_record(folder):
    for path in sidecar(folder).parent.glob("seed-0.*"):
        shutil.copy(path, path.with_name(path.name.replace("seed-0", "seed-5")))
    resealed(sidecar(folder, 5), seed=5)
    made_anew(folder)


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (honest_record, set()),
        (edited_number, {LEADERBOARD, COMPARE}),
        (dropped_row, {LEADERBOARD, COMPARE}),
        (changed_dice, {VERIFY, LEADERBOARD, COMPARE}),
        (changed_dice_and_hashes, {COMPARE}),
        (copied_record, {VERIFY, COMPARE}),
    ],
)
def test_a_pull_request_is_refused_by_the_commands_of_the_workflow(base, tmp_path, change, refused):
    folder = shutil.copytree(base, tmp_path / "clone")
    git(folder, "checkout", "-q", "-b", "pull-request")
    change(folder)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "change")
    git(folder, "checkout", "-q", "main")
    git(folder, "merge", "-q", "--no-ff", "pull-request")
    program = tmp_path / "dicecast"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dicecast "$@"\n')
    program.chmod(0o755)
    # All at once: most of a command's time is spent on its imports.
    running = {name: start(command, folder, tmp_path) for name, command in commands().items()}
    said = {name: process.communicate()[0] for name, process in running.items()}
    assert {name for name, process in running.items() if process.returncode} == refused, said
    summary = (tmp_path / "summary.md").read_text()
    if change is changed_dice_and_hashes:
        assert "`cases: dice of 1 of 65 rows" in summary and "`0.99`" in summary
    elif not refused:
        assert "only additions" in summary


def start(command, folder, tmp_path):
    """Start a step as a runner does: bash -e, in the repository, with what the job's env holds."""
    variables = os.environ | workflow()["jobs"]["results"]["env"]
    variables |= {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    return subprocess.Popen(
        ["bash", "-e", "-c", command],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_workflow_runs_the_three_commands():
    assert set(commands()) == {VERIFY, LEADERBOARD, COMPARE}


@pytest.mark.parametrize("path", sorted(WORKFLOWS.glob("*.yml")), ids=lambda path: path.stem)
def test_workflows_are_pinned_and_may_only_read(path):
    text, parsed = path.read_text(), workflow(path.name)
    assert parsed["permissions"] == {"contents": "read"}
    assert "secrets." not in text and "pull_request_target" not in text
    for job in parsed["jobs"].values():
        assert "permissions" not in job
        for step in job["steps"]:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", f"a@{'0' * 40}"))
            # What others write, such as a branch's name, never becomes a part of a command.
            assert "${{" not in step.get("run", "")

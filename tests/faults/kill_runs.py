"""Kills ``dicecast run`` again and again, and compares what it ends with to an undisturbed run.

    python tests/faults/kill_runs.py --kills 100 --suite quickstart
    python tests/faults/kill_runs.py --kills 100 --suite quickstart --runners 2 --write

Each process is killed (SIGKILL, its whole group) at a moment drawn by a seed: half of them after a
time, half 0.1 to 32 ms after a stage of a kind begins, each kind as often, so that short stages
are hit too. It is
started again until it ends by itself; tables and leaderboard are then compared byte for byte, and
another round begins with an empty store, until there are enough kills. Several runners share store
and results. Killed itself, or out of time, the same command goes on where it was.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import kills_page

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KINDS = ("write an artifact", "write a record", "write the leaderboard", "fit a head", "predict")
RESERVED = 1.3
"""Undisturbed runs' time that is kept for the end."""
FURTHER = (-4, -1.5)
"""Powers of ten of seconds: how long after a stage began a process is killed."""


class Runner:
    """A process that is started again whenever it was killed."""

    def __init__(self, folder, number, suite):
        self.notes = folder / f"notes-{number}"
        self.output = folder / f"output-{number}"
        self.before = [sys.executable, str(HERE / "traced_run.py"), str(self.notes)]
        self.arguments, self.process = ["run", suite], None

    def start(self, place, life=None):
        """Start it; ``life`` says when it is to be killed, None never."""
        self.notes.write_text("")
        self.seconds, self.kind, _ = self.life = life or (float("inf"), "", 0.0)
        command = [*self.before, json.dumps(self.life if self.kind else (0.0, "", 0.0))]
        where = ["--store", str(place / "store"), "--results", str(place / "results")]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, *self.arguments, *where],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.began = time.monotonic()

    def ended(self):
        """Return whether it ended by itself, and well."""
        status = self.process.poll()
        if status not in (None, 0, -signal.SIGKILL):
            raise SystemExit(f"The run failed by itself:\n{self.output.read_text()}")
        return status == 0

    def was_killed(self):
        """Return whether it is killed, now if its time has come."""
        late = time.monotonic() - self.began >= self.seconds
        if late and not self.kind and self.process.poll() is None:
            self.kill()
        return self.process.poll() == -signal.SIGKILL

    def stage(self):
        """Return the stage that it was in."""
        return (self.notes.read_text().splitlines() or ["start"])[-1]

    def kill(self):
        """Kill its group."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Session:
    """All rounds; what it has counted is kept in a file."""

    def __init__(self, options):
        self.options, self.folder = options, options.folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state_file = self.folder / "state.json"
        self.state = {"kills": {}, "draws": 0, "half_written": 0, "rounds": 0, "seconds": 0.0}
        if self.state_file.exists():
            self.state = json.loads(self.state_file.read_text())
        self.ends = time.monotonic() + 60 * options.minutes

    def save(self):
        half = self.state_file.with_suffix(".half")
        half.write_text(json.dumps(self.state))
        half.replace(self.state_file)

    @property
    def kills(self):
        return sum(self.state["kills"].values())

    def run(self):
        """Run undisturbed, then rounds until there are enough kills or the time is up."""
        self.undisturbed()
        print(f"undisturbed: {self.state['seconds']:.0f} s", flush=True)
        self.round()
        while self.wanted():
            self.round()

    def undisturbed(self):
        """Run once without a kill, unless that was done."""
        if self.state["seconds"]:
            return
        place = self.folder / "undisturbed"
        shutil.rmtree(place, ignore_errors=True)
        runner, began = Runner(self.folder, 0, self.options.suite), time.monotonic()
        runner.start(place)
        try:
            runner.process.wait()
        finally:
            if runner.process.poll() is None:
                runner.kill()
        runner.ended()
        self.state["seconds"] = time.monotonic() - began
        self.save()

    def draw(self):
        """Return when the next process is killed: seconds, then kind of stage, then seconds.

        The time that is left is shared out among the kills that are left.
        """
        block, number = divmod(self.state["draws"], 2 * len(KINDS))
        self.state["draws"] += 1
        rng = random.Random(f"{self.options.seed} {block}")
        kind = rng.sample([*KINDS, *[""] * len(KINDS)], 2 * len(KINDS))[number]
        rng = random.Random(f"{self.options.seed} {block} {number}")
        lasting = self.state["seconds"]
        share = max(self.ends - time.monotonic() - RESERVED * lasting, 0.0)
        mean = self.options.runners * share / max(self.options.kills - self.kills, 1)
        seconds = rng.uniform(0, min(2 * mean, 1.2 * lasting))
        return seconds, kind, 10 ** rng.uniform(*FURTHER)

    def wanted(self):
        left = self.ends - time.monotonic()
        return self.kills < self.options.kills and left > RESERVED * self.state["seconds"]

    def round(self):
        """Run until every runner has ended by itself, killing them on the way; compare."""
        place = self.folder / "disturbed"
        self.left = half_written(place)
        runners = [Runner(self.folder, n, self.options.suite) for n in range(self.options.runners)]
        try:
            for runner in runners:
                runner.start(place, self.draw())
            while not all([runner.ended() for runner in runners]):
                self.step(runners, place)
                time.sleep(0.005)
        finally:
            for runner in runners:
                if runner.process.poll() is None:
                    runner.kill()
        compare(self.folder / "undisturbed" / "results", place / "results")
        left = half_written(place) | set(place.glob("store/*/*.damaged-*"))
        if left:
            raise SystemExit(f"Left behind: {left}")
        shutil.rmtree(place)
        self.state["rounds"] += 1
        self.save()
        print(f"round {self.state['rounds']}: equal after {self.kills} kills", flush=True)

    def step(self, runners, place):
        for runner in runners:
            if self.wanted() and runner.was_killed():
                stage = runner.stage()
                self.state["kills"][stage] = self.state["kills"].get(stage, 0) + 1
                left = half_written(place)
                self.state["half_written"] += len(left - self.left)
                self.left = left
                self.save()
                runner.start(place, self.draw() if self.wanted() else None)
            elif runner.was_killed():
                runner.start(place)


def compare(expected, found):
    """Compare results byte for byte; of a sidecar, all but what was measured and its seal."""
    names = [
        {str(p.relative_to(r)) for p in r.rglob("*") if p.is_file()} for r in (expected, found)
    ]
    if names[0] != names[1]:
        raise SystemExit(f"Files that one alone has: {sorted(names[0] ^ names[1])}")
    for name in sorted(names[0]):
        contents = [(root / name).read_bytes() for root in (expected, found)]
        if "/records/" in name and name.endswith(".json"):
            contents = [facts(content) for content in contents]
        if contents[0] != contents[1]:
            raise SystemExit(f"{name} differs: {expected / name}, {found / name}")


def half_written(place):
    """Return what is not yet under its name: artifacts of the store, files of the results."""
    return {*place.glob("store/*/*.half-*"), *place.glob("results/**/.*-*")}


def facts(sidecar):
    measured = ("seconds", "peak_memory_mb", "seal", "sha256")
    kept = {k: v for k, v in json.loads(sidecar).items() if k not in measured}
    # Where somebody edits the package meanwhile; what is computed must be the same all the more.
    kept["hashes"].pop("code", None)
    return kept


def options_of(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--suite", default="quickstart")
    parser.add_argument("--runners", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="Where it keeps what it needs to go on.")
    parser.add_argument(
        "--write", action="store_true", help="Write results/faults/kills.json and docs/store.md."
    )
    options = parser.parse_args(arguments)
    name = f"dicecast-kills-{Path(options.suite).stem}-{options.runners}"
    options.folder = options.folder or Path(tempfile.gettempdir()) / name
    return options


def main():
    options = options_of()
    session = Session(options)
    session.run()
    state = session.state
    for stage, count in Counter(state["kills"]).most_common():
        print(f"{count:5d}  {stage}")
    print(f"{state['half_written']:5d}  files and artifacts were left half-written, and went")
    print(f"{session.kills} of {options.kills} kills; {state['rounds']} rounds, all equal")
    if session.kills < options.kills:
        raise SystemExit("The time is up: the same command goes on.")
    if options.write:
        kills_page.write(ROOT, Path(options.suite).stem, options.runners, state)
    shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()

"""Kills ``dicecast run`` again and again, and compares what it ends with to an undisturbed run.

    python tests/faults/kill_runs.py --kills 100 --suite quickstart
    python tests/faults/kill_runs.py --kills 100 --suite quickstart --runners 2

Each process is killed (SIGKILL, its whole group) at a moment drawn by a seed: half of them after a
time, half when a stage of a kind drawn evenly begins, so that short stages are hit too. It is
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

HERE = Path(__file__).parent
KINDS = ("write an artifact", "write a record", "write the leaderboard", "fit a head", "predict")
RESERVED = 1.3
"""Undisturbed runs' time that is kept for the end."""


class Runner:
    """A process that is started again whenever it was killed."""

    def __init__(self, folder, number, suite):
        self.notes = folder / f"notes-{number}"
        self.output = folder / f"output-{number}"
        self.command = [sys.executable, str(HERE / "traced_run.py"), str(self.notes), "run", suite]
        self.folder, self.process = folder, None

    def start(self, place, life=None):
        """Start it; ``life`` says when it is to be killed, None never."""
        self.notes.write_text("")
        where = ["--store", str(place / "store"), "--results", str(place / "results")]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*self.command, *where],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.life, self.began, self.due = life, time.monotonic(), None

    def stages(self):
        return self.notes.read_text().splitlines()

    def ended(self):
        """Return whether it ended by itself, and well."""
        status = self.process.poll()
        if status not in (None, 0):
            raise SystemExit(f"The run failed by itself:\n{self.output.read_text()}")
        return status == 0

    def is_due(self):
        """Return whether its moment has come."""
        seconds, kind, further = self.life
        now = time.monotonic() - self.began
        if self.due is None and now >= seconds:
            stages = self.stages()
            if not kind or now > 2 * seconds + 20 or kind in stages[getattr(self, "seen", 0) :]:
                self.due = now + (further if kind else 0.0)
            self.seen = len(stages)
        return self.due is not None and now >= self.due

    def kill(self):
        """Kill its group and return the stage that it was in."""
        stage = (self.stages() or ["start"])[-1]
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        return stage


class Session:
    """All rounds; what it has counted is kept in a file."""

    def __init__(self, options):
        self.options, self.folder = options, options.folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state_file = self.folder / "state.json"
        self.state = {"kills": {}, "rounds": 0, "seconds": 0.0}
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
        """Return when the next process is killed: seconds, kind of stage to wait for, seconds."""
        rng = random.Random(f"{self.options.seed} {self.kills} {self.state['rounds']}")
        lasting = self.state["seconds"]
        share = max(60 * self.options.minutes - (1 + RESERVED) * lasting, lasting)
        mean = self.options.runners * share / self.options.kills
        seconds = rng.uniform(0, min(2 * mean, 1.2 * lasting))
        kind = rng.choice(KINDS) if rng.random() < 0.5 else ""
        return seconds, kind, rng.uniform(0, 0.05)

    def wanted(self):
        left = self.ends - time.monotonic()
        return self.kills < self.options.kills and left > RESERVED * self.state["seconds"]

    def round(self):
        """Run until every runner has ended by itself, killing them on the way; compare."""
        place = self.folder / "disturbed"
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
        left = [path for path in (place / "store").glob("*/*.*-*") if path.is_dir()]
        if left:
            raise SystemExit(f"Left in the store: {left}")
        shutil.rmtree(place)
        self.state["rounds"] += 1
        self.save()
        print(f"round {self.state['rounds']}: equal after {self.kills} kills", flush=True)

    def step(self, runners, place):
        for runner in runners:
            if runner.process.poll() is None and self.wanted() and runner.is_due():
                stage = runner.kill()
                self.state["kills"][stage] = self.state["kills"].get(stage, 0) + 1
                self.save()
                runner.seen = 0
                runner.start(place, self.draw())


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


def facts(sidecar):
    measured = ("seconds", "peak_memory_mb", "seal", "sha256")
    return {k: v for k, v in json.loads(sidecar).items() if k not in measured}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--suite", default="quickstart")
    parser.add_argument("--runners", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=25.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="Where it keeps what it needs to go on.")
    options = parser.parse_args()
    name = f"dicecast-kills-{Path(options.suite).stem}-{options.runners}"
    options.folder = options.folder or Path(tempfile.gettempdir()) / name
    session = Session(options)
    session.undisturbed()
    print(f"undisturbed: {session.state['seconds']:.0f} s", flush=True)
    while True:
        session.round()
        if not session.wanted():
            break
    for stage, count in Counter(session.state["kills"]).most_common():
        print(f"{count:5d}  {stage}")
    print(f"{session.kills} of {options.kills} kills; {session.state['rounds']} rounds, all equal")
    if session.kills < options.kills:
        raise SystemExit("The time is up: the same command goes on.")
    shutil.rmtree(options.folder)


if __name__ == "__main__":
    main()

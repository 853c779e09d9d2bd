"""``dicecast run`` that also notes in a file which stage it is in: what kill_runs.py kills.

It kills itself (SIGKILL, its whole group) a given time after a stage of a given kind begins: what
takes a millisecond cannot be hit from outside. It also does when whoever started it is gone.

Arguments: the file of notes; JSON of seconds before which it lives, a kind of stage (or none) and
seconds after that begins; then those of ``dicecast``.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

BEGAN = time.monotonic()
NOTES = Path(sys.argv.pop(1))
SAFE, KIND, FURTHER = json.loads(sys.argv.pop(1))


def kill():
    os.killpg(os.getpgrp(), signal.SIGKILL)


def outlive_nobody():
    """Kill when the standard input ends, whose other end is held by whoever started this."""
    os.read(0, 1)
    kill()


def note(stage):
    with NOTES.open("a") as file:
        file.write(f"{stage}\n")


def traced(owner, name, stage):
    """Note when a function begins, and after it the stage that it interrupted."""
    inner = getattr(owner, name)

    def call(*arguments, **options):
        before = STAGE[0]
        enter(stage)
        try:
            return inner(*arguments, **options)
        finally:
            enter(before)

    setattr(owner, name, call)


STAGE = ["start"]


def enter(stage):
    STAGE[0] = stage
    note(stage)
    if stage == KIND and time.monotonic() - BEGAN >= SAFE:
        timer = threading.Timer(FURTHER, kill)
        timer.daemon = True
        timer.start()


def main():
    threading.Thread(target=outlive_nobody, daemon=True).start()
    enter("start")
    from dicecast.cli import progress  # noqa: PLC0415
    from dicecast.cli.main import main as command_line  # noqa: PLC0415
    from dicecast.harness import matrix  # noqa: PLC0415
    from dicecast.harness.reporting import Reporter  # noqa: PLC0415
    from dicecast.leaderboard import files  # noqa: PLC0415
    from dicecast.store import Store  # noqa: PLC0415

    class Notes(Reporter):
        def run(self, estimator, seed):
            enter("between stages")

        def stage(self, name, total=0, unit="images"):
            enter("fit a head" if name.startswith("head ") else name)

    progress.reporter_for = lambda console: Notes()
    traced(Store, "_write", "write an artifact")
    traced(matrix, "write_record", "write a record")
    traced(files, "write_leaderboard", "write the leaderboard")
    command_line()


if __name__ == "__main__":
    main()

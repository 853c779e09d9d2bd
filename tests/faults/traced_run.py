"""``dicecast run`` that also notes in a file which stage it is in: what kill_runs.py kills.

Arguments: the file of notes, then those of ``dicecast``.
"""

import sys
from pathlib import Path

NOTES = Path(sys.argv.pop(1))


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


def main():
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

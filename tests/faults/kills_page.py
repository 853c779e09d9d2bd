"""The table of kills in ``docs/store.md``, made from ``results/faults/kills.json``."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESULT = Path("results", "faults", "kills.json")
PAGE = Path("docs", "store.md")


def table(found):
    """Return a Markdown table of runs, and a line of where each comes from."""
    lines = [
        "| suite | runners | kills (`kill -9`) | left half-written | rounds, all equal |",
        "|---|--:|--:|--:|--:|",
    ]
    for run in found.values():
        cells = (run["suite"], run["runners"], run["n"], run["half_written"], run["rounds"])
        lines.append(f"| {' | '.join(map(str, cells))} |")
    for run in found.values():
        stages = ", ".join(f"{stage} {count}" for stage, count in by_count(run["stages"]))
        machine = f"{run['machine']['processor']}, {run['machine']['cores']} cores"
        lines += [
            "",
            f"`{run['command']}` at {run['commit']}; {machine}. Kills by stage: {stages}.",
        ]
    return "\n".join(lines) + "\n"


def by_count(stages):
    return sorted(stages.items(), key=lambda stage: (-stage[1], stage[0]))


def page(root):
    """Return ``docs/store.md`` with the table as the JSON gives it."""
    # Here, because a script has the package on its path only once it runs.
    from dicecast.leaderboard.excerpt import with_excerpt  # noqa: PLC0415

    held = root / RESULT
    text = table(json.loads(held.read_text())) if held.exists() else "Not run yet.\n"
    return with_excerpt(root / PAGE, "kills", text)


def write(root, suite, runners, state):
    """Add what a session found to the JSON, in place of an older one alike; write the page."""
    sys.path.insert(0, str(ROOT / "benchmark"))
    from dicecast.harness.machine import machine  # noqa: PLC0415
    from dicecast.identity import package_versions  # noqa: PLC0415

    held = root / RESULT
    found = json.loads(held.read_text()) if held.exists() else {}
    found[f"{suite}, {runners}"] = {
        "suite": suite,
        "runners": runners,
        "n": sum(state["kills"].values()),
        "rounds": state["rounds"],
        "half_written": state["half_written"],
        "stages": dict(by_count(state["kills"])),
        "undisturbed_seconds": round(state["seconds"], 1),
        "command": " ".join(["python tests/faults/kill_runs.py", *told(sys.argv[1:])]),
        "commit": commit(),
        "machine": machine(),
        "versions": package_versions(),
    }
    held.parent.mkdir(parents=True, exist_ok=True)
    held.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    (root / PAGE).write_text(page(root))


def told(arguments):
    """Return the arguments without ``--folder``, a place on one machine."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--folder")
    return parser.parse_known_args(arguments)[1]


def commit():
    """Return the commit, with a plus if tracked files differ from it."""
    command = ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
    return subprocess.check_output(command, cwd=ROOT, text=True).strip()

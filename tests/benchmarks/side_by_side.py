"""The same work by dicecast and by a peer, by turns, as ratios: peer time / our time.

    python tests/benchmarks/side_by_side.py --quick              # some minutes, small sizes
    python tests/benchmarks/side_by_side.py --write              # results/speed and docs/speed.md
    python tests/benchmarks/side_by_side.py --only scoring --json
    python tests/benchmarks/side_by_side.py --peer-python DIR/bin/python

The peers are the extra `peers` of setup.cfg; they may be installed in another environment, whose
interpreter `--peer-python` names. A peer that is missing gives its key a reason under `skipped`.
Leave the machine alone meanwhile: what else runs on it slows the two sides unequally.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import speed_page
import turns

sys.path.insert(0, str(turns.SOURCE))

from dicecast.harness.machine import machine

ROOT = turns.SOURCE.parent
RESULT = ROOT / "results" / "speed" / "side_by_side.json"

COMPARISONS: dict[str, tuple[str, dict[str, Any]]] = {
    "train_float32": ("training", {"precision": "float32", "rate": 0.3}),
    "train_bfloat16": ("training", {"precision": "bfloat16", "rate": 0.3}),
    "train_float32_no_dropout": ("training", {"precision": "float32", "rate": 0.0}),
    "train_bfloat16_no_dropout": ("training", {"precision": "bfloat16", "rate": 0.0}),
    "predict_float32": ("prediction", {"precision": "float32"}),
    "predict_bfloat16": ("prediction", {"precision": "bfloat16"}),
    "mc_dropout_20": ("dropout", {"draws": 20}),
    "mc_dropout_20_bfloat16": ("dropout", {"draws": 20, "precision": "bfloat16"}),
    "mc_dropout_50": ("dropout", {"draws": 50}),
    "mc_dropout_loop": ("keras_loop", {}),
    "memory_200_draws": ("memory", {}),
    "scoring": ("scoring", {}),
    "aggregations": ("aggregations", {}),
    "pairwise_dice": ("pairwise_dice", {}),
}
"""By key: the module in ``peers`` whose ``compare(quick, ...)`` measures it, and its arguments."""


def measure(key: str, quick: bool) -> dict[str, Any]:
    """Return what a comparison found, with its provenance; or the reason it was skipped."""
    name, arguments = COMPARISONS[key]
    try:
        found = importlib.import_module(f"peers.{name}").compare(quick, **arguments)
    except (turns.MissingError, ImportError) as error:
        found = {"skipped": str(error)}
    return found | provenance()


def provenance() -> dict[str, Any]:
    """Return the command, the commit, the machine, and the versions of both sides."""
    with turns.Side() as ours, turns.peer_side() as peer:
        versions = {
            name: side.call("workloads.process:versions")
            for name, side in (("ours", ours), ("peer", peer))
        }
    return {
        "command": " ".join(["python tests/benchmarks/side_by_side.py", *arguments_to_tell()]),
        "commit": commit(),
        "machine": machine() | {"threads": turns.THREADS},
        "versions": versions,
    }


def arguments_to_tell() -> list[str]:
    """Return the command line without the place of the peers' interpreter."""
    given = iter(sys.argv[1:])
    told = []
    for argument in given:
        if argument == "--peer-python":
            next(given, None)
        elif not argument.startswith("--peer-python="):
            told.append(argument)
    return told


def commit() -> str:
    """Return the commit of the working tree, with a plus if files differ from it."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, few turns")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", choices=COMPARISONS, action="append", help="measure this alone")
    parser.add_argument(
        "--write", action="store_true", help=f"keep it in {RESULT.relative_to(ROOT)}"
    )
    parser.add_argument("--page", action="store_true", help="measure nothing; make docs/speed anew")
    parser.add_argument("--peer-python", help="the interpreter that has the peers installed")
    options = parser.parse_args()
    if options.write and options.quick:
        parser.error("--quick is too small to conclude from: leave it out to --write")
    return options


def main() -> None:
    """Measure, print, and write where asked to."""
    options = parse()
    if options.page:
        speed_page.write(ROOT)
        return
    if options.peer_python:
        os.environ[turns.PEER_PYTHON] = str(Path(options.peer_python).absolute())
    found = {}
    for key in options.only or COMPARISONS:
        found[key] = measure(key, options.quick)
        told = found[key].get("ratio", found[key].get("skipped"))
        print(f"{key}: {told}", file=sys.stderr, flush=True)
        if options.write:
            keep(key, found[key])
    print(json.dumps(found, indent=1) if options.json else speed_page.table(found))
    if options.write:
        speed_page.write(ROOT)


def keep(key: str, found: dict[str, Any]) -> None:
    """Add what a comparison found to the file of results, in place of an older one."""
    known = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    known[key] = found
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({key: known[key] for key in COMPARISONS if key in known}, indent=1)
    RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()

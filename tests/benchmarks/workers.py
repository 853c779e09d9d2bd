"""A matrix of 12 independent stages on two workers, on one, and in one process.

    python tests/benchmarks/workers.py --quick           # 4 short stages, one turn
    python tests/benchmarks/workers.py --json --write results/speed/workers.json

Each worker has one thread; the one process has as many as there are workers. All three compute the
same matrix by turns, from an empty store, and the start of their processes counts. Leave the
machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import turns
from side_by_side import commit, machine

WORKERS = 2
STAGES, EPOCHS, TURNS = 12, 5, 5
QUICK_STAGES, QUICK_EPOCHS, QUICK_TURNS = 4, 2, 1

WAYS = {"one_worker": 1, "two_workers": WORKERS, "one_process": 0}
"""By name: how many workers, 0 for none."""


def once(way: str, stages: int, epochs: int) -> dict[str, float]:
    """Return the seconds of one run in a fresh process."""
    threads = str(WORKERS if way == "one_process" else 1)
    environment = dict.fromkeys(turns.COUNT_OF_THREADS, threads)
    with turns.Side(environment=environment) as side:
        arguments = {"workers": WAYS[way], "stages": stages, "epochs": epochs}
        found: dict[str, float] = side.call("workloads.matrix:run", **arguments)
    return found


def measure(stages: int, epochs: int, times: int) -> dict[str, Any]:
    """Return seconds of every turn, and the ratios to two workers: above 1, two are faster."""
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for turn in range(times):
        for way in list(WAYS) if turn % 2 == 0 else list(WAYS)[::-1]:
            runs[way].append(once(way, stages, epochs))
    found: dict[str, Any] = {"stages": stages, "epochs": epochs, "n": times}
    for way, each in runs.items():
        found[way] = {
            name: statistics.median(run[name] for run in each) for name in ("seconds", "in_stages")
        }
    for way in ("one_worker", "one_process"):
        pairs = zip(runs[way], runs["two_workers"], strict=True)
        ratios = [other["seconds"] / two["seconds"] for other, two in pairs]
        found[f"{way}_over_two_workers"] = {"ratio": statistics.median(ratios), "ratios": ratios}
    return found


def as_text(found: dict[str, Any]) -> str:
    """Return the result for people."""
    lines = [f"{found['stages']} stages, {found['n']} turns, medians:"]
    lines += [
        f"  {way}: {found[way]['seconds']:.1f} s, of which stages {found[way]['in_stages']:.1f} s"
        for way in WAYS
    ]
    for way in ("one_worker", "one_process"):
        name = f"{way}_over_two_workers"
        lines.append(f"  {name}: {found[name]['ratio']:.2f}")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few short stages, one turn")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--write", type=Path, help="a JSON file to keep the result in")
    options = parser.parse_args()
    if options.write and options.quick:
        parser.error("--quick is too small to conclude from: leave it out to --write")
    if options.quick:
        found = measure(QUICK_STAGES, QUICK_EPOCHS, QUICK_TURNS)
    else:
        found = measure(STAGES, EPOCHS, TURNS)
    found["commit"], found["machine"] = commit(), machine()
    text = json.dumps(found, indent=1)
    print(text if options.json else as_text(found))
    if options.write:
        options.write.parent.mkdir(parents=True, exist_ok=True)
        options.write.write_text(text + "\n")


if __name__ == "__main__":
    main()

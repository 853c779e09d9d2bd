"""How time and memory grow with cases, pixels, draws and estimators.

Runs small suites of the made-up lesions, each in a process of its own and from an empty store, and
takes the wall time from its start to its end (imports and tracing included) and the largest
resident memory.

    python tests/benchmarks/scale.py --quick           # a few minutes; too small to conclude from
    python tests/benchmarks/scale.py --write           # all, half an hour: results/speed, docs
    python tests/benchmarks/scale.py --write --only draws
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scale_page import summary, write_page

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULT = ROOT / "results" / "speed" / "scale.json"


@dataclass(frozen=True)
class Work:
    """A suite's size. The network and its training are as small as they go: data dominate.

    Attributes:
        test: Test cases, each predicted, scored, and read by every head.
        train: Training cases, seen once.
        side: Height and width of the images.
        draws: Draws a prediction.
        estimators: How many, each with a network of its own.
        batch: Cases that are predicted together, and at most trained on together.
    """

    test: int = 64
    train: int = 64
    side: int = 64
    draws: int = 2
    estimators: int = 1
    batch: int = 32

    def settings(self) -> dict[str, Any]:
        """Return the suite as a TOML file would give it."""
        counts = {"train": self.train, "validation": 16, "quality": 64, "test": self.test}
        rates = [round(0.1 + 0.05 * number, 2) for number in range(self.estimators)]
        return {
            "name": "scale",
            "image_size": [self.side, self.side],
            "seeds": [0],
            "dataset": {"name": "lesions", **counts, "shifts": []},
            "backbone": {"name": "unet", "width": 4, "depth": 2},
            "training": {"epochs": 1, "patience": 0, "batch_size": min(16, self.batch)},
            "compute": {"sampling_batch_size": self.batch},
            "estimators": [
                {"name": "mc_dropout", "label": f"rate_{rate}", "rate": rate, "draws": self.draws}
                for rate in rates
            ],
            "heads": [
                {"name": "isotonic"},
                {"name": "forest", "num_trees": 20},
                {"name": "two_stage", "width": 4, "epochs": 1},
            ],
        }


@dataclass(frozen=True)
class Axis:
    """What grows, and what stays meanwhile.

    Attributes:
        field: The field of ``Work``.
        sizes: Its values, rising; the first is the run whose time counts as fixed.
        quick: The values for a quick look.
        fixed: The other fields.
    """

    field: str
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    fixed: Work

    def works(self, quick: bool) -> dict[int, Work]:
        """Return the suites by size."""
        sizes = self.quick if quick else self.sizes
        return {size: Work(**vars(self.fixed) | {self.field: size}) for size in sizes}


AXES = {
    "test cases of 64 x 64": Axis("test", (100, 1000, 5000, 50_000), (100, 500, 1000), Work()),
    "training cases of 64 x 64": Axis("train", (100, 1000, 5000, 20_000), (100, 500, 1000), Work()),
    "test cases of 512 x 512": Axis(
        "test", (64, 250, 500, 2000), (8, 16, 32), Work(side=512, batch=4)
    ),
    "side of 250 test images": Axis(
        "side", (32, 64, 128, 256, 512), (32, 64, 128), Work(test=250, batch=4)
    ),
    "draws": Axis("draws", (2, 10, 50, 200), (2, 10, 20), Work(test=500)),
    "estimators": Axis("estimators", (1, 2, 4, 6), (1, 2, 3), Work(test=500)),
}


def measure(work: Work) -> dict[str, Any]:
    """Run a suite in a new process; see ``scale_child.measured``, plus ``seconds`` in all.

    Raises:
        subprocess.CalledProcessError: It failed; its messages are on standard error.
    """
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(HERE / "scale_child.py")],
        input=json.dumps(work.settings()),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "benchmark"), "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    return {"seconds": time.perf_counter() - started, **json.loads(done.stdout)}


def points(axis: Axis, quick: bool) -> list[dict[str, Any]]:
    """Measure every size of an axis."""
    found = []
    for size, work in axis.works(quick).items():
        found.append({"size": size, **measure(work)})
        print(
            f"{axis.field} {size}: {found[-1]['seconds']:.1f} s, {found[-1]['peak_mb']:.0f} MiB",
            file=sys.stderr,
            flush=True,
        )
    return found


def provenance() -> dict[str, Any]:
    """Return what was run, where and of which commit."""
    sys.path.insert(0, str(ROOT / "benchmark"))
    from dicecast.harness.machine import machine  # noqa: PLC0415  the path is set here

    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {
        "command": " ".join(["python tests/benchmarks/scale.py", *sys.argv[1:]]),
        "commit": head.stdout.strip(),
        "machine": machine(),
    }


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, a few minutes")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument(
        "--write", action="store_true", help=f"keep it in {RESULT.relative_to(ROOT)}"
    )
    parser.add_argument("--only", choices=AXES, action="append", help="measure this axis alone")
    parser.add_argument("--page", action="store_true", help="measure nothing; make docs/scale anew")
    options = parser.parse_args()
    if options.page:
        write_page(json.loads(RESULT.read_text()), ROOT / "docs")
        return
    chosen = options.only or list(AXES)
    known = json.loads(RESULT.read_text())["axes"] if options.write and RESULT.exists() else {}
    measured = {
        name: {
            **provenance(),
            "field": AXES[name].field,
            "points": points(AXES[name], options.quick),
        }
        for name in chosen
    }
    kept = {name: found for name, found in (known | measured).items() if name in AXES}
    result = {"axes": {name: kept[name] for name in AXES if name in kept}}
    print(json.dumps(result, indent=1) if options.json else summary(result))
    if options.write:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        write_page(result, ROOT / "docs")


if __name__ == "__main__":
    main()

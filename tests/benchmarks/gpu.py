"""Training and sampling on one GPU: images a second, memory, share of the rate of matrix products.

    KERAS_BACKEND=jax python tests/benchmarks/gpu.py            # JAX alone is enough
    KERAS_BACKEND=tensorflow python tests/benchmarks/gpu.py     # with XLA and without
    python tests/benchmarks/gpu.py --quick                      # small; runs on a processor too

Each measurement has a process of its own, so that its peak memory is its own. On a GPU the result
is kept in results/speed/gpu-DEVICE-BACKEND.json and docs/speed.md is made anew; --quick keeps
nothing. JAX always compiles with XLA.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import speed_page
import turns
from side_by_side import ROOT, commit

SIZES = ((64, 64), (192, 256), (512, 512))
PRECISIONS = ("float32", "bfloat16")
ACCELERATE = {"jax": ("xla",), "tensorflow": ("xla", "none")}


@dataclass(frozen=True)
class Extent:
    """How much is worked on.

    Attributes:
        sizes: Heights and widths.
        train_batches: Examples a step.
        sample_batches: Images that are predicted together.
        draws: Draws of an image.
        batches: Batches that are timed.
        matrix_side: Rows of the matrices whose product tells the device's rate; None: its default.
    """

    sizes: tuple[tuple[int, int], ...] = SIZES
    train_batches: tuple[int, ...] = (16, 128)
    sample_batches: tuple[int, ...] = (32,)
    draws: tuple[int, ...] = (1, 20)
    batches: int = 32
    matrix_side: int | None = None


QUICK = Extent(((32, 32),), (4,), (4,), (2,), 2, 256)


def settings(backend: str, extent: Extent) -> Iterator[dict[str, Any]]:
    """Yield image size, precision and compilation, all with all."""
    for (height, width), precision, accelerate in product(
        extent.sizes, PRECISIONS, ACCELERATE[backend]
    ):
        yield {
            "height": height,
            "width": width,
            "precision": precision,
            "accelerate": accelerate,
        }


def works(extent: Extent) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield what is done in each setting: "train" or "sample", and its arguments."""
    for batch in extent.train_batches:
        yield "train", {"batch": batch, "examples": batch * extent.batches, "epochs": 1}
    for batch, draws in product(extent.sample_batches, extent.draws):
        yield "sample", {"batch": batch, "images": batch * extent.batches, "draws": draws}


def measure(backend: str, extent: Extent) -> dict[str, Any]:
    """Return the facts of the device and a row for each measurement."""
    environment = {"KERAS_BACKEND": backend}
    with turns.Side(environment=environment) as side:
        facts = side.call("workloads.device:facts")
        rates = {
            p: side.call("workloads.device:rate", precision=p, side=extent.matrix_side)
            for p in PRECISIONS
        }
        facts |= {"rates": rates, "versions": side.call("workloads.process:versions")}
    rows = []
    with tempfile.TemporaryDirectory() as store:
        for setting in settings(backend, extent):
            with turns.Side(environment=environment) as side:
                side.call("workloads.device:weights", store=store, setting=setting)
            for name, work in works(extent):
                row = {"work": name, **setting, **work}
                rows.append(row | _measured(name, environment, store, setting, work, rates))
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    return facts | {"backend": backend, "rows": rows}


def _measured(
    name: str,
    environment: dict[str, str],
    store: str,
    setting: dict[str, Any],
    work: dict[str, int],
    rates: dict[str, float],
) -> dict[str, Any]:
    """Return a row's figures, or why there are none, such as a device that is too small."""
    with turns.Side(environment=environment) as side:
        try:
            found = side.call(f"workloads.device:{name}", store=store, setting=setting, work=work)
        except RuntimeError as error:
            return {"failed": str(error).strip().splitlines()[-1]}
    return found | {
        f"share_of_{p}_rate": found["operations_per_second"] / rate for p, rate in rates.items()
    }


def main() -> None:
    """Measure, print a table, and keep the result where there is a GPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes; keeps nothing")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    backend = os.environ.get("KERAS_BACKEND", "jax")
    found = measure(backend, QUICK if options.quick else Extent()) | {
        "command": f"KERAS_BACKEND={backend} python tests/benchmarks/gpu.py",
        "commit": commit(),
    }
    print(json.dumps(found, indent=1) if options.json else speed_page.device_table(found))
    if found["accelerator"] and not options.quick:
        device = re.sub(r"[^a-z0-9]+", "-", found["device"].lower()).strip("-")
        path = ROOT / "results" / "speed" / f"gpu-{device}-{backend}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n")
        speed_page.write(ROOT)


if __name__ == "__main__":
    main()

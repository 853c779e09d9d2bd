"""``accelerate = "auto"`` takes the faster way to train on this machine, with XLA or without."""

from __future__ import annotations

from functools import partial

import pytest

import turns
from dicecast.networks.backend import BACKEND, use_xla
from workloads.our_training import timed, trainer

CLEARLY = 1.3
"""By what factor one way must be faster before the choice counts."""


@pytest.mark.skipif(BACKEND == "jax", reason="JAX always compiles with XLA")
def test_auto_takes_the_faster_of_xla_and_none(tmp_path):
    ways = {way: trainer(str(tmp_path), "float32", way, examples=32) for way in ("xla", "none")}
    seeds = iter(range(100))

    def work(way: str) -> float:
        return timed(ways[way], next(seeds), epochs=1)[1]

    found = turns.compare(partial(work, "none"), {"xla": partial(work, "xla")}, times=3)
    # The ratio is XLA's time over the time without.
    if use_xla("auto"):
        assert found["ratio"] < CLEARLY
    else:
        assert found["ratio"] > 1 / CLEARLY

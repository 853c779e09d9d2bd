"""How long an epoch of the shipped U-Net takes."""

from __future__ import annotations

import pytest

from workloads.our_training import timed, trainer


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_training(benchmark, tmp_path, precision):
    made = trainer(str(tmp_path), precision, examples=128)
    seeds = iter(range(100))
    benchmark.extra_info["images"] = 2 * 128
    benchmark.pedantic(
        lambda: timed(made, next(seeds), epochs=1), rounds=3, iterations=1, warmup_rounds=1
    )

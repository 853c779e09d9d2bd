"""How long the shipped U-Net takes to predict a batch, once and with draws."""

from __future__ import annotations

import pytest

from workloads import our_sampling

IMAGES = 64


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("draws", [1, 20])
def test_sampling(benchmark, tmp_path_factory, precision, draws):
    # One store for all, so that each network is trained once.
    store = tmp_path_factory.getbasetemp() / "sampling"
    our_sampling.start(str(store), precision, draws, IMAGES)
    benchmark.extra_info["images"] = IMAGES
    benchmark.pedantic(our_sampling.turn, rounds=5, iterations=1, warmup_rounds=1)

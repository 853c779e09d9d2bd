"""Training the shipped U-Net: our trainer against PyTorch."""

from __future__ import annotations

import tempfile
from functools import partial
from typing import Any

import turns


def compare(quick: bool, precision: str, rate: float = 0.0) -> dict[str, Any]:
    """Train on both sides, uint8 data resident in memory; the first epoch is left out.

    Args:
        quick: Fewer images, epochs and turns, and the peer in its eager mode alone.
        precision: "float32" or "bfloat16".
        rate: Of dropout after the bottleneck and each decoder block.
    """
    examples, epochs, times = (256, 1, 3) if quick else (512, 3, 5)
    sizes = {"examples": examples, "validation": 64}
    with tempfile.TemporaryDirectory() as store, turns.Side() as ours, turns.peer_side() as peer:
        modes = ["eager"] if quick else ["eager", "compiled"]
        for mode in modes:
            peer.call(
                "workloads.torch_training:start",
                mode=mode,
                precision=precision,
                rate=rate,
                **sizes,
            )
        ours.call("workloads.our_training:start", store=store, precision=precision, **sizes)
        scores: dict[str, float] = {}

        def work(side: turns.Side, workload: str, **more: Any) -> float:
            found = side.call(f"workloads.{workload}:turn", epochs=epochs, **more)
            scores[workload] = found["score"]
            return float(found["seconds"])

        found = turns.compare(
            partial(work, ours, "our_training", rate=rate),
            {mode: partial(work, peer, "torch_training", mode=mode) for mode in modes},
            times,
            epochs * examples,
        )
    return found | {
        "work": f"train the U-Net, dropout {rate:g}, {precision}, batch 16, 64x64: cross-entropy, "
        "soft Dice, Adam, flips and turns, Dice of 64 validation images after each epoch",
        "peer_is": "PyTorch, channels last, fused Adam",
        "validation_dice": scores,
    }

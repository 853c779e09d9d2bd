"""One forward pass with mask and entropy: our sampler against PyTorch."""

from __future__ import annotations

import tempfile
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import turns

WITHIN = {"float32": 1e-4, "bfloat16": 0.2}
"""By how much a probability may differ; bfloat16 has 8 significant bits in every layer."""


def compare(quick: bool, precision: str) -> dict[str, Any]:
    """Predict on both sides with the same weights, in batches of 32.

    Args:
        quick: Fewer images and turns, and the peer compiled as by default alone.
        precision: "float32" or "bfloat16".
    """
    images, times = (128, 3) if quick else (1024, 5)
    modes = _modes(quick, precision)
    with tempfile.TemporaryDirectory() as store, turns.Side() as ours, turns.peer_side() as peer:
        weights, our_answers, peer_answers = (str(Path(store, f"{n}.npz")) for n in "wop")
        ours.call("workloads.our_sampling:export", store=store, precision=precision, path=weights)
        ours.call(
            "workloads.our_sampling:start", store=store, precision=precision, draws=1, images=images
        )
        peer.call("workloads.torch_prediction:start", weights=weights, images=images)
        for name, mode in modes.items():
            peer.call("workloads.torch_prediction:mode", name=name, **mode)
        found = turns.compare(
            partial(ours.call, "workloads.our_sampling:turn"),
            {n: partial(peer.call, "workloads.torch_prediction:turn", name=n) for n in modes},
            times,
            images,
        )
        ours.call("workloads.our_sampling:answers", path=our_answers)
        mode = found["peer"]["mode"]
        peer.call("workloads.torch_prediction:answers", name=mode, path=peer_answers)
        differences = turns.must_agree(
            np.load(our_answers), np.load(peer_answers), WITHIN[precision]
        )
    return found | {
        "work": f"predict, {precision}, batches of 32, 64x64: probabilities, mask, entropy",
        "peer_is": "PyTorch, channels last, inference mode",
        "largest_differences": differences,
    }


def _modes(quick: bool, precision: str) -> dict[str, dict[str, str]]:
    ways = ["compiled"] if quick else ["eager", "compiled", "frozen"]
    types = ["float32"] if precision == "float32" else ["autocast", "bfloat16"]
    pairs = list(product(ways, types[-1:] if quick else types))
    return {f"{way}, {kind}": {"compiled": way, "precision": kind} for way, kind in pairs}

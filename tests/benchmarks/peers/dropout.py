"""MC dropout with entropies, mutual information and pairwise Dice: against torch-uncertainty."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import turns

WITHIN = 0.05
"""How far the means over all images may lie apart: each side drops other values."""


def compare(quick: bool, draws: int, precision: str = "float32") -> dict[str, Any]:
    """Draw on both sides with the same weights and dropout 0.3, in batches of 32.

    Args:
        quick: Fewer images and turns.
        draws: Forward passes an image.
        precision: "float32" or "bfloat16".
    """
    images, times = (32, 3) if quick else (192, 5)
    modes = _modes(quick, precision)
    with tempfile.TemporaryDirectory() as store, turns.Side() as ours, turns.peer_side() as peer:
        weights, our_answers, peer_answers = (str(Path(store, f"{n}.npz")) for n in "wop")
        ours.call("workloads.our_sampling:export", store=store, precision=precision, path=weights)
        ours.call(
            "workloads.our_sampling:start",
            store=store,
            precision=precision,
            draws=draws,
            images=images,
        )
        peer.call("workloads.torch_dropout:start", weights=weights, images=images)
        for name, mode in modes.items():
            peer.call("workloads.torch_dropout:mode", name=name, draws=draws, **mode)
        found = turns.compare(
            partial(ours.call, "workloads.our_sampling:turn"),
            {n: partial(peer.call, "workloads.torch_dropout:turn", name=n) for n in modes},
            times,
            images,
        )
        ours.call("workloads.our_sampling:answers", path=our_answers)
        mode = found["peer"]["mode"]
        peer.call("workloads.torch_dropout:answers", name=mode, path=peer_answers)
        means = [_means(path) for path in (our_answers, peer_answers)]
    return found | {
        "work": f"MC dropout, {draws} draws, {precision}, 64x64: mean, entropies, mutual "
        "information, pairwise Dice",
        "peer_is": "torch-uncertainty's mc_dropout, PyTorch channels last, inference mode",
        "differences_of_means": turns.must_agree(*means, WITHIN),
    }


def _modes(quick: bool, precision: str) -> dict[str, dict[str, Any]]:
    types = ["float32"] if precision == "float32" else ["autocast", "bfloat16"]
    ways = {"draws in the batch": (True, False), "loop": (False, False)}
    if not quick:
        ways["loop, compiled"] = (False, True)
    return {
        f"{way}, {kind}": {"on_batch": on_batch, "compiled": compiled, "precision": kind}
        for way, (on_batch, compiled) in ways.items()
        for kind in types
    }


def _means(path: str) -> dict[str, Any]:
    with np.load(path) as arrays:
        return {name: arrays[name].mean() for name in arrays if name != "probability"}

"""MC dropout: our sampler against a loop of Keras' ``model.predict``."""

from __future__ import annotations

import tempfile
from functools import partial
from typing import Any

import turns

DRAWS = 20


def compare(quick: bool) -> dict[str, Any]:
    """Draw 20 times on both sides; the peer runs on the same TensorFlow."""
    images, times = (32, 3) if quick else (96, 5)
    modes = {"without XLA": False} if quick else {"without XLA": False, "with XLA": True}
    with tempfile.TemporaryDirectory() as store, turns.Side() as ours, turns.Side() as peer:
        ours.call(
            "workloads.our_sampling:start",
            store=store,
            precision="float32",
            draws=DRAWS,
            images=images,
        )
        peer.call("workloads.keras_dropout:start", images=images)
        for name, jit_compile in modes.items():
            peer.call("workloads.keras_dropout:mode", name=name, jit_compile=jit_compile)
        found = turns.compare(
            partial(ours.call, "workloads.our_sampling:turn"),
            {
                name: partial(peer.call, "workloads.keras_dropout:turn", name=name, draws=DRAWS)
                for name in modes
            },
            times,
            images,
        )
    return found | {
        "work": f"MC dropout, {DRAWS} draws, float32, 64x64: mean, entropies, mutual information, "
        "pairwise Dice",
        "peer_is": "a loop of Keras' model.predict, then NumPy",
    }

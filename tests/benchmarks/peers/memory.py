"""Peak memory at 200 draws over that at 20: ours, and torch-uncertainty's beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import turns

DRAWS = (20, 200)
IMAGES = 32


def compare(quick: bool) -> dict[str, Any]:
    """Predict one batch in a fresh process for each number of draws.

    Args:
        quick: Ours alone.
    """
    with tempfile.TemporaryDirectory() as store:
        weights = str(Path(store, "weights.npz"))
        arguments = {"store": store, "precision": "float32"}
        with turns.Side() as ours:
            ours.call("workloads.our_sampling:export", path=weights, **arguments)

        def our_work(side: turns.Side, draws: int) -> None:
            side.call("workloads.our_sampling:start", draws=draws, images=IMAGES, **arguments)
            side.call("workloads.our_sampling:turn")

        def peer_work(side: turns.Side, draws: int) -> None:
            side.call("workloads.torch_dropout:start", weights=weights, images=IMAGES)
            mode = {"name": "", "on_batch": False, "compiled": False, "precision": "float32"}
            side.call("workloads.torch_dropout:mode", draws=draws, **mode)

        ours = _peaks(turns.Side, our_work)
        peer = {} if quick else _peaks(turns.peer_side, peer_work)
    return {
        "ratio": ours["mib_at_200_draws"] / ours["mib_at_20_draws"],
        "n": 1,
        "ours": ours,
        "peer": peer,
        "work": "peak memory of MC dropout at 200 draws over that at 20, 32 images of 64x64",
        "peer_is": "torch-uncertainty's mc_dropout, draws one after another",
    }


def _peaks(
    side_of: Callable[[], turns.Side], work: Callable[[turns.Side, int], None]
) -> dict[str, float]:
    peaks = {}
    for draws in DRAWS:
        with side_of() as side:
            work(side, draws)
            peaks[f"mib_at_{draws}_draws"] = side.call("workloads.process:peak_memory")
    return peaks

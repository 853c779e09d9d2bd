"""Pairwise Dice of 10 draws: ours counted in bits, against MONAI."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import turns

MODES = ("an image and pair", "a pair, all images", "an image, all pairs")


def compare(quick: bool) -> dict[str, Any]:
    """Compare the masks of 10 draws of images of 64x64, all pairs, on both sides."""
    images = 64 if quick else 256
    with (
        tempfile.TemporaryDirectory() as folder,
        turns.Side() as ours,
        turns.peer_side() as peer,
    ):
        answers = [str(Path(folder, f"{side}.npz")) for side in ("ours", "peer")]
        ours.call("workloads.our_pairwise_dice:start", images=images)
        peer.call("workloads.monai_pairwise_dice:start", images=images)
        found = turns.compare(
            partial(ours.call, "workloads.our_pairwise_dice:turn"),
            {
                f"one call for {mode}": partial(
                    peer.call, "workloads.monai_pairwise_dice:turn", mode=mode
                )
                for mode in MODES
            },
            3 if quick else 9,
            images,
        )
        ours.call("workloads.our_pairwise_dice:answers", path=answers[0])
        peer.call("workloads.monai_pairwise_dice:answers", mode=MODES[0], path=answers[1])
        differences = turns.must_agree(*map(np.load, answers), within=1e-6)
    return found | {
        "work": "mean Dice over the 45 pairs of 10 draws' masks, 64x64, from the masks on",
        "peer_is": "monai.metrics.compute_dice over the pairs",
        "largest_differences": differences,
    }

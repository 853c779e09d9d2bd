"""All aggregations of 1,000 maps: ours on the stack, against calls image by image."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import turns


def compare(quick: bool) -> dict[str, Any]:
    """Aggregate 1,000 maps of 96x96 on both sides.

    aggrigator gives all but three: distances come from SciPy, components and the boundary region of
    the literature (4 pixels wide) from scikit-image. aggrigator's own boundary is another one (a
    band inside the class alone, grown by a square) and not equal; it is a mode because it is the
    quicker: what counts is the faster of the two.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        turns.Side() as ours,
        turns.peer_side() as peer,
    ):
        answers = [str(Path(folder, f"{side}.npz")) for side in ("ours", "peer")]
        ours.call("workloads.our_aggregations:start")
        peer.call("workloads.peer_aggregations:start")
        modes = {
            "aggrigator and scikit-image": "scikit-image",
            "aggrigator, with its own boundary": "aggrigator",
        }
        found = turns.compare(
            partial(ours.call, "workloads.our_aggregations:turn"),
            {
                name: partial(peer.call, "workloads.peer_aggregations:turn", boundary=boundary)
                for name, boundary in modes.items()
            },
            3 if quick else 9,
            1000,
        )
        ours.call("workloads.our_aggregations:answers", path=answers[0])
        peer.call("workloads.peer_aggregations:answers", path=answers[1])
        differences = turns.must_agree(*map(np.load, answers), within=1e-6)
    return found | {
        "work": "all aggregations of 1,000 maps of 96x96 that read a map",
        "peer_is": "aggrigator image by image; scikit-image, SciPy and NumPy where it has none",
        "largest_differences": differences,
    }

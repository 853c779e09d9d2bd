"""Every metric of 40 scores in 1,000 resamples: ours, against a loop over the libraries."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np

import turns
from workloads.scoring import looped, ours, seconds, study


def compare(quick: bool) -> dict[str, Any]:
    """Score 40 scores of 600 cases in one process; the loop in a few of the resamples.

    The loop would take minutes. Every turn does all of ours and some of the loop's resamples, other
    ones each time, whose time is scaled to all; no resample costs the loop more than another.

    Returns:
        What ``turns.compare`` does, and under ``largest_difference`` how far the two are apart in
        any number that both computed.

    Raises:
        AssertionError: They are further apart than 1e-9.
    """
    given, times, part = study(), 3 if quick else 9, 1 if quick else 3
    resamples = len(given.counts)
    found = ours(given)
    at = iter(range(0, resamples, part))
    differences: list[float] = []

    def loop() -> float:
        chosen = range(start := next(at), start + part)
        taken, theirs = seconds(looped, given, chosen)
        apart = (np.abs(theirs[name] - found[name][:, list(chosen)]).max() for name in theirs)
        differences.append(float(max(apart)))
        return taken / part * resamples

    mine, theirs = turns.alternate(lambda: seconds(ours, given)[0], loop, times)
    assert max(differences) <= 1e-9, f"the two sides differ by {max(differences)}"
    ratios = [peer / our for our, peer in zip(mine, theirs, strict=True)]
    our_seconds, peer_seconds = statistics.median(mine), statistics.median(theirs)
    return {
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "n": times,
        "ours": {"seconds": our_seconds},
        "peer": {"seconds": peer_seconds},
        "ours_seconds": our_seconds,
        "peer_seconds": peer_seconds,
        "peer_measured_resamples": times * part,
        "largest_difference": max(differences),
        "work": f"{len(given.scores)} scores x {len(given.quality)} cases x {resamples} resamples "
        f"x {len(found)} metrics",
        "peer_is": "SciPy, scikit-learn and NumPy in a loop over resamples and scores, measured in "
        f"{times * part} resamples",
    }

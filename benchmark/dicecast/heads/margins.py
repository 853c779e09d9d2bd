"""The margin by which intervals must be widened to hold a stated share of new cases."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dicecast.errors import DicecastError

Floats = NDArray[np.float64]


def conformal_margin(nonconformity: Floats, level: float) -> float:
    """Return the ``ceil((n + 1) level)``-th smallest of n nonconformity scores.

    A new score that is exchangeable with these is at most that with probability ``level`` or more,
    and with at most ``level + 1 / (n + 1)`` where no two are equal.

    Args:
        nonconformity: ``(n,)``, of cases that nothing was fitted on.
        level: The share aimed at, in (0, 1).

    Raises:
        DicecastError: n is so small that no score is large enough.

    Source:
        Papadopoulos et al. 2002 (ECML 13:345); Lei et al. 2018 (JASA 113:1094), theorem 2.2.

    Example:
        >>> conformal_margin(np.arange(1.0, 20.0), level=0.9)
        18.0
    """
    needed = least_cases(level)
    if len(nonconformity) < needed:
        raise DicecastError(
            f"A conformal interval of level {level:g} needs at least {needed} cases to calibrate "
            f"on; got {len(nonconformity)}. Give the quality role more cases, set a lower level or "
            "a higher calibration."
        )
    return float(np.sort(nonconformity)[_rank(len(nonconformity), level) - 1])


def least_cases(level: float) -> int:
    """Return the least n with ``ceil((n + 1) level) <= n``.

    Example:
        >>> least_cases(0.9), least_cases(0.95)
        (9, 19)
    """
    # Found from below, because rounding can be off by one to either side.
    number = max(1, math.floor(level / (1.0 - level)) - 1)
    while _rank(number, level) > number:
        number += 1
    return number


def widened(low: Floats, high: Floats, margin: float) -> Floats:
    """Return the intervals ``[low - margin, high + margin]`` in [0, 1], ``(cases, 2)``.

    A negative margin narrows; where the ends would cross, both are the middle.

    Args:
        low: ``(cases,)``.
        high: ``(cases,)``; where it is below ``low`` the two are exchanged.
        margin: In units of the quality.
    """
    ends = np.sort(np.stack([low, high], axis=1), axis=1) + np.array([-margin, margin])
    crossed = ends[:, 0] > ends[:, 1]
    ends[crossed] = ends[crossed].mean(axis=1, keepdims=True)
    return np.asarray(np.clip(ends, 0.0, 1.0))


def _rank(cases: int, level: float) -> int:
    # Rounded, so that 0.55 x 20 is 11 and not a little more.
    return math.ceil(round((cases + 1) * level, 9))

"""A paired bootstrap over groups of cases: how far a number depends on who was in the test set.

Cases of one patient are not independent, so whole groups are drawn. One table of counts serves
every row of a leaderboard, so that two rows are compared on the same resampled patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

UNDEFINED_ALLOWED = 0.05
"""The largest share of undefined resamples with which an interval is still given."""


class Interval(NamedTuple):
    """A percentile interval.

    Attributes:
        low: Lower end; NaN where too many resamples are undefined.
        high: Upper end, likewise.
        undefined: How many resamples were NaN and left out.
    """

    low: float
    high: float
    undefined: int


def resample_counts(groups: Sequence[str], resamples: int, seed: int) -> Counts:
    """Draw groups with replacement and say how often each case is then present.

    Args:
        groups: The group (patient) of each case.
        resamples: How many resamples to draw.
        seed: Decides the draws, together with the set of group names; the order of the cases
            and the sizes of the groups do not matter.

    Returns:
        ``(resamples, cases)``, int64: as many groups are drawn as there are, and a case has the
        count of its group. The first rows stay the same if more resamples are asked for.

    Source:
        Davison and Hinkley 1997, "Bootstrap methods and their application", section 3.8.

    Example:
        >>> counts = resample_counts(["a", "b", "a"], resamples=100, seed=0)
        >>> counts.shape, bool((counts[:, 0] == counts[:, 2]).all())
        ((100, 3), True)
    """
    names, group_of_case = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(names) == 0:
        return np.zeros((resamples, 0), dtype=np.int64)
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = generator.integers(len(names), size=(resamples, len(names)))
    # Each resample counts in bins of its own, so that one bincount serves all.
    drawn += np.arange(resamples)[:, np.newaxis] * len(names)
    counts = np.bincount(drawn.ravel(), minlength=resamples * len(names))
    return counts.reshape(resamples, len(names))[:, group_of_case]


def interval(samples: Floats, level: float = 0.95) -> Interval:
    """Return the percentile interval of a bootstrapped number.

    Args:
        samples: ``(resamples,)``, the number in each resample, NaN where undefined.
        level: Coverage aimed at, in (0, 1).

    Returns:
        The interval of the defined resamples; its ends are NaN where more than 5 % are
        undefined or there is none.

    Raises:
        ValueError: ``level`` is not between 0 and 1.

    Source:
        Efron and Tibshirani 1993, "An introduction to the bootstrap", chapter 13.

    Example:
        >>> interval(np.arange(101.0), level=0.5)
        Interval(low=25.0, high=75.0, undefined=0)
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"The level must be between 0 and 1, such as 0.95; got {level}.")
    defined = samples[~np.isnan(samples)]
    undefined = len(samples) - len(defined)
    if len(defined) == 0 or undefined > UNDEFINED_ALLOWED * len(samples):
        return Interval(float("nan"), float("nan"), undefined)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), undefined)


def paired_difference(
    samples_a: Floats, samples_b: Floats, level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of ``a - b``, resample by resample.

    Args:
        samples_a: ``(resamples,)``, from the counts that also gave ``samples_b``.
        samples_b: ``(resamples,)``.
        level: Coverage aimed at, in (0, 1).

    Returns:
        Low and high end; NaN under the rule of :func:`interval`. Rows whose interval excludes
        0 differ at this level.

    Raises:
        ValueError: The two are not of one length, or ``level`` is not between 0 and 1.

    Example:
        >>> paired_difference(np.array([2.0, 5.0]), np.array([1.0, 4.0]))
        (1.0, 1.0)
    """
    if samples_a.shape != samples_b.shape:
        raise ValueError(
            "Paired samples come from the same resamples, so their shapes must agree; "
            f"got {samples_a.shape} and {samples_b.shape}."
        )
    low, high, _ = interval(samples_a - samples_b, level)
    return low, high

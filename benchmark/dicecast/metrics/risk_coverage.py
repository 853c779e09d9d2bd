"""Areas under the risk-coverage curve: what remains wrong when the least trusted cases go.

The risk of a case is 1 - quality. Cases are accepted from the highest score down; tied cases
are accepted together, so no result depends on the order of the cases. Every area needs two
cases, since one alone cannot be ranked.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class RiskCoverage(NamedTuple):
    """One point for each distinct score, from the highest down, each ``(distinct,)``.

    Attributes:
        coverage: Share of the cases accepted, rising to 1.
        selective_risk: Mean risk of the accepted cases, in [0, 1].
        generalised_risk: Summed risk of the accepted cases over the number of all, in [0, 1].
    """

    coverage: Floats
    selective_risk: Floats
    generalised_risk: Floats


def risk_coverage_curve(score: Floats, quality: Floats) -> RiskCoverage:
    """Return coverage and risk at every distinct threshold on the score.

    Args:
        score: ``(cases,)``, high where good.
        quality: ``(cases,)`` in [0, 1].

    Returns:
        The curve; empty without a case.

    Source:
        Geifman and El-Yaniv 2017, "Selective classification for deep neural networks";
        generalised risk: Traub et al. 2024, "Overcoming common flaws in the evaluation of
        selective classification systems".

    Example:
        >>> curve = risk_coverage_curve(np.array([3.0, 2.0, 2.0]), np.array([1.0, 1.0, 0.4]))
        >>> curve.selective_risk.round(3).tolist()
        [0.0, 0.2]
    """
    # Within ties by quality, so that even the rounding is that of any other order.
    order = np.lexsort((quality, -score))
    last_of_ties = np.diff(score[order], append=-np.inf) != 0
    accepted = np.flatnonzero(last_of_ties) + 1
    risk = np.cumsum(1.0 - quality[order])[last_of_ties]
    return RiskCoverage(accepted / max(len(score), 1), risk / accepted, risk / max(len(score), 1))


def aurc(score: Floats, quality: Floats) -> float:
    """Return the area under selective risk over coverage; lower is better.

    Trapezoid over the distinct thresholds, extended horizontally to coverage 0.

    Args:
        score: ``(cases,)``, high where good.
        quality: ``(cases,)`` in [0, 1].

    Returns:
        A value in [0, 1]; the mean risk for a constant score. NaN below two cases.

    Source:
        Geifman et al. 2019, "Bias-reduced uncertainty estimation for deep neural classifiers".

    Example:
        >>> round(aurc(np.array([3.0, 2.0, 1.0]), np.array([1.0, 1.0, 0.0])), 6)
        0.055556
    """
    if len(score) < 2:
        return float("nan")
    curve = risk_coverage_curve(score, quality)
    coverage = np.concatenate(([0.0], curve.coverage))
    risk = np.concatenate((curve.selective_risk[:1], curve.selective_risk))
    return float(np.trapezoid(risk, coverage))


def e_aurc(score: Floats, quality: Floats) -> float:
    """Return the excess of :func:`aurc` over that of the quality itself as the score.

    Arguments are those of :func:`aurc`.

    Returns:
        0 for a perfect ranking, above 0 for any other without ties. A score with many ties can
        fall below 0, since the trapezoid is too low across a wide tie; ``augrc`` is exact there.
        NaN below two cases.

    Source:
        Geifman et al. 2019, with the optimum integrated like the score, not in closed form.
    """
    return aurc(score, quality) - aurc(quality, quality)


def ause(score: Floats, quality: Floats) -> float:
    """Return the area under the sparsification error: mean risk kept, less that of the best order.

    Over the share of cases referred to a human, in units of the mean risk of all cases, so that
    estimators whose segmentations differ in quality can be compared.

    Arguments are those of :func:`aurc`.

    Returns:
        :func:`e_aurc` over the mean risk, since the area over what is referred is that over what is
        kept: 0 for a perfect ranking. NaN where no case has a risk or below two cases.

    Source:
        Ilg et al. 2018, "Uncertainty estimates and multi-hypotheses networks for optical flow",
        integrated over the distinct scores instead of a grid.
    """
    if len(quality) < 2 or not np.any(quality < 1.0):
        return float("nan")
    return e_aurc(score, quality) / aurc(np.zeros_like(quality), quality)


def naurc(score: Floats, quality: Floats) -> float:
    """Return how much of the way from a random to a perfect ranking the score goes.

    Arguments are those of :func:`aurc`.

    Returns:
        ``(mean risk - AURC) / (mean risk - best AURC)``: 1 for a perfect ranking, 0 for a
        constant score, negative for worse; above 1 where ``e_aurc`` is below 0. NaN where all
        risks are equal or below two cases.

    Source:
        Zenk et al. 2025, "Comparative benchmarking of failure detection methods in medical
        image segmentation".
    """
    if len(quality) < 2 or np.ptp(quality) == 0:
        return float("nan")
    random, best = aurc(np.zeros_like(quality), quality), aurc(quality, quality)
    # Unequal risks may still differ too little for their areas to differ.
    return (random - aurc(score, quality)) / (random - best) if best < random else float("nan")


def augrc(score: Floats, quality: Floats) -> float:
    """Return the area under generalised risk over coverage; lower is better.

    Trapezoid over the distinct thresholds and the point (0, 0).

    Arguments are those of :func:`aurc`.

    Returns:
        A value in [0, 0.5]; half the mean risk for a constant score. NaN below two cases.

    Source:
        Traub et al. 2024, "Overcoming common flaws in the evaluation of selective
        classification systems".

    Example:
        >>> round(augrc(np.array([3.0, 2.0, 1.0]), np.array([1.0, 1.0, 0.0])), 6)
        0.055556
    """
    if len(score) < 2:
        return float("nan")
    curve = risk_coverage_curve(score, quality)
    coverage = np.concatenate(([0.0], curve.coverage))
    return float(np.trapezoid(np.concatenate(([0.0], curve.generalised_risk)), coverage))


def e_augrc(score: Floats, quality: Floats) -> float:
    """Return the excess of :func:`augrc` over that of the quality itself as the score.

    Arguments are those of :func:`aurc`.

    Returns:
        0 for a perfect ranking, above 0 for any other; NaN below two cases.

    Source:
        Traub et al. 2024, as :func:`augrc`.
    """
    return augrc(score, quality) - augrc(quality, quality)

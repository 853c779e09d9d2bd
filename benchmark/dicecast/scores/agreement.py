"""Quality scores that read the masks of the draws, or the probabilities, instead of a map."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.estimation.prediction import Agreement, Prediction
from dicecast.scores.arithmetic import PerCase, ratio, row_mean

Places: TypeAlias = NDArray[np.intp]
PerPair: TypeAlias = NDArray[np.float64]
AgreementScore: TypeAlias = Callable[[Agreement], PerCase]
ProbabilityScore: TypeAlias = Callable[[Prediction], PerCase]

NEEDS_DRAWS = "needs at least 2 draws"
"""Why the scores of AGREEMENT_SCORES are undefined for an estimator of a single draw."""

NEEDS_ORDER = "needs draws that have an order, such as the depths of one network"
"""Why the scores of ORDERED_SCORES are undefined for an estimator whose draws have none."""

AGREEMENT_SCORES: dict[str, AgreementScore] = {}
"""Scores of the agreement of draws by name: ``(cases,)``, high where good."""

ORDERED_SCORES: set[str] = set()
"""Those of AGREEMENT_SCORES that depend on the order of the draws."""

PROBABILITY_SCORES: dict[str, ProbabilityScore] = {}
"""Scores of the mean probabilities by name: ``(cases,)``, high where good."""


def agreement_score(function: AgreementScore) -> AgreementScore:
    """Register a score of the draws' agreement under the name of its function."""
    AGREEMENT_SCORES[function.__name__] = function
    return function


def ordered_agreement_score(function: AgreementScore) -> AgreementScore:
    """Register a score of the agreement of draws that have an order."""
    ORDERED_SCORES.add(function.__name__)
    return agreement_score(function)


def probability_score(function: ProbabilityScore) -> ProbabilityScore:
    """Register a score of the mean probabilities under the name of its function."""
    PROBABILITY_SCORES[function.__name__] = function
    return function


@agreement_score
def pairwise_dice(agreement: Agreement) -> PerCase:
    """Mean Dice between the masks of every two draws.

    Over the K (K - 1) / 2 pairs, then over the foreground classes. Two masks that both lack the
    class agree fully (1).

    Args:
        agreement: Of at least 2 draws.

    Returns:
        ``(cases,)``, in [0, 1].

    Source:
        Roy et al. 2019 (NeuroImage 195:11); Zenk et al. 2025 (MedIA 101:103392).
    """
    shared, volume = _of_pairs(agreement, *_every_pair(agreement))
    return row_mean(ratio(2 * shared, volume, empty=1.0).mean(axis=2))


@agreement_score
def generalised_pairwise_dice(agreement: Agreement) -> PerCase:
    """Mean generalised Dice between the masks of every two draws: small classes count as large.

    For a pair ``2 sum_c(w_c shared_c) / sum_c(w_c volume_c)`` over the foreground classes, with
    ``w_c = 1 / volume_c^2`` and the class's volume in both masks together. A class that both lack
    is left out; two masks without any foreground agree fully (1). Equals ``pairwise_dice`` for one
    foreground class.

    Args:
        agreement: Of at least 2 draws.

    Returns:
        ``(cases,)``, in [0, 1].

    Source:
        Crum et al. 2006 (IEEE TMI 25:1451); square weights by Sudre et al. 2017 (arXiv 1707.03237);
        for pairs of draws Zenk et al. 2025 (MedIA 101:103392). Departs in the weights, which are
        taken from both masks and not from one of them, so that the pair has no order.
    """
    shared, volume = _of_pairs(agreement, *_every_pair(agreement))
    weighted = ratio(shared, volume**2, empty=0.0).sum(axis=1)
    total = ratio(np.ones_like(volume), volume, empty=0.0).sum(axis=1)
    return row_mean(ratio(2 * weighted, total, empty=1.0))


@agreement_score
def dice_to_consensus(agreement: Agreement) -> PerCase:
    """Mean Dice between the mask of each draw and the mask of the mean probabilities.

    Then the mean over the foreground classes. Two masks that both lack the class agree fully (1).

    Args:
        agreement: Of at least 2 draws.

    Returns:
        ``(cases,)``, in [0, 1].

    Source:
        The agreement of each sample with the segmentation that is reported: Roy et al. 2019
        (NeuroImage 195:11) have it between samples.
    """
    volume = _volumes(agreement) + agreement.consensus_volume[..., None]
    dice = ratio(2 * agreement.with_consensus.astype(np.float64), volume, empty=1.0)
    return row_mean(dice.mean(axis=2))


@ordered_agreement_score
def area_under_layer_agreement(agreement: Agreement) -> PerCase:
    """Area under the curve of the Dice between consecutive draws (AULA), mean over classes.

    By the trapezoidal rule with one draw as the unit: a network that has made up its mind at an
    early depth has a large area. Two masks that both lack a class agree fully (1).

    Args:
        agreement: Of draws in order.

    Returns:
        ``(cases,)``, in [0, draws - 2], so compare equal numbers; NaN below 3 draws.

    Source:
        Kushibar et al. 2022 (arXiv 2203.08878).
    """
    draws = agreement.overlap.shape[-1]
    if draws < 3:
        return np.full(len(agreement.overlap), np.nan)
    shared, volume = _of_pairs(agreement, np.arange(draws - 1), np.arange(1, draws))
    dice = ratio(2 * shared, volume, empty=1.0).mean(axis=1)
    return np.asarray(np.trapezoid(dice, axis=1))


@agreement_score
def iou_of_draws(agreement: Agreement) -> PerCase:
    """Pixels that all draws segment, as a share of those that any draw segments.

    Mean over the foreground classes; 1 for a class that no draw segments.

    Args:
        agreement: Of at least 2 draws.

    Returns:
        ``(cases,)``, in [0, 1]. Falls with the number of draws, so compare equal numbers.

    Source:
        Roy et al. 2019 (NeuroImage 195:11), structure-wise IoU.
    """
    shares = ratio(agreement.intersection, agreement.union, empty=1.0)
    return row_mean(shares)


@agreement_score
def volume_variation(agreement: Agreement) -> PerCase:
    """How little the segmented volume varies between draws: its coefficient of variation, negated.

    Population standard deviation over mean, then mean over the foreground classes that at least
    one draw segments.

    Args:
        agreement: Of at least 2 draws.

    Returns:
        ``(cases,)``, at most 0; NaN where no draw segments anything (0/0).

    Source:
        Roy et al. 2019 (NeuroImage 195:11); Wang et al. 2019 (Neurocomputing 338:34).
    """
    volumes = _volumes(agreement)
    variation = ratio(volumes.std(axis=-1), volumes.mean(axis=-1), empty=0.0)
    segmented = volumes.any(axis=-1)
    return 0.0 - ratio(variation.sum(axis=1), segmented.sum(axis=1), empty=np.nan)


@probability_score
def expected_dice(prediction: Prediction) -> PerCase:
    """Soft Dice between the mean probabilities and the mask made from them.

    For each foreground class ``2 sum(p m) / (sum(p) + sum(m))``, then the mean over classes: near
    the Dice to expect if the probabilities were right. A class without any probability counts as
    1. An empty mask against any probability at all counts as 0: whether the truth is empty too
    cannot be read from probabilities of single pixels.

    Args:
        prediction: A batch of cases, of any number of draws.

    Returns:
        ``(cases,)``, in [0, 1].

    Source:
        The definition is this project's; a stand-in for the mean Dice over draws of the truth.
    """
    cases, _, _, classes = prediction.mean_probabilities.shape
    pixels = prediction.mask[0].size if cases else 0
    scores = np.zeros((cases, classes - 1))
    for index in range(1, classes):
        inside = (prediction.mask == index).reshape(cases, pixels)
        probability = prediction.mean_probabilities[..., index].astype(np.float64)
        probability = probability.reshape(cases, pixels)
        total = probability.sum(axis=1) + inside.sum(axis=1)
        scores[:, index - 1] = ratio(2 * (probability * inside).sum(axis=1), total, empty=1.0)
    return row_mean(scores)


def draw_scores(prediction: Prediction) -> pd.DataFrame:
    """Return every score of this module that the prediction defines; high where good.

    Returns:
        One row a case, one column a score, float64. Scores in ``undefined_scores`` are absent.
    """
    columns = {name: score(prediction) for name, score in PROBABILITY_SCORES.items()}
    undefined = undefined_scores(prediction.agreement)
    for name, score in AGREEMENT_SCORES.items():
        if name not in undefined and prediction.agreement is not None:
            columns[name] = score(prediction.agreement)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(prediction.mask)))


def undefined_scores(agreement: Agreement | None) -> dict[str, str]:
    """Return, by name, why a score of the agreement has no column."""
    draws = 1 if agreement is None else agreement.overlap.shape[-1]
    return undefined_for(draws, ordered=agreement is not None and agreement.ordered)


def undefined_for(draws: int, ordered: bool) -> dict[str, str]:
    """Return, by name, why a score of the agreement of such draws is undefined.

    Args:
        draws: How many.
        ordered: Whether they have an order.
    """
    if draws < 2:
        return dict.fromkeys(AGREEMENT_SCORES, NEEDS_DRAWS)
    return {} if ordered else dict.fromkeys(sorted(ORDERED_SCORES), NEEDS_ORDER)


def _every_pair(agreement: Agreement) -> tuple[Places, Places]:
    first, second = np.triu_indices(agreement.overlap.shape[-1], k=1)
    return first, second


def _of_pairs(agreement: Agreement, first: Places, second: Places) -> tuple[PerPair, PerPair]:
    """Return the pixels that both draws of each pair have, and the sum of their volumes.

    Both ``(cases, classes - 1, pairs)``.
    """
    volumes = _volumes(agreement)
    shared = agreement.overlap[..., first, second].astype(np.float64)
    return shared, volumes[..., first] + volumes[..., second]


def _volumes(agreement: Agreement) -> PerCase:
    diagonal = np.diagonal(agreement.overlap, axis1=-2, axis2=-1)
    return np.ascontiguousarray(diagonal, dtype=np.float64)

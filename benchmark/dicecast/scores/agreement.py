"""Quality scores that read the masks of the draws, or the probabilities, instead of a map."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pandas as pd

from dicecast.estimation.prediction import Agreement, Prediction
from dicecast.scores.arithmetic import PerCase, ratio, row_mean

AgreementScore: TypeAlias = Callable[[Agreement], PerCase]
ProbabilityScore: TypeAlias = Callable[[Prediction], PerCase]

NEEDS_DRAWS = "needs at least 2 draws"
"""Why the scores of AGREEMENT_SCORES are undefined for an estimator of a single draw."""

AGREEMENT_SCORES: dict[str, AgreementScore] = {}
"""Scores of the agreement of draws by name: ``(cases,)``, high where good."""

PROBABILITY_SCORES: dict[str, ProbabilityScore] = {}
"""Scores of the mean probabilities by name: ``(cases,)``, high where good."""


def agreement_score(function: AgreementScore) -> AgreementScore:
    """Register a score of the draws' agreement under the name of its function."""
    AGREEMENT_SCORES[function.__name__] = function
    return function


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
    overlap = agreement.overlap.astype(np.float64)
    first, second = np.triu_indices(overlap.shape[-1], k=1)
    volumes = _volumes(agreement)
    dice = ratio(
        2 * overlap[..., first, second], volumes[..., first] + volumes[..., second], empty=1.0
    )
    return row_mean(dice.mean(axis=2))


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
    undefined = undefined_scores(prediction)
    for name, score in AGREEMENT_SCORES.items():
        if name not in undefined and prediction.agreement is not None:
            columns[name] = score(prediction.agreement)
    return pd.DataFrame(columns, index=pd.RangeIndex(len(prediction.mask)))


def undefined_scores(prediction: Prediction) -> dict[str, str]:
    """Return, by name, why a score has no column for this prediction."""
    agreement = prediction.agreement
    if agreement is not None and agreement.overlap.shape[-1] >= 2:
        return {}
    return dict.fromkeys(AGREEMENT_SCORES, NEEDS_DRAWS)


def _volumes(agreement: Agreement) -> PerCase:
    diagonal = np.diagonal(agreement.overlap, axis1=-2, axis2=-1)
    return np.ascontiguousarray(diagonal, dtype=np.float64)

"""Examples cut by patient: no patient is on both sides of a cut."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from dicecast.errors import DicecastError
from dicecast.heads.contract import Examples
from dicecast.stacks import select

Rows = NDArray[np.intp]


def patient_folds(head: str, groups: Collection[str], folds: int) -> list[tuple[Rows, Rows]]:
    """Return the rows to fit on and the rows to predict, for each fold; patients are in one.

    Args:
        head: Its name, or of the setting that asks for folds, for the message.
        groups: The patient of each case.
        folds: How many; the folds have about equal numbers of cases.

    Raises:
        DicecastError: There are fewer patients than folds.
    """
    patients = len(set(groups))
    if patients < folds:
        raise DicecastError(
            f"{head} predicts out of fold in {folds} folds of patients, so it needs as many; got "
            f"{patients}. Give it cases of more patients, or set fewer folds."
        )
    names = np.asarray(list(groups))
    return list(GroupKFold(folds).split(names, groups=names))


def patient_cut(groups: Collection[str], share: float, seed: int) -> NDArray[np.bool_]:
    """Return which cases are of a random share of the patients, ``(cases,)``.

    Args:
        groups: The patient of each case.
        share: Of the patients, rounded, in (0, 1); one patient at least is not of them.
        seed: Decides, with the set of patients; neither the order nor the number of cases matters.
    """
    patients = sorted(set(groups))
    number = min(round(share * len(patients)), len(patients) - 1)
    drawn = np.random.default_rng(seed).permutation(patients)[:number]
    return np.isin(list(groups), drawn)


def examples_at(examples: Examples, chosen: NDArray[np.bool_]) -> Examples:
    """Return the examples of some patients; nothing of pixels is read.

    Args:
        examples: Any.
        chosen: ``(cases,)``, the same for all cases of a patient.
    """
    groups = np.asarray(list(examples.groups))
    patients = set(groups[chosen].tolist())
    evidence = examples.evidence
    features = evidence.features
    return dataclasses.replace(
        examples,
        evidence=dataclasses.replace(
            evidence,
            images=select(evidence.images, chosen),
            masks=select(evidence.masks, chosen),
            uncertainty=select(evidence.uncertainty, chosen),
            scores=evidence.scores[chosen].reset_index(drop=True),
            mask_shape=evidence.mask_shape[chosen].reset_index(drop=True),
            features=None if features is None else select(features, chosen),
        ),
        quality=examples.quality[chosen],
        truth=select(examples.truth, chosen),
        groups=groups[chosen].tolist(),
        folds=tuple(
            examples_at(fold, np.isin(list(fold.groups), list(patients))) for fold in examples.folds
        ),
    )

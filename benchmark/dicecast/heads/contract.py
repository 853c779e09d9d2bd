"""The contract of a quality head: what it sees, what it learns from, what it returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.data.cases import Cases
from dicecast.metrics.targets import MEAN_DICE, QualityTarget
from dicecast.stacks import Stack, select


@dataclass(frozen=True)
class Evidence:
    """What is known of segmented cases without their truth; one row a case in every field.

    What a fitted head predicts from is in memory: ordinary arrays of a limited number of cases.
    What a head is fitted on may be too large for that: index its stacks, or ``take`` a batch.

    Attributes:
        images: ``(cases, height, width, channels)``, uint8.
        masks: Predicted masks, ``(cases, height, width)``, uint8 class indices.
        uncertainty: The estimator's own map, ``(cases, height, width)``, float32, high where
            unsure, in [0, 1].
        scores: One column a score (``predictive_entropy/mean``, ``pairwise_dice``, ...), high
            where good. A score that the estimator does not define has no column; one that is
            undefined for a case is NaN there.
        mask_shape: One column a shape feature of the predicted mask (volume, components, ...).
        num_classes: How many classes, background included.
        features: ``(cases, features)``, float32, the estimator's backbone's own description of
            each image (mean activations of its deepest block), computed when rows are first asked
            for; None where the estimator has none.
    """

    images: Stack[np.uint8]
    masks: Stack[np.uint8]
    uncertainty: Stack[np.float32]
    scores: pd.DataFrame
    mask_shape: pd.DataFrame
    num_classes: int
    features: Stack[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: slice | NDArray[np.intp]) -> Evidence:
        """Return the evidence of the cases at ``rows``, read into memory (but for features)."""
        return Evidence(
            self.images[rows],
            self.masks[rows],
            self.uncertainty[rows],
            self.scores.iloc[rows].reset_index(drop=True),
            self.mask_shape.iloc[rows].reset_index(drop=True),
            self.num_classes,
            None if self.features is None else select(self.features, rows),
        )


@dataclass(frozen=True)
class Examples:
    """Segmented cases whose quality is known; what a head is fitted on. Never of the test role.

    Of the quality role, or out of fold: of the training role, each predicted by an estimator that
    was fitted without its patient.

    Attributes:
        evidence: What a head will see of a case.
        quality: The true quality of each predicted mask, ``(cases,)``, in [0, 1]: the Dice, or
            what else the suite's target is.
        truth: The true masks, ``(cases, height, width)``, uint8.
        groups: The patient of each case; a head that splits its examples splits by these.
        reference: The training role, for heads that compare with known cases.
        reference_features: The features of ``reference``; see ``Evidence.features``.
        folds: Where the examples are out-of-fold predictions of the training role, the same
            examples apart, each fold with the cases and features that its estimator was fitted on.
        target: What ``quality`` measures, for heads that change a mask and measure it again.
    """

    evidence: Evidence
    quality: NDArray[np.float64]
    truth: Stack[np.uint8]
    groups: Sequence[str]
    reference: Cases
    reference_features: Stack[np.float32] | None = None
    folds: tuple[Examples, ...] = ()
    target: QualityTarget = MEAN_DICE

    @property
    def parts(self) -> tuple[Examples, ...]:
        """The examples in parts within which a case can be compared with ``reference``.

        The estimators of two folds have features of their own, and what is an example of one fold
        is a reference of the others: a head that compares goes through these.
        """
        return self.folds or (self,)


class FittedHead(Protocol):
    """A fitted quality head."""

    def predict(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the predicted quality of each case, ``(cases,)``, high where good.

        Each case is predicted from its own evidence alone, so that cases may come in any batches.
        """
        ...


@runtime_checkable
class IntervalHead(FittedHead, Protocol):
    """A fitted head that also says how far off it may be.

    Whatever has these is taken for one; nothing needs to be derived or declared.
    """

    @property
    def level(self) -> float:
        """The share of new cases whose true quality the intervals are meant to hold, in (0, 1)."""
        ...

    def predict_interval(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the lower and the upper end of each case's interval, ``(cases, 2)``."""
        ...


class QualityHead(Protocol):
    """A frozen dataclass whose fields are the head's settings, registered with @register_head."""

    @property
    def score_name(self) -> str:
        """The name of the head's row in the leaderboard, such as ``two_stage/image+mask``."""
        ...

    def fit(self, examples: Examples, seed: int) -> FittedHead:
        """Fit the head on cases that its estimator was not fitted on.

        Raises:
            DicecastError: The examples do not allow a fit; the row is then undefined, for that
                reason.
        """
        ...

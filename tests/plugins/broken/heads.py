"""Heads that break one rule of the contract each."""

import gc
from dataclasses import dataclass

import numpy as np

from dicecast.heads.contract import Examples

BROKEN = {}
"""The class by the check that names its rule."""


def breaks(check):
    def decorate(cls):
        BROKEN[check] = cls
        return cls

    return decorate


@dataclass(frozen=True)
class Good:
    """Predicts the certainty of a case; what subclasses do wrong is in ``predict``."""

    @property
    def score_name(self):
        return "good"

    def fit(self, examples, seed):
        return self

    def predict(self, evidence):
        return 1.0 - np.asarray(evidence.uncertainty, np.float64).mean(axis=(1, 2))


@breaks("one_number")
class NotANumber(Good):
    """Is not defined for small masks, and says NaN."""

    def predict(self, evidence):
        values = super().predict(evidence)
        return np.where(np.arange(len(values)) % 2, np.nan, values)


@breaks("examples_untouched")
class FillsIn(Good):
    """Fills in undefined scores, in the table that everybody reads."""

    def fit(self, examples, seed):
        examples.evidence.scores["pairwise_dice"] = 0.0
        return self


@breaks("same_seed")
class ByChance(Good):
    """Fits with a generator without a seed."""

    def fit(self, examples, seed):
        return Shifted(float(np.random.default_rng().uniform(0.0, 0.3)))


@dataclass(frozen=True)
class Shifted(Good):
    """The certainty, less a number."""

    by: float = 0.0

    def predict(self, evidence):
        return np.clip(super().predict(evidence) - self.by, 0.0, 1.0)


@breaks("order")
class RanksByPlace(Good):
    """Breaks ties by the place in the batch."""

    def predict(self, evidence):
        return super().predict(evidence) - 1e-3 * np.arange(len(evidence))


@breaks("batch_size")
class RanksTheBatch(Good):
    """Predicts a case's rank among those that come with it."""

    def predict(self, evidence):
        values = super().predict(evidence)
        return (values[:, None] > values[None]).mean(axis=1)


@breaks("evidence_untouched")
class WritesIntoMasks(Good):
    """Erases what it has looked at."""

    def predict(self, evidence):
        values = super().predict(evidence)
        evidence.masks[:] = 0
        return values


@breaks("test_truth_unread")
class ReadsTheTruth(Good):
    """Looks for true masks among all objects of the process."""

    def predict(self, evidence):
        for found in gc.get_objects():
            if type(found) is Examples:
                np.asarray(found.truth).mean()
        return super().predict(evidence)


@breaks("worse_masks_lower")
class Reversed(Good):
    """Predicts the uncertainty instead of the quality."""

    def predict(self, evidence):
        return 1.0 - super().predict(evidence)


@breaks("intervals")
class CrossedInterval(Good):
    """Its lower ends are the upper ones."""

    level = 0.9

    def predict_interval(self, evidence):
        values = self.predict(evidence)
        return np.stack([values + 0.1, values - 0.1], axis=1)


@breaks("global_state_untouched")
class SeedsNumpy(Good):
    """Seeds the generator that everybody shares."""

    def fit(self, examples, seed):
        np.random.seed(seed)  # noqa: NPY002
        return self

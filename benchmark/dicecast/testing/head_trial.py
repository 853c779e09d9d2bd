"""A quality head on trial: planted segmentations, a fit, another fit, and predictions."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.data.cases import Cases
from dicecast.heads.contract import Evidence, Examples, QualityHead
from dicecast.metrics.quality import mean_dice
from dicecast.scores.mask_shape import mask_shape
from dicecast.testing.canary import Canary
from dicecast.testing.checks import Outcome
from dicecast.testing.global_state import Watch, watching

FITTED_ON, HELD_OUT, BATCH = 50, 48, 8


def planted(
    cases: int, classes: int = 2, size: tuple[int, int] = (16, 16), seed: int = 0
) -> Examples:
    """Return stripes of all classes, and masks of them of which more or fewer pixels are wrong.

    The uncertainty is higher at wrong pixels. Of the scores, one follows from the uncertainty, one
    is the quality itself but undefined for every ninth case, and one is noise.

    Args:
        cases: How many.
        classes: How many, background included.
        size: Height and width in pixels.
        seed: Decides everything.
    """
    rng, (height, width) = np.random.default_rng([seed, classes]), size
    edges = np.sort(rng.integers(2, width - 1, (cases, classes - 1)), axis=1)
    truth = (np.arange(width) >= edges[..., None]).sum(axis=1).astype(np.uint8)
    truth = np.repeat(truth[:, None], height, axis=1)
    wrong = rng.random(truth.shape) < rng.uniform(0, 0.5, (cases, 1, 1))
    masks = np.where(wrong, rng.integers(0, classes, truth.shape), truth).astype(np.uint8)
    images = (40 * truth[..., None] + rng.integers(0, 40, (*truth.shape, 3))).astype(np.uint8)
    uncertainty = (0.5 * wrong + 0.5 * rng.random(truth.shape)).astype(np.float32)
    quality = mean_dice(masks, truth, classes)
    scores = pd.DataFrame(
        {
            "predictive_entropy/mean": -uncertainty.mean(axis=(1, 2)).astype(np.float64),
            "pairwise_dice": np.where(np.arange(cases) % 9 == 0, np.nan, quality),
            "noise/mean": rng.normal(size=cases),
        }
    )
    features = rng.normal(size=(cases, 5)).astype(np.float32)
    shape = mask_shape(masks, classes)
    evidence = Evidence(images, masks, uncertainty, scores, shape, classes, features)
    names = [f"{seed}-{number}" for number in range(cases)]
    table = pd.DataFrame({"stem": names, "group": names, "domain": "in_distribution"})
    reference = Cases(table, images, truth)
    return Examples(evidence, quality, truth, names, reference, reference_features=features)


@dataclass(frozen=True)
class Fitted:
    """What came of one ``fit``, and what was noticed meanwhile.

    Attributes:
        head: What it returned.
        changed: Whether the examples are other than before.
        watch: The process-wide state before and after.
    """

    head: Any
    changed: bool
    watch: Watch


class HeadTrial:
    """A head, and what was seen of it so far.

    Args:
        head: Any.
        title: What a report calls it.
        classes: Of the cases that it is tried on.
        size: Their height and width.
        seed: Of its fits.
    """

    def __init__(
        self,
        head: QualityHead,
        title: str,
        classes: int = 2,
        size: tuple[int, int] = (16, 16),
        seed: int = 3,
    ) -> None:
        self.head, self.title, self.seed = head, title, seed
        self.outcomes: dict[str, Outcome] = {}
        self._fits = 0
        self.examples = planted(FITTED_ON, classes, size)
        known = planted(HELD_OUT, classes, size, seed=1)
        # The quality of these is in no object that their evidence leads to.
        self.quality = known.quality.copy()
        self.canary = Canary(known.truth)
        hidden = np.full(HELD_OUT, np.nan)
        self.held_out = dataclasses.replace(known, quality=hidden, truth=self.canary)

    @property
    def evidence(self) -> Evidence:
        """A copy of what the head predicts from: cases that it was not fitted on."""
        evidence = self.held_out.evidence.take(np.arange(HELD_OUT))
        defined = evidence.scores.assign(pairwise_dice=evidence.scores["pairwise_dice"].bfill())
        return dataclasses.replace(evidence, scores=defined)

    @cached_property
    def first(self) -> Fitted:
        """The first fit."""
        return self.fitted()

    @cached_property
    def again(self) -> Fitted:
        """A second fit under the same seed."""
        return self.fitted()

    def fitted(self) -> Fitted:
        """Fit, and put back what that moved."""
        expected = hash_of_examples(self.examples)
        self._fits += 1
        with watching(self._fits) as watch:
            head = self.head.fit(self.examples, self.seed)
        return Fitted(head, hash_of_examples(self.examples) != expected, watch)

    @cached_property
    def predicted(self) -> NDArray[Any]:
        """What the first fit predicts of all held-out cases at once."""
        return np.asarray(self.first.head.predict(self.evidence))


def hash_of_evidence(evidence: Evidence) -> str:
    """Return the SHA-256 of all pixels and columns."""
    digest = hashlib.sha256()
    for array in (evidence.images, evidence.masks, evidence.uncertainty):
        digest.update(np.ascontiguousarray(array).data)
    for table in (evidence.scores, evidence.mask_shape):
        digest.update(table.to_csv().encode())
    return digest.hexdigest()


def hash_of_examples(examples: Examples) -> str:
    """Return the SHA-256 of the evidence and of what is known of it."""
    digest = hashlib.sha256(hash_of_evidence(examples.evidence).encode())
    for array in (examples.quality, examples.truth):
        digest.update(np.ascontiguousarray(array).data)
    examples.reference.update_hash(digest)
    return digest.hexdigest()

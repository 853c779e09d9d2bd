"""A mask is good if what can be learned from it alone segments known cases well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from dicecast import register_head
from dicecast.errors import DicecastError
from dicecast.heads.comparison import FittedComparison, fit_comparison, required
from dicecast.heads.contract import Evidence, Examples
from dicecast.metrics.quality import dice
from dicecast.stacks import Stack

Pixels = NDArray[np.float32]
Mask = NDArray[np.uint8]

SIDE = 64
"""Larger images are thinned out to about so many pixels a side."""

RIDGE = 3e-3
"""Added to the variances of colours in [0, 1] and of places in [-1, 1]."""

KEPT = 512
"""Prepared references that are kept; the same ones are near to many cases."""


@register_head("reverse_classification_accuracy")
@dataclass(frozen=True)
class ReverseClassificationAccuracy:
    """Predicts Dice by training a classifier on the predicted mask and testing it on known cases.

    The image with its predicted mask is taken for the only labelled example. A classifier of
    pixels learns from it and segments training cases whose masks are known: a wrong mask teaches
    it wrong things, and its Dice there is low. The references are the training cases nearest in
    the features of the backbone.

    Source: Valindria et al. 2017 (IEEE TMI, arXiv 1702.03407). Theirs registers an atlas or trains
    a forest; this one is a Gaussian for each class (quadratic discriminant analysis) of a pixel's
    smoothed colour and place, which ranked better than registration by optical flow here, in less
    than a tenth of the time. They take the maximum over the references; for lesions, which have no
    common anatomy, the mean ranks better. The score becomes a Dice by isotonic regression on the
    examples.
    Cost: one pass of the encoder over all cases; then some 10 ms a case of 64 x 64 pixels.

    Attributes:
        references: How many training cases are segmented for each case.
        combine: What is taken of their Dice.
    """

    references: int = 16
    combine: Literal["mean", "maximum"] = "mean"

    def __post_init__(self) -> None:
        if self.references < 1:
            raise DicecastError(
                "reverse_classification_accuracy needs at least 1 reference; got references = "
                f"{self.references}."
            )

    @property
    def score_name(self) -> str:
        """The name of the head's row."""
        return f"reverse_classification_accuracy/{self.combine}"

    def fit(self, examples: Examples, seed: int) -> FittedComparison:
        """Compare the examples and fit the regression; ``seed`` changes nothing.

        Raises:
            DicecastError: The estimator has no features.
        """
        return fit_comparison(examples, lambda part: Reverse(self, part))


class Reference(NamedTuple):
    """A known case: its pixels as the classifier sees them, and its mask."""

    pixels: Pixels
    mask: Mask


class Reverse:
    """Segments references with what was learned from a predicted mask.

    Args:
        head: How many references, and what is taken of their Dice.
        known: The examples whose reference is segmented.
    """

    def __init__(self, head: ReverseClassificationAccuracy, known: Examples) -> None:
        count = min(head.references, len(known.reference))
        features = required(known.reference_features)
        self._scaler = StandardScaler().fit(features)
        self._nearest = NearestNeighbors(n_neighbors=count, algorithm="kd_tree")
        self._nearest.fit(self._scaler.transform(features))
        self._known = known
        self._combine = np.mean if head.combine == "mean" else np.max
        self._reference: Callable[[int], Reference] = lru_cache(KEPT)(self._read)

    def __call__(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the mean or maximum Dice over the references of each case, ``(cases,)``."""
        scaled = self._scaler.transform(required(evidence.features))
        near = self._nearest.kneighbors(scaled, return_distance=False)
        cases = zip(thinned(evidence.images), thinned(evidence.masks), near, strict=True)
        return np.array(
            [
                self._combine(self._accuracy(described(image), mask, rows, evidence.num_classes))
                for image, mask, rows in cases
            ]
        )

    def _accuracy(
        self, pixels: Pixels, mask: Mask, rows: NDArray[np.intp], num_classes: int
    ) -> NDArray[np.float64]:
        """Return the Dice of the classifier on each reference, ``(references,)``."""
        references = [self._reference(int(row)) for row in rows]
        found = segmented(pixels, mask, np.stack([known.pixels for known in references]))
        truth = np.stack([known.mask for known in references])
        accuracy: NDArray[np.float64] = dice(found, truth, num_classes).mean(axis=1)
        return accuracy

    def _read(self, row: int) -> Reference:
        one, known = slice(row, row + 1), self._known.reference
        return Reference(described(thinned(known.images[one])[0]), thinned(known.masks[one])[0])


def thinned(stack: Stack[np.uint8]) -> NDArray[np.uint8]:
    """Return every n-th row and column of each image, so that about ``SIDE`` are left."""
    step = max(1, round(max(stack.shape[1:3]) / SIDE))
    return np.asarray(stack)[:, ::step, ::step]


def described(image: NDArray[np.uint8]) -> Pixels:
    """Return what the classifier sees of each pixel, ``(height, width, channels + 4)``.

    Its colour, smoothed over a 64th of the image, and its place with squares, of which a Gaussian
    makes a rounded region.
    """
    sigma = max(image.shape[:2]) / SIDE
    colour = gaussian_filter(np.asarray(image, np.float32) / 255.0, (sigma, sigma, 0.0))
    axes = [np.linspace(-1.0, 1.0, side, dtype=np.float32) for side in image.shape[:2]]
    place = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return np.concatenate([colour, place, place**2], axis=-1)


def segmented(pixels: Pixels, mask: Mask, others: Pixels) -> Mask:
    """Return the most probable class of each pixel of other images, as learned from one mask.

    Quadratic discriminant analysis: a Gaussian with a covariance of its own for each class, weighed
    by how frequent it is. A class that the mask does not have is not found either.

    Args:
        pixels: ``(height, width, features)``.
        mask: ``(height, width)``, class indices.
        others: ``(images, height, width, features)``.
    """
    classes = np.unique(mask)
    fits = [_log_density(pixels[mask == index], mask.size, others) for index in classes]
    found: Mask = classes[np.argmax(fits, axis=0)]
    return found


def _log_density(learned: Pixels, total: int, others: Pixels) -> NDArray[np.float32]:
    """Return the log of the share and the Gaussian of a class, but for a constant."""
    mean = learned.mean(axis=0)
    centred = learned - mean
    covariance = centred.T @ centred / len(learned) + RIDGE * np.eye(len(mean), dtype=np.float32)
    # The covariance is L L', so distances are lengths after multiplication by the inverse of L.
    factor = np.linalg.cholesky(covariance)
    whitened = (others - mean) @ np.linalg.inv(factor).T
    density: NDArray[np.float32] = (
        np.float32(np.log(len(learned) / total))
        - np.log(np.diag(factor)).sum()
        - 0.5 * np.square(whitened).sum(axis=-1)
    )
    return density

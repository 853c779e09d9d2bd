"""Contours of lesions, in polar coordinates, for datasets that are made and not downloaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dicecast.data.rendering import Array, Waves, each, polar, to_distance, uniform


@dataclass(frozen=True)
class Outline:
    """The latent contour of each lesion, in polar coordinates around its centre.

    Attributes:
        centre: ``(cases, 2)``, row and column in half short sides.
        radius: ``(cases,)``, mean radius in half short sides.
        stretch: ``(cases,)``, long axis over short axis.
        angle: ``(cases,)``, direction of the long axis, radians.
        amplitude: ``(cases, harmonics)``, size of the Fourier terms, as a share of the radius.
        phase: ``(cases, harmonics)``, radians.
        kind: ``(cases,)``, which unseen shape: ring, crescent, star, lobes.
        strength: How far the outline is from those of the training cases; 0 is not at all.
    """

    centre: Array
    radius: Array
    stretch: Array
    angle: Array
    amplitude: Array
    phase: Array
    kind: NDArray[np.intp]
    strength: int = 0

    @classmethod
    def draw(cls, rng: np.random.Generator, cases: int) -> Outline:
        """Return outlines like those of ordinary lesions: lobed blobs, mostly inside the image."""
        radius = uniform(rng, 0.22, 0.66, cases)
        harmonics = np.arange(2, 8, dtype=np.float32)
        roughness = uniform(rng, 0.05, 0.32, cases)[:, None]
        return cls(
            centre=uniform(rng, -1, 1, cases, 2) * _room(radius),
            radius=radius,
            stretch=uniform(rng, 1.0, 1.6, cases),
            angle=uniform(rng, 0, np.pi, cases),
            amplitude=roughness * uniform(rng, 0.3, 1, cases, 6) / harmonics,
            phase=uniform(rng, 0, 2 * np.pi, cases, 6),
            kind=rng.integers(0, 4, cases),
        )

    @property
    def reach(self) -> Array:
        """About how far the contour gets from its centre, ``(cases,)``, in half short sides."""
        return 1.2 * self.radius * np.sqrt(self.stretch)

    def at_least(self, radius: float) -> Outline:
        """Return the outlines with small ones enlarged, and kept inside the image."""
        grown = np.maximum(self.radius, np.float32(radius))
        room = _room(grown)
        return replace(self, radius=grown, centre=np.clip(self.centre, -room, room))

    def distance(self, size: tuple[int, int]) -> Array:
        """Return the signed distance from the contour, positive inside, in half short sides."""
        apart, angle = polar(self.centre, size)
        angle = angle - each(self.angle)
        root = np.sqrt(each(self.stretch))
        along, across = apart * np.cos(angle) / root, apart * np.sin(angle) * root
        apart, angle = np.hypot(along, across), np.arctan2(across, along)
        edge = np.ones_like(apart)
        for term in range(self.amplitude.shape[1]):
            wave = np.cos((term + 2) * angle + each(self.phase[:, term]))
            edge += each(self.amplitude[:, term]) * wave
        edge *= each(self.radius)
        if self.strength == 0:
            return to_distance(edge - apart)
        beside = np.hypot(along - each(self.radius), across) / each(self.radius)
        return to_distance(self._unseen(edge, apart, angle, beside))

    def _unseen(self, edge: Array, apart: Array, angle: Array, beside: Array) -> Array:
        """Return the level of a ring, a crescent, a star or petals, by the case's kind."""
        extent = (self.strength - 0.5) / 2.5
        five_points = np.arccos(np.clip(np.cos(5 * angle), -1, 1)) / np.pi
        four_petals = 1 - np.abs(np.cos(2 * angle))
        shapes = [
            np.minimum(edge - apart, apart - (0.1 + 0.52 * extent) * edge),
            np.minimum(edge - apart, (beside - 0.2 - 0.8 * extent) * each(self.radius)),
            edge * (1.25 - (0.3 + 0.6 * extent) * five_points) - apart,
            edge * (1.1 - (0.2 + 0.65 * extent) * four_petals) - apart,
        ]
        chosen: Array = np.choose(self.kind[:, None, None], shapes)
        return chosen


def _room(radius: Array) -> Array:
    """Return how far from the image's centre a lesion of ``radius`` may lie, ``(cases, 1)``."""
    room: Array = np.float32(0.8) * np.maximum(0.88 - radius, 0.08)
    return room[:, None]


@dataclass(frozen=True)
class Rater:
    """How far a rater strays from each contour, in border widths.

    Attributes:
        bias: ``(cases,)``, standard deviation 0.16.
        wobble: Of variance 1; counts with 0.2.
    """

    bias: Array
    wobble: Waves

    @classmethod
    def draw(cls, rng: np.random.Generator, cases: int) -> Rater:
        """Return a rater; a generator for each, so that adding a rater moves no other."""
        bias = 0.16 * rng.standard_normal((cases,)).astype(np.float32)
        return cls(bias, Waves.draw(rng, cases, 10, (0.6, 1.6)))


def rated(distance: Array, width: Array, raters: Sequence[Rater]) -> NDArray[np.uint8]:
    """Return the masks of raters who stray from a contour the more, the wider the border is.

    A rater's contour lies off by a bias and a smooth wobble along it, together never more than 0.7
    border widths.

    Args:
        distance: ``(cases, height, width)``, signed distance from the latent contour.
        width: ``(cases, height, width)``, the local width of the border, in the same unit.
        raters: For these cases.

    Returns:
        ``(cases, raters, height, width)``, 1 inside.
    """
    cases, *size = distance.shape
    masks = np.empty((cases, len(raters), *size), np.uint8)
    for number, rater in enumerate(raters):
        wobble = 0.2 * rater.wobble.at((size[0], size[1]))
        masks[:, number] = distance + width * np.clip(each(rater.bias) + wobble, -0.7, 0.7) > 0
    return masks

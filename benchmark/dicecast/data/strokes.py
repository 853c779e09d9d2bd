"""Thin strokes, such as hairs, for datasets that are made and not downloaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicecast.data.rendering import Array, uniform


@dataclass(frozen=True)
class Strokes:
    """Thin curved strokes, each on one image.

    Attributes:
        owner: ``(strokes,)``, the index of the image.
        start: ``(strokes, 2)``, row and column where it begins, in half short sides.
        angle: ``(strokes,)``, radians.
        length: ``(strokes,)`` in half short sides.
        bend: ``(strokes,)``, how far the middle is pushed aside, as a share of the length.
        thickness: ``(strokes,)`` in half short sides.
        sampled_for: The length and the thickness by which all are sampled, those of the largest
            where None: a stroke is drawn alike with its company and without it.
    """

    owner: NDArray[np.intp]
    start: Array
    angle: Array
    length: Array
    bend: Array
    thickness: Array
    sampled_for: tuple[float, float] | None = None

    @classmethod
    def hairs(cls, rng: np.random.Generator, cases: int, most: int) -> Strokes:
        """Return ``most`` hairs a case, of which those of one case lie roughly alike."""
        number = cases * most
        combed = np.repeat(uniform(rng, 0, 2 * np.pi, cases), most)
        angle = combed + 0.45 * rng.standard_normal(number).astype(np.float32)
        length = uniform(rng, 0.7, 2.2, number)
        direction = np.stack([np.sin(angle), np.cos(angle)], axis=1)
        return cls(
            owner=np.repeat(np.arange(cases), most),
            start=uniform(rng, -1, 1, number, 2) - direction * length[:, None] / 2,
            angle=angle,
            length=length,
            bend=0.12 * rng.standard_normal(number).astype(np.float32),
            thickness=uniform(rng, 0.018, 0.042, number),
        )

    def only(self, shown: NDArray[np.bool_]) -> Strokes:
        """Return the strokes where ``shown``, ``(strokes,)``, is true."""
        chosen: dict[str, Any] = {
            name: part[shown] for name, part in vars(self).items() if isinstance(part, np.ndarray)
        }
        return replace(self, **chosen)

    def part(self, cases: slice) -> Strokes:
        """Return the strokes of some cases, drawn as they are among those of all."""
        alone = self.only((self.owner >= cases.start) & (self.owner < cases.stop))
        return replace(alone, owner=alone.owner - cases.start, sampled_for=self._sampling())

    def _sampling(self) -> tuple[float, float]:
        if self.sampled_for is not None or len(self.owner) == 0:
            return self.sampled_for or (0.0, 0.0)
        return float(self.length.max()), float(self.thickness.max())

    def coverage(self, cases: int, size: tuple[int, int]) -> Array:
        """Return which share of each pixel is covered, ``(cases, height, width)`` in 0 to 1."""
        half = min(size) / 2
        longest, thickest = self._sampling()
        total = np.zeros(cases * size[0] * size[1])
        if len(self.owner) == 0:
            return total.reshape(cases, *size).astype(np.float32)
        # A stroke wider than a pixel is several beside each other.
        copies = max(1, int(np.ceil(thickest * half)))
        points = int(np.ceil(2 * longest * half))
        weight = self.length * self.thickness * half * half / (points * copies)
        for copy in range(copies):
            aside = self.thickness * np.float32((copy + 0.5) / copies - 0.5)
            total += self._splat(points, aside, weight, (cases, *size))
        return np.minimum(total, 1).reshape(cases, *size).astype(np.float32)

    def _points(self, points: int, aside: Array) -> tuple[Array, Array]:
        """Return the rows and columns, ``(strokes, points)``, along each stroke."""
        along = np.linspace(0, 1, points, dtype=np.float32)
        forward = self.length[:, None] * along
        sideways = (self.length * self.bend)[:, None] * (4 * along * (1 - along)) + aside[:, None]
        sine, cosine = np.sin(self.angle)[:, None], np.cos(self.angle)[:, None]
        rows = self.start[:, :1] + sine * forward + cosine * sideways
        return rows, self.start[:, 1:] + cosine * forward - sine * sideways

    def _splat(
        self, points: int, aside: Array, weight: Array, shape: tuple[int, int, int]
    ) -> NDArray[np.float64]:
        """Return the points shared out over their four nearest pixels, flat."""
        cases, height, width = shape
        rows, columns = self._points(points, aside)
        row = rows * (min(height, width) / 2) + (height - 1) / 2
        column = columns * (min(height, width) / 2) + (width - 1) / 2
        top, left = np.floor(row).astype(np.intp), np.floor(column).astype(np.intp)
        total = np.zeros(cases * height * width)
        for down, across in ((0, 0), (0, 1), (1, 0), (1, 1)):
            y, x = top + down, left + across
            share = (1 - np.abs(row - y)) * (1 - np.abs(column - x)) * weight[:, None]
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            place = (self.owner[:, None] * height + y) * width + x
            total += np.bincount(place[inside], share[inside], minlength=len(total))
        return total

"""Vectorised drawing on stacks of images, for datasets that are made and not downloaded.

Places are given in half short sides: the plane's origin is the centre of the image and its shorter
side reaches from -1 to 1, so that a drawing looks alike at every size. Everything is float32 and
free of hidden randomness: an array drawn beforehand decides every pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
T = TypeVar("T")

SKIN = np.array(
    [
        [238, 203, 190],
        [230, 187, 168],
        [212, 163, 138],
        [180, 129, 103],
        [138, 94, 73],
        [96, 65, 53],
    ],
    np.float32,
) / np.float32(255)
"""Red, green and blue of skin, from Fitzpatrick type I to VI."""

ABSORPTION = np.array([[0.55, 0.95, 1.25], [1.15, 1.0, 0.75], [0.12, 0.75, 0.65]], np.float32)
"""What brown (shallow) melanin, blue-grey (deep) melanin and blood take from each channel."""


_ALONE = 2**18
_LEAST_ROWS = 8


def uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> Array:
    """Return float32 numbers of ``shape``, spread evenly from ``low`` to ``high``."""
    return rng.uniform(low, high, shape).astype(np.float32)


def between(easy: float, hard: float, share: Array) -> Array:
    """Return ``easy`` where ``share`` is 0, ``hard`` where it is 1, evenly in the logarithm."""
    return (easy * (hard / easy) ** share).astype(np.float32)


def plane(size: tuple[int, int]) -> tuple[Array, Array]:
    """Return the rows' ``(height, 1)`` and the columns' ``(1, width)`` places.

    Example:
        >>> plane((2, 4))[1]
        array([[-1.5, -0.5,  0.5,  1.5]], dtype=float32)
    """
    half = min(size) / 2
    rows, columns = ((np.arange(n, dtype=np.float32) - (n - 1) / 2) / half for n in size)
    return rows[:, None].astype(np.float32), columns[None, :].astype(np.float32)


def each(values: NDArray[Any]) -> NDArray[Any]:
    """Return one number a case, ``(cases,)``, as ``(cases, 1, 1)`` to meet a stack of planes."""
    return values[:, None, None]


def part(whole: T, cases: slice) -> T:
    """Return what describes some of the cases.

    Args:
        whole: An array with one row a case, a list, dict or dataclass of such, a thing with a
            method ``part`` of its own, or what is one for all cases.
        cases: Which of them.
    """
    kept: Any = whole
    if hasattr(whole, "part"):
        kept = whole.part(cases)
    elif isinstance(whole, np.ndarray):
        kept = whole[cases]
    elif isinstance(whole, list):
        kept = [part(value, cases) for value in whole]
    elif isinstance(whole, dict):
        kept = {name: part(value, cases) for name, value in whole.items()}
    elif is_dataclass(whole) and not isinstance(whole, type):
        kept = replace(whole, **part(vars(whole), cases))
    return cast(T, kept)


def sigmoid(values: Array) -> Array:
    """Return the logistic function, in a form that cannot overflow."""
    curve: Array = np.float32(0.5) * (np.tanh(values * np.float32(0.5)) + np.float32(1))
    return curve


def _product(left: Array, right: Array) -> Array:
    """Return the matrix products of two stacks, a tile at a time.

    OpenBLAS shares a product of more than ``_ALONE`` multiplications out over threads. For matrices
    this small that was measured ten times slower, and sums could depend on the number of threads.
    """
    stack = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    (rows, inner), columns = left.shape[-2:], right.shape[-1]
    height, width = max(1, _ALONE // (inner * columns)), columns
    if height < _LEAST_ROWS:
        # A row alone would be a product with a vector, which reads the whole right side for it.
        height, width = _LEAST_ROWS, max(1, _ALONE // (inner * _LEAST_ROWS))
    product = np.empty((*stack, rows, columns), np.float32)
    for i in range(0, rows, height):
        for j in range(0, columns, width):
            down, across = slice(i, i + height), slice(j, j + width)
            np.matmul(left[..., down, :], right[..., across], out=product[..., down, across])
    return product


@dataclass(frozen=True)
class Waves:
    """A smooth random field a case: a sum of plane waves with mean 0 and variance 1.

    Attributes:
        frequency: ``(cases, waves, 2)``, radians a half short side, along rows and columns.
        phase: ``(cases, waves)``, radians.
    """

    frequency: Array
    phase: Array

    @classmethod
    def draw(
        cls,
        rng: np.random.Generator,
        cases: int,
        waves: int,
        lengths: tuple[float, float],
    ) -> Waves:
        """Return fields whose wavelengths lie between the two ``lengths``, in half short sides."""
        angle = uniform(rng, 0, 2 * np.pi, cases, waves)
        speed = 2 * np.pi / uniform(rng, *lengths, cases, waves)
        frequency = np.stack([np.sin(angle), np.cos(angle)], axis=-1) * speed[..., None]
        return cls(frequency.astype(np.float32), uniform(rng, 0, 2 * np.pi, cases, waves))

    def at(self, size: tuple[int, int]) -> Array:
        """Return the fields as ``(cases, height, width)``."""
        rows, columns = plane(size)
        down = self.frequency[..., :1] * rows[:, 0] + self.phase[..., None]
        across = self.frequency[..., 1:] * columns[0]
        # cos(a + b) splits into two outer products, which makes the whole field one matrix product.
        left = np.concatenate([np.cos(down), -np.sin(down)], axis=1)
        right = np.concatenate([np.cos(across), np.sin(across)], axis=1)
        amplitude = np.float32(np.sqrt(2 / self.phase.shape[1]))
        return amplitude * _product(left.transpose(0, 2, 1), right)


def to_distance(level: Array) -> Array:
    """Return ``level`` rescaled to be, near its zero line, the distance from that line.

    Args:
        level: ``(cases, height, width)``, positive inside; a distance far from its zero line, and
            of any slope near it.

    Returns:
        ``level / |gradient|`` (first-order signed distance) near the line, ``level`` far away, in
        half short sides.
    """
    slope_down, slope_across = np.gradient(level, 2 / min(level.shape[1:]), axis=(1, 2))
    # Far away the slope says nothing about the line, and has poles and ridges of its own.
    near = np.exp(-((level / 0.15) ** 2))
    slope = 1 + near * (np.clip(np.hypot(slope_down, slope_across), 0.4, 4) - 1)
    distance: Array = level / slope
    return distance


def blur(images: Array, sigma: Array) -> Array:
    """Return images smoothed by a Gaussian, wider in some cases than in others.

    Args:
        images: ``(cases, channels, height, width)``.
        sigma: ``(cases,)`` standard deviations in half short sides; 0 leaves a case as it is.
    """
    height, width = images.shape[2:]
    pixels = sigma * (min(height, width) / 2)
    down, across = _smoother(height, pixels), _smoother(width, pixels)
    return _product(_product(down[:, None], images), across.transpose(0, 2, 1)[:, None])


def _smoother(length: int, sigma: Array) -> Array:
    """Return ``(cases, length, length)`` matrices that smooth a line of pixels.

    Each row sums to one, so that the edges of an image neither darken nor wrap around.
    """
    index = np.arange(length, dtype=np.float32)
    apart = (index[:, None] - index[None, :]) / np.maximum(each(sigma), np.float32(0.05))
    weights = np.exp(-np.minimum(apart**2, 80) / 2).astype(np.float32)
    matrices: Array = weights / weights.sum(axis=2, keepdims=True)
    return matrices


@dataclass(frozen=True)
class Discs:
    """Some round things a case; a slot with radius 0 is empty.

    Attributes:
        centre: ``(cases, slots, 2)``, row and column in half short sides.
        radius: ``(cases, slots)`` in half short sides.
    """

    centre: Array
    radius: Array

    @classmethod
    def scattered(cls, rng: np.random.Generator, cases: int, slots: int) -> Discs:
        """Return discs anywhere in the image, in a third of the cases."""
        some = uniform(rng, 0, 1, cases)[:, None] < 0.35
        shown = some & (uniform(rng, 0, 1, cases, slots) < 0.55)
        radius = uniform(rng, 0.03, 0.15, cases, slots)
        return cls(uniform(rng, -1, 1, cases, slots, 2), np.where(shown, radius, np.float32(0)))

    @classmethod
    def around(cls, rng: np.random.Generator, centre: Array, reach: Array, odds: Array) -> Discs:
        """Return up to three discs a case that lie beside a lesion, not on it.

        Args:
            rng: Source of the randomness.
            centre: ``(cases, 2)``, of the lesion.
            reach: ``(cases,)``, how far the lesion gets from its centre.
            odds: ``(cases,)``, the chance of each disc to exist.
        """
        shape = (len(reach), 3)
        radius = uniform(rng, 0.04, 0.17, *shape)
        shown = uniform(rng, 0, 1, *shape) < odds[:, None]
        away = reach[:, None] + radius + uniform(rng, 0, 0.45, *shape)
        angle = uniform(rng, 0, 2 * np.pi, *shape)
        offset = away[..., None] * np.stack([np.sin(angle), np.cos(angle)], axis=-1)
        return cls(centre[:, None] + offset, np.where(shown, radius, np.float32(0)))

    def spots(self, size: tuple[int, int]) -> Array:
        """Return soft filled spots, ``(cases, height, width)`` in 0 to 1."""
        total = np.zeros((len(self.radius), *size), np.float32)
        for rows, apart, _, radius in self._slots(size):
            total[rows] = np.maximum(total[rows], sigmoid(8 * (1 - apart / radius)))
        return total

    def bubbles(self, size: tuple[int, int], light: float) -> Array:
        """Return the brightness that bubbles add, ``(cases, height, width)`` in 0 to 1.

        Args:
            size: Height and width in pixels.
            light: Where the light comes from, radians; that side of the rim shines most.
        """
        total = np.zeros((len(self.radius), *size), np.float32)
        for rows, apart, angle, radius in self._slots(size):
            rim = np.exp(-(((apart / radius - 1) / (0.14 + 0.012 / radius)) ** 2))
            shine = 0.3 + 0.7 * np.exp(2 * (np.cos(angle - light) - 1))
            glow = 0.12 * sigmoid(10 * (1 - apart / radius))
            total[rows] = np.maximum(total[rows], rim * shine + glow)
        return total

    def _slots(self, size: tuple[int, int]) -> list[tuple[NDArray[np.intp], Array, Array, Array]]:
        """Return for each slot the cases that fill it, and their polar planes and radii."""
        found = []
        for slot in range(self.radius.shape[1]):
            rows = np.flatnonzero(self.radius[:, slot] > 0)
            apart, angle = polar(self.centre[rows, slot], size)
            found.append((rows, apart, angle, each(self.radius[rows, slot])))
        return found


def polar(centre: Array, size: tuple[int, int]) -> tuple[Array, Array]:
    """Return every pixel's distance from and angle around ``centre`` ``(cases, 2)``."""
    rows, columns = plane(size)
    down, across = rows - each(centre[:, 0]), columns - each(centre[:, 1])
    return np.hypot(down, across), np.arctan2(down, across)


def ruler(edge: NDArray[np.intp], period: Array, size: tuple[int, int]) -> Array:
    """Return the tick marks of a ruler along one edge of each image, in 0 to 1.

    Args:
        edge: ``(cases,)``: 0 top, 1 bottom, 2 left, 3 right.
        period: ``(cases,)``, from tick to tick, in half short sides.
        size: Height and width in pixels.
    """
    rows, columns = plane(size)
    upright = each(edge) < 2
    sign = np.where(each(edge) % 2 == 0, np.float32(1), np.float32(-1))
    reach = np.where(upright, -rows[0, 0], -columns[0, 0])
    depth = np.where(upright, rows, columns) * sign + reach
    along = np.where(upright, columns, rows) / each(period)
    length = np.where(np.round(along) % 5 == 0, np.float32(0.2), np.float32(0.11))
    beside = np.abs(along - np.round(along)) * each(period)
    return (sigmoid(80 * (0.022 - beside)) * sigmoid(60 * (length - depth))).astype(np.float32)


def cover(image: Array, share: Array, colour: Array) -> Array:
    """Return ``image`` with ``colour`` laid over a ``share`` of each pixel.

    Args:
        image: ``(cases, 3, height, width)``.
        share: ``(cases, height, width)``, 0 to 1.
        colour: ``(cases, 3)``, or ``(1, 3)`` for the same in all cases.
    """
    return image + share[:, None] * (colour[:, :, None, None] - image)


def skin(tone: Array) -> Array:
    """Return the colour of skin, ``(cases, 3)`` in 0 to 1, by its ``tone`` ``(cases,)``.

    Args:
        tone: 0 (Fitzpatrick type I) to 1 (type VI).
    """
    types = np.linspace(0, 1, len(SKIN))
    return np.stack([np.interp(tone, types, channel) for channel in SKIN.T], 1).astype(np.float32)


def arc(centre: Array, radius: Array, middle: Array, span: Array, size: tuple[int, int]) -> Array:
    """Return a pen's stroke along part of a circle, ``(cases, height, width)`` in 0 to 1.

    Args:
        centre: ``(cases, 2)``, of the circle, in half short sides.
        radius: ``(cases,)``, of the circle, in half short sides.
        middle: ``(cases,)``, the angle at which the stroke has its middle.
        span: ``(cases,)``, 0 (a dot) to 1 (half the circle).
        size: Height and width in pixels.
    """
    apart, angle = polar(centre, size)
    beside = np.abs(apart - each(radius))
    ends = np.cos(angle - each(middle)) - 0.9 + each(span)
    return sigmoid(60 * (0.05 - beside)) * sigmoid(12 * ends)


def lamp(slope: Array, vignette: Array, tube: Array, size: tuple[int, int]) -> Array:
    """Return the brightness of a lamp in a tube, ``(cases, height, width)``.

    Args:
        slope: ``(2, cases)``, how much brighter it gets along rows and columns.
        vignette: ``(cases,)``, how much darker it gets with the distance from the centre.
        tube: ``(cases,)``, radius of the tube in half short sides; outside it is dark.
        size: Height and width in pixels.
    """
    rows, columns = plane(size)
    apart = np.hypot(rows, columns)
    gradient = 1 + each(slope[0]) * rows + each(slope[1]) * columns
    inside = 0.04 + 0.96 * sigmoid(45 * (each(tube) - apart))
    brightness: Array = gradient * np.exp(-each(vignette) * apart**3) * inside
    return brightness

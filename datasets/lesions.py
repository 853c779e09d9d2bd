"""Skin lesions under a dermatoscope, drawn by a seeded generator: nothing to download.

Every case has a latent contour, a latent difficulty and several raters whose contours stray from
the latent one in proportion to how blurred the border is there. So the part of the error that no
network can avoid is known, and differs from case to case.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast import register_dataset
from dicecast.data.cases import IN_DISTRIBUTION, Cases, SegmentationData
from dicecast.data.outlines import Outline, rated
from dicecast.data.rendering import (
    ABSORPTION,
    Array,
    Discs,
    Strokes,
    Waves,
    arc,
    between,
    blur,
    cover,
    each,
    lamp,
    ruler,
    sigmoid,
    skin,
    uniform,
)
from dicecast.errors import DatasetError, did_you_mean

BLOCK = 50
"""Cases drawn from one seed. Blocks are made whole and cut, so that a case stays bit-equal when
more cases, or fewer, are asked for."""

MOST_HAIRS = 32
SMALLEST_SIDE = 16
INK = np.array([[0.1, 0.1, 0.1], [0.33, 0.22, 0.5]], np.float32)
WHITE = np.ones((1, 3), np.float32)


@dataclass(frozen=True)
class Scene:
    """All that decides how a block of cases looks, apart from the noise of the sensor.

    Numbers are ``(cases,)`` where nothing else is said. None depends on the size of the images.

    Attributes:
        outline: The latent contours.
        difficulty: 0 (easy) to 1; contrast, border and clutter follow it loosely.
        contrast: Optical density of the lesion.
        border_width: Where the lesion fades from 90 % to 10 %, in half short sides.
        clutter: 0 to 1, weight of everything that resembles a lesion and is none.
        skin_tone: 0 (Fitzpatrick I) to 1 (VI).
        hair: Number of hairs.
        hairs: All hairs that may be shown, ``MOST_HAIRS`` a case.
        hair_colour: ``(cases, 3)``.
        spots: Small pigmented spots beside the lesion.
        bubbles: Bubbles in the gel.
        fields: Smooth random fields by their use.
        tint: ``(cases, 3)``, logarithm of the camera's gain.
        cast: ``(cases, 3)``, the direction of a colour cast.
        focus: Standard deviation of the camera's blur, in half short sides.
        chance: ``(cases, 14)`` uniform numbers for what is drawn or left out.
    """

    outline: Outline
    difficulty: Array
    contrast: Array
    border_width: Array
    clutter: Array
    skin_tone: Array
    hair: Array
    hairs: Strokes
    hair_colour: Array
    spots: Discs
    bubbles: Discs
    fields: dict[str, Waves]
    tint: Array
    cast: Array
    focus: Array
    chance: Array

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Scene:
        """Return one block of cases."""
        outline = Outline.draw(rng, BLOCK)
        difficulty = rng.beta(1.2, 2.0, BLOCK).astype(np.float32)
        # Each trait follows the difficulty with a luck of its own: hard cases differ in why.
        traits = np.clip(difficulty + 0.16 * rng.standard_normal((3, BLOCK)), 0, 1)
        faint, fuzzy, clutter = traits.astype(np.float32)
        chance = uniform(rng, 0, 1, BLOCK, 14)
        hairy = np.where(chance[:, 0] < 0.55, 0, np.ceil(9 * chance[:, 1] ** 2))
        return cls(
            outline=outline,
            difficulty=difficulty,
            contrast=between(1.25, 0.17, faint),
            border_width=outline.radius * between(0.1, 1.0, fuzzy),
            clutter=clutter,
            skin_tone=rng.beta(0.9, 1.5, BLOCK).astype(np.float32),
            hair=hairy.astype(np.float32),
            hairs=Strokes.hairs(rng, BLOCK, MOST_HAIRS),
            hair_colour=between(0.05, 0.3, uniform(rng, 0, 1, BLOCK))[:, None]
            * np.array([1.25, 0.9, 0.7], np.float32),
            spots=Discs.around(rng, outline.centre, outline.reach, 0.1 + 0.6 * clutter),
            bubbles=Discs.scattered(rng, BLOCK, 5),
            fields=_draw_fields(rng),
            tint=0.05 * rng.standard_normal((BLOCK, 3)).astype(np.float32),
            cast=_draw_cast(rng),
            focus=uniform(rng, 0.3, 0.8, BLOCK) / 32,
            chance=chance,
        )


def _draw_fields(rng: np.random.Generator) -> dict[str, Waves]:
    lengths = {
        "width": (0.8, 2.0),
        "ambiguity": (0.35, 1.1),
        "blue": (0.35, 0.9),
        "blood": (0.5, 1.6),
        "loss": (0.3, 0.8),
        "blotch": (0.35, 1.1),
        "network": (0.16, 0.24),
        "pores": (0.08, 0.16),
    }
    return {name: Waves.draw(rng, BLOCK, 14, span) for name, span in lengths.items()}


def _draw_cast(rng: np.random.Generator) -> Array:
    """Return vectors of one length and no grey part: they change the colour, not the brightness."""
    angle = uniform(rng, 0, 2 * np.pi, BLOCK, 1)
    return np.cos(angle + np.arange(3, dtype=np.float32) * 2 * np.pi / 3).astype(np.float32)


def _local_width(scene: Scene, size: tuple[int, int]) -> Array:
    """Return the border's width everywhere, ``(cases, height, width)``, in half short sides."""
    swell = np.exp(0.25 * scene.fields["width"].at(size))
    width: Array = each(scene.border_width) * swell
    return width


def _pigment(scene: Scene, distance: Array, size: tuple[int, int]) -> Array:
    """Return the lesion's optical density without colour, ``(cases, height, width)``."""
    width = _local_width(scene, size)
    # The visible border strays from the latent one, the more the wider it is: nobody, network or
    # rater, can find the latent contour exactly.
    apparent = distance + 0.3 * width * scene.fields["ambiguity"].at(size)
    body = sigmoid(4.4 * apparent / width)
    lines = 0.6 - np.minimum(np.abs(scene.fields["network"].at(size)), 1.4)
    loss = sigmoid(4 * (scene.fields["loss"].at(size) - 0.9))
    texture = 1 + each(0.45 * scene.chance[:, 2]) * lines
    paler = 1 - each(0.75 * scene.clutter * scene.chance[:, 3]) * loss
    return each(scene.contrast) * body * texture * paler


def _absorbed(scene: Scene, pigment: Array, size: tuple[int, int]) -> Array:
    """Return the optical depth above bare skin, ``(cases, 3, height, width)``."""
    chance = scene.chance
    blue = each(0.9 * chance[:, 4] ** 2) * sigmoid(3 * scene.fields["blue"].at(size) - 1)
    flush = sigmoid(3 * scene.fields["blood"].at(size) - 1)
    red = each(0.7 * chance[:, 5] ** 2) * flush
    spots = scene.spots.spots(size) * each((0.35 + 0.5 * chance[:, 6]) * scene.contrast)
    blotch = sigmoid(3 * scene.fields["blotch"].at(size) - 2)
    brown_depth = pigment * (1 - 0.6 * blue) + spots
    brown_depth += each(0.4 * scene.clutter * chance[:, 7]) * blotch
    blood_depth = pigment * red + each(0.05 + 0.3 * chance[:, 8] * scene.clutter) * flush
    depths = np.stack([brown_depth, pigment * blue, blood_depth], axis=-1)
    return np.moveaxis(depths @ ABSORPTION, -1, 1)


def _add_clutter(scene: Scene, image: Array, size: tuple[int, int]) -> Array:
    """Return the images with what lies on the skin: a ruler, ink, hair and bubbles."""
    chance = scene.chance
    edge = (chance[:, 10] * 400).astype(np.intp) % 4
    ticks = ruler(edge, 0.16 + 0.08 * chance[:, 10], size) * each(chance[:, 9] < 0.12)
    image = cover(image, 0.8 * ticks, INK[:1])
    radius = scene.outline.reach + 0.15
    pen = arc(scene.outline.centre, radius, 6.3 * chance[:, 11], chance[:, 12], size)
    image = cover(image, 0.75 * pen * each(chance[:, 9] > 0.9), INK[1:])
    hairs = scene.hairs.only((np.arange(MOST_HAIRS) < scene.hair[:, None]).ravel())
    image = cover(image, 0.85 * hairs.coverage(BLOCK, size), scene.hair_colour)
    return cover(image, 0.75 * scene.bubbles.bubbles(size, -2.2), WHITE)


def _light(scene: Scene, size: tuple[int, int]) -> Array:
    """Return how bright the lamp shines, ``(cases, height, width)``."""
    chance = scene.chance
    direction = 6.3 * chance[:, 12]
    slope = 0.12 * chance[:, 11] * np.stack([np.sin(direction), np.cos(direction)])
    tube = np.where(chance[:, 10] < 0.25, 1.05 + chance[:, 10], 9)
    return lamp(slope, 0.16 * chance[:, 13], tube, size)


def _photograph(
    scene: Scene, distance: Array, size: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the images of one block, ``(cases, height, width, 3)``."""
    depth = _absorbed(scene, _pigment(scene, distance, size), size)
    pores = 1 + 0.025 * scene.fields["pores"].at(size)
    image = (skin(scene.skin_tone)[:, :, None, None] * pores[:, None]) * np.exp(-depth)
    image = _add_clutter(scene, image, size) * _light(scene, size)[:, None]
    image = blur(image * np.exp(scene.tint)[:, :, None, None], scene.focus)
    noise = np.float32(0.012) * rng.standard_normal(image.shape, np.float32)
    pixels = np.clip((image + noise) * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(pixels, 1, -1))


def _blurred(scene: Scene, strength: int) -> Scene:
    sigma = (1.0, 2.0, 3.5)[strength - 1] / 32
    return replace(scene, focus=np.hypot(scene.focus, np.float32(sigma)))


def _low_contrast(scene: Scene, strength: int) -> Scene:
    return replace(scene, contrast=scene.contrast * np.float32((0.6, 0.38, 0.24)[strength - 1]))


def _colour_cast(scene: Scene, strength: int) -> Scene:
    return replace(scene, tint=scene.tint + scene.cast * np.float32(0.11 * strength))


def _hairy(scene: Scene, strength: int) -> Scene:
    number = (8, 18, MOST_HAIRS)[strength - 1]
    thick = replace(scene.hairs, thickness=scene.hairs.thickness * np.float32(1.15))
    return replace(scene, hair=np.full_like(scene.hair, number), hairs=thick)


def _unseen_shape(scene: Scene, strength: int) -> Scene:
    # A small ring would be a blurred disc: shapes need room to be told apart.
    old, grown = scene.outline, scene.outline.at_least(0.45)
    away = (scene.spots.centre - old.centre[:, None]) * (grown.reach / old.reach)[:, None, None]
    spots = replace(scene.spots, centre=grown.centre[:, None] + away)
    return replace(scene, spots=spots, outline=replace(grown, strength=strength))


SHIFTS: dict[str, Callable[[Scene, int], Scene]] = {
    "blur": _blurred,
    "low_contrast": _low_contrast,
    "colour_cast": _colour_cast,
    "hair": _hairy,
    "unseen_shape": _unseen_shape,
}
"""What each named shift changes in a block of ordinary cases, at strengths 1 to 3."""


def _generator(seed: int, role: str, block: int, purpose: str) -> np.random.Generator:
    """Return the random numbers of one purpose: named, so that none moves when others change."""
    key = (zlib.crc32(role.encode()), block, zlib.crc32(purpose.encode()))
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


@register_dataset("lesions")
@dataclass(frozen=True)
class Lesions:
    """Made-up skin lesions of known difficulty, with raters and five named shifts.

    ``masks`` holds the latent contour, ``raters`` what each rater drew. The table adds
    ``difficulty`` (0 to 1), ``border_width`` (from 90 % to 10 % of the lesion's density, as a
    share of the image's shorter side), ``contrast`` (optical density of the lesion), ``hair``
    (number of hairs) and ``skin_tone`` (0 Fitzpatrick I, 1 Fitzpatrick VI).

    Each test domain ``<shift>_<strength>`` holds the same patients at every strength of a shift.
    A case depends on the seed, its role and its number alone, not on how many cases there are.

    Attributes:
        seed: Decides every case.
        train: Number of training cases.
        validation: Number of validation cases.
        quality: Number of cases for quality heads.
        test: Number of in-distribution test cases.
        shifted: Number of cases in each shifted domain.
        shifts: Which shifts to make: blur, low_contrast, colour_cast, hair, unseen_shape.
        strengths: At which strengths, from 1 (mild) to 3.
        raters: Number of raters.
    """

    seed: int = 0
    train: int = 500
    validation: int = 100
    quality: int = 300
    test: int = 300
    shifted: int = 100
    shifts: tuple[str, ...] = tuple(SHIFTS)
    strengths: tuple[int, ...] = (1, 2, 3)
    raters: int = 4

    def __post_init__(self) -> None:
        for name in ("train", "validation", "quality", "test", "shifted", "raters"):
            self._require(name, getattr(self, name), 1)
        self._require("seed", self.seed, 0)
        for shift in self.shifts:
            if shift not in SHIFTS:
                raise DatasetError(
                    f"Dataset 'lesions' has no shift '{shift}'. {did_you_mean(shift, SHIFTS)}"
                )
        for strength in self.strengths:
            if strength not in (1, 2, 3):
                raise DatasetError(
                    "Dataset 'lesions': a strength must be 1 (mild), 2 or 3 (strong); got "
                    f"{strength!r}. Change 'strengths'."
                )

    @staticmethod
    def _require(name: str, value: int, least: int) -> None:
        if value < least:
            raise DatasetError(
                f"Dataset 'lesions': '{name}' must be at least {least}; got {value!r}. "
                f"Raise it (to leave out the shifted domains, set 'shifts' to an empty list)."
            )

    def load(self, root: Path | None, size: tuple[int, int]) -> SegmentationData:
        """Draw the cases; ``root`` is not read.

        Raises:
            DatasetError: A side of ``size`` is under 16 pixels.
        """
        if min(size) < SMALLEST_SIDE:
            raise DatasetError(
                f"Dataset 'lesions': both sides of an image must have {SMALLEST_SIDE} pixels or "
                f"more; got {size[0]} x {size[1]}. Choose a larger size."
            )
        test = {IN_DISTRIBUTION: self._cases("test", self.test, size)}
        for shift in self.shifts:
            for strength in self.strengths:
                test[f"{shift}_{strength}"] = self._cases(shift, self.shifted, size, strength)
        return SegmentationData(
            name="lesions",
            classes=("background", "lesion"),
            train=self._cases("train", self.train, size),
            validation=self._cases("validation", self.validation, size),
            quality=self._cases("quality", self.quality, size),
            test=test,
            terms="Synthetic; Apache-2.0, like the code that draws them.",
        )

    def _cases(self, role: str, count: int, size: tuple[int, int], strength: int = 0) -> Cases:
        """Return the first ``count`` cases of a role, or of a shift at one strength."""
        blocks = [self._block(role, block, size, strength) for block in range(-(-count // BLOCK))]
        images, masks, raters = (
            np.concatenate([block[part] for block in blocks])[:count] for part in (1, 2, 3)
        )
        table = pd.concat([block[0] for block in blocks], ignore_index=True).iloc[:count]
        prefix = f"{role}_{strength}" if strength else role
        table.insert(0, "stem", [f"lesion_{prefix}_{number:05d}" for number in range(count)])
        table.insert(1, "group", [f"patient_{role}_{number:05d}" for number in range(count)])
        table.insert(2, "domain", prefix if strength else IN_DISTRIBUTION)
        return Cases(table, images, masks, raters)

    def _block(
        self, role: str, block: int, size: tuple[int, int], strength: int
    ) -> tuple[pd.DataFrame, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
        """Return table, images, masks and raters of one whole block."""
        scene = Scene.draw(_generator(self.seed, role, block, "scene"))
        scene = SHIFTS[role](scene, strength) if strength else scene
        distance = scene.outline.distance(size)
        noise = _generator(self.seed, role, block, "noise")
        raters = [
            _generator(self.seed, role, block, f"rater {number}") for number in range(self.raters)
        ]
        table = pd.DataFrame(
            {
                "difficulty": scene.difficulty.astype(float),
                "border_width": scene.border_width.astype(float) / 2,
                "contrast": scene.contrast.astype(float),
                "hair": scene.hair.astype(float),
                "skin_tone": scene.skin_tone.astype(float),
            }
        )
        return (
            table,
            _photograph(scene, distance, size, noise),
            (distance > 0).astype(np.uint8),
            rated(distance, _local_width(scene, size), raters),
        )

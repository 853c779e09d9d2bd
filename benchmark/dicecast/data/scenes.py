"""What a made-up dermoscopy image shows, and the camera that takes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.data.outlines import Outline
from dicecast.data.rendering import (
    ABSORPTION,
    Array,
    Discs,
    Waves,
    arc,
    between,
    blur,
    cover,
    each,
    lamp,
    part,
    ruler,
    sigmoid,
    skin,
    uniform,
)
from dicecast.data.strokes import Strokes

MOST_HAIRS = 32
INK = np.array([[0.1, 0.1, 0.1], [0.33, 0.22, 0.5]], np.float32)
WHITE = np.ones((1, 3), np.float32)

PIXELS_AT_ONCE = 2**18
"""How many pixels, of one or of several images, are drawn together: a block of 64 x 64, one image
of 512 x 512. Fewer cost more calls, more do not stay in the cache; both were measured slower."""


@dataclass(frozen=True)
class Scene:
    """All that decides how some cases look, apart from the noise of the sensor.

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
    def draw(cls, rng: np.random.Generator, cases: int) -> Scene:
        """Return scenes of ordinary cases."""
        outline = Outline.draw(rng, cases)
        difficulty = rng.beta(1.2, 2.0, cases).astype(np.float32)
        # Each trait follows the difficulty with a luck of its own: hard cases differ in why.
        traits = np.clip(difficulty + 0.16 * rng.standard_normal((3, cases)), 0, 1)
        faint, fuzzy, clutter = traits.astype(np.float32)
        chance = uniform(rng, 0, 1, cases, 14)
        hairy = np.where(chance[:, 0] < 0.55, 0, np.ceil(9 * chance[:, 1] ** 2))
        return cls(
            outline=outline,
            difficulty=difficulty,
            contrast=between(1.25, 0.17, faint),
            border_width=outline.radius * between(0.1, 1.0, fuzzy),
            clutter=clutter,
            skin_tone=rng.beta(0.9, 1.5, cases).astype(np.float32),
            hair=hairy.astype(np.float32),
            hairs=Strokes.hairs(rng, cases, MOST_HAIRS),
            hair_colour=between(0.05, 0.3, uniform(rng, 0, 1, cases))[:, None]
            * np.array([1.25, 0.9, 0.7], np.float32),
            spots=Discs.around(rng, outline.centre, outline.reach, 0.1 + 0.6 * clutter),
            bubbles=Discs.scattered(rng, cases, 5),
            fields=_draw_fields(rng, cases),
            tint=0.05 * rng.standard_normal((cases, 3)).astype(np.float32),
            cast=_draw_cast(rng, cases),
            focus=uniform(rng, 0.3, 0.8, cases) / 32,
            chance=chance,
        )

    def table(self) -> pd.DataFrame:
        """Return what is known of each case, in numbers."""
        return pd.DataFrame(
            {
                "difficulty": self.difficulty.astype(float),
                # Of the image's shorter side, of which the plane's unit is half.
                "border_width": self.border_width.astype(float) / 2,
                "contrast": self.contrast.astype(float),
                "hair": self.hair.astype(float),
                "skin_tone": self.skin_tone.astype(float),
            }
        )

    def pieces(self, size: tuple[int, int]) -> Iterator[tuple[slice, Scene]]:
        """Yield the scenes a few cases at a time, without the hairs that are not shown.

        So much is drawn at once as is fastest, and memory is bounded, whatever the images' size.
        """
        shown = (np.arange(MOST_HAIRS) < self.hair[:, None]).ravel()
        scene = replace(self, hairs=self.hairs.only(shown))
        step = max(1, PIXELS_AT_ONCE // (size[0] * size[1]))
        for start in range(0, len(self.hair), step):
            cases = slice(start, min(start + step, len(self.hair)))
            yield cases, part(scene, cases)


def _draw_fields(rng: np.random.Generator, cases: int) -> dict[str, Waves]:
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
    return {name: Waves.draw(rng, cases, 14, span) for name, span in lengths.items()}


def _draw_cast(rng: np.random.Generator, cases: int) -> Array:
    """Return vectors of one length and no grey part: they change the colour, not the brightness."""
    angle = uniform(rng, 0, 2 * np.pi, cases, 1)
    return np.cos(angle + np.arange(3, dtype=np.float32) * 2 * np.pi / 3).astype(np.float32)


def local_width(scene: Scene, size: tuple[int, int]) -> Array:
    """Return the border's width everywhere, ``(cases, height, width)``, in half short sides."""
    swell = np.exp(0.25 * scene.fields["width"].at(size))
    width: Array = each(scene.border_width) * swell
    return width


def _pigment(scene: Scene, distance: Array, size: tuple[int, int]) -> Array:
    """Return the lesion's optical density without colour, ``(cases, height, width)``."""
    width = local_width(scene, size)
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
    hairs = scene.hairs.coverage(len(image), size)
    image = cover(image, 0.85 * hairs, scene.hair_colour)
    return cover(image, 0.75 * scene.bubbles.bubbles(size, -2.2), WHITE)


def _light(scene: Scene, size: tuple[int, int]) -> Array:
    """Return how bright the lamp shines, ``(cases, height, width)``."""
    chance = scene.chance
    direction = 6.3 * chance[:, 12]
    slope = 0.12 * chance[:, 11] * np.stack([np.sin(direction), np.cos(direction)])
    tube = np.where(chance[:, 10] < 0.25, 1.05 + chance[:, 10], 9)
    return lamp(slope, 0.16 * chance[:, 13], tube, size)


def photograph(
    scene: Scene, distance: Array, size: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the images of a piece of a scene, ``(cases, height, width, 3)``.

    Args:
        scene: One of ``Scene.pieces``.
        distance: Of its outline.
        size: Height and width in pixels.
        rng: Of the sensor's noise; drawn from once a pixel and channel, case by case.
    """
    depth = _absorbed(scene, _pigment(scene, distance, size), size)
    pores = 1 + 0.025 * scene.fields["pores"].at(size)
    image = (skin(scene.skin_tone)[:, :, None, None] * pores[:, None]) * np.exp(-depth)
    image = _add_clutter(scene, image, size) * _light(scene, size)[:, None]
    image = blur(image * np.exp(scene.tint)[:, :, None, None], scene.focus)
    noise = np.float32(0.012) * rng.standard_normal(image.shape, np.float32)
    pixels = np.clip((image + noise) * 255 + 0.5, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(pixels, 1, -1))

"""Skin lesions under a dermatoscope, drawn by a seeded generator: nothing to download.

Every case has a latent contour, a latent difficulty and several raters whose contours stray from
the latent one in proportion to how blurred the border is there. So the part of the error that no
network can avoid is known, and differs from case to case.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from dicecast import register_dataset
from dicecast.data.cases import IN_DISTRIBUTION, Cases, SegmentationData
from dicecast.data.outlines import Rater, rated
from dicecast.data.rendering import part
from dicecast.data.scenes import MOST_HAIRS, Scene, local_width, photograph
from dicecast.data.threads import in_threads
from dicecast.errors import DatasetError, did_you_mean
from dicecast.scratch import NewStack, new_stack

BLOCK = 50
"""Cases drawn from one seed. Blocks are made whole and cut, so that a case stays bit-equal when
more cases, or fewer, are asked for."""

SMALLEST_SIDE = 16


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


@dataclass(frozen=True)
class _Sheet:
    """Room for the cases of a role, or of a shift at one strength."""

    role: str
    count: int
    strength: int
    images: NewStack[np.uint8]
    masks: NewStack[np.uint8]
    raters: NewStack[np.uint8]
    tables: list[pd.DataFrame] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.masks.shape[1:]
        return height, width

    def draw(
        self, rows: slice, scene: Scene, raters: list[Rater], noise: np.random.Generator
    ) -> None:
        """Draw a piece of a scene into the rows, which may be fewer than its cases."""
        wanted = rows.stop - rows.start
        distance = scene.outline.distance(self.size)
        self.images[rows] = photograph(scene, distance, self.size, noise)[:wanted]
        self.masks[rows] = distance[:wanted] > 0
        self.raters[rows] = rated(distance, local_width(scene, self.size), raters)[:wanted]

    def cases(self) -> Cases:
        table = pd.concat(self.tables, ignore_index=True)
        name = f"{self.role}_{self.strength}" if self.strength else self.role
        numbers = range(self.count)
        table.insert(0, "stem", [f"lesion_{name}_{number:05d}" for number in numbers])
        table.insert(1, "group", [f"patient_{self.role}_{number:05d}" for number in numbers])
        table.insert(2, "domain", name if self.strength else IN_DISTRIBUTION)
        return Cases(table, self.images, self.masks, self.raters)


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
        sheets = self._sheets(size)
        jobs = [(sheet, block) for sheet in sheets for block in range(-(-sheet.count // BLOCK))]
        for (sheet, _), table in zip(
            jobs, in_threads(lambda job: self._draw(*job), jobs), strict=True
        ):
            sheet.tables.append(table)
        train, validation, quality, *test = (sheet.cases() for sheet in sheets)
        return SegmentationData(
            name="lesions",
            classes=("background", "lesion"),
            train=train,
            validation=validation,
            quality=quality,
            test={str(cases.table["domain"].iloc[0]): cases for cases in test},
            terms="Synthetic; Apache-2.0, like the code that draws them.",
        )

    def _sheets(self, size: tuple[int, int]) -> list[_Sheet]:
        """Return room for the cases of every role: train, validation, quality, test sets."""
        sets = [(role, getattr(self, role), 0) for role in ("train", "validation", "quality")]
        sets += [("test", self.test, 0)]
        sets += [(name, self.shifted, level) for name in self.shifts for level in self.strengths]
        total = sum(count for _, count, _ in sets) * size[0] * size[1] * (4 + self.raters)
        return [
            _Sheet(
                *which,
                images=new_stack((which[1], *size, 3), np.uint8, total),
                masks=new_stack((which[1], *size), np.uint8, total),
                raters=new_stack((which[1], self.raters, *size), np.uint8, total),
            )
            for which in sets
        ]

    def _draw(self, sheet: _Sheet, block: int) -> pd.DataFrame:
        """Draw one block of cases onto its sheet and return its table."""
        rng = partial(_generator, self.seed, sheet.role, block)
        scene = Scene.draw(rng("scene"), BLOCK)
        scene = SHIFTS[sheet.role](scene, sheet.strength) if sheet.strength else scene
        raters = [Rater.draw(rng(f"rater {number}"), BLOCK) for number in range(self.raters)]
        noise, first = rng("noise"), block * BLOCK
        for cases, piece in scene.pieces(sheet.size):
            rows = slice(first + cases.start, min(first + cases.stop, sheet.count))
            if rows.start < rows.stop:
                sheet.draw(rows, piece, part(raters, cases), noise)
        return scene.table().iloc[: sheet.count - first]

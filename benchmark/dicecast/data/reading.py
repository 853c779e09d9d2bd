"""Reads the files of many cases at once into arrays."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dicecast.data.images import read_image, read_mask, resize_image, resize_mask
from dicecast.data.problems import raise_problems
from dicecast.data.threads import in_threads
from dicecast.errors import DatasetError
from dicecast.scratch import NewStack, new_stack


@dataclass(frozen=True)
class CaseFiles:
    """Where the pixels of a case are: its image, its truth, and further raters' truths."""

    image: Path
    mask: Path
    raters: tuple[Path, ...] = ()


@dataclass(frozen=True)
class PixelForm:
    """What pixels become.

    Attributes:
        size: Height and width.
        channels: Of the images, 3 or 1.
        classes: Index of the class by pixel value of a mask.
    """

    size: tuple[int, int]
    channels: int
    classes: Mapping[int, int]

    @property
    def num_classes(self) -> int:
        """How many classes, background included."""
        return max(self.classes.values()) + 1


@dataclass(frozen=True)
class Pixels:
    """The pixels of cases, in the order of their files.

    Attributes:
        images: ``(cases, height, width, channels)``, uint8.
        masks: ``(cases, height, width)``, uint8 class indices.
        raters: ``(cases, raters, height, width)`` likewise, or None.
        fingerprints: SHA-256 of each image as decoded, before it is resized.
    """

    images: NewStack[np.uint8]
    masks: NewStack[np.uint8]
    raters: NewStack[np.uint8] | None
    fingerprints: list[str]

    @classmethod
    def empty(cls, cases: int, num_raters: int, form: PixelForm) -> Pixels:
        """Return room for so many cases, to be filled: in memory where it fits, else in files."""
        shapes = [(cases, *form.size, form.channels), (cases, *form.size)]
        shapes += [(cases, num_raters, *form.size)] * (num_raters > 0)
        total = sum(math.prod(shape) for shape in shapes)
        images, masks, *raters = (new_stack(shape, np.uint8, total) for shape in shapes)
        return cls(images, masks, raters[0] if raters else None, [""] * cases)


def read_pixels(files: Sequence[CaseFiles], form: PixelForm) -> Pixels:
    """Read every case, several at a time.

    Each case is written straight into its row, so no more than those in hand need be in memory.

    Raises:
        DatasetError: Files that cannot be used; the first few by name, and how many there are.
    """
    pixels = Pixels.empty(len(files), len(files[0].raters), form)

    def read(row: int) -> str | None:
        try:
            _read_case(files[row], form, pixels, row)
        except DatasetError as error:
            return str(error)
        return None

    raise_problems(
        filter(None, in_threads(read, range(len(files)))),
        "Every image and mask must be usable; files that are not:",
        "Or leave these cases out with the setting exclude, such as exclude = 'stem in [\"...\"]'.",
    )
    return pixels


def _read_case(files: CaseFiles, form: PixelForm, pixels: Pixels, row: int) -> None:
    image = read_image(files.image, form.channels)
    pixels.fingerprints[row] = _fingerprint(image)
    pixels.images[row] = resize_image(image, form.size)
    pixels.masks[row] = _read_truth(files.mask, image.shape, form, files.image)
    if pixels.raters is not None:
        pixels.raters[row] = [
            _read_truth(path, image.shape, form, files.image) for path in files.raters
        ]


def _read_truth(
    path: Path, image_shape: tuple[int, ...], form: PixelForm, image: Path
) -> NDArray[np.uint8]:
    mask = read_mask(path, form.classes)
    if not is_plain_resize((image_shape[0], image_shape[1]), (mask.shape[0], mask.shape[1])):
        raise DatasetError(
            f"{path} must show the same view as {image.name}; it has {mask.shape[1]} x "
            f"{mask.shape[0]} pixels (width x height), the image {image_shape[1]} x "
            f"{image_shape[0]}: another shape. Export both from the same, uncropped image."
        )
    return resize_mask(mask, form.size, form.num_classes)


def is_plain_resize(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Return whether two sizes are one shape, up to rounding the smaller to whole pixels."""
    small, large = sorted([first, second])
    return (small[0] - 1) * large[1] < (small[1] + 1) * large[0] and (small[1] - 1) * large[0] < (
        small[0] + 1
    ) * large[1]


def _fingerprint(image: NDArray[np.uint8]) -> str:
    digest = hashlib.sha256(repr(image.shape).encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()

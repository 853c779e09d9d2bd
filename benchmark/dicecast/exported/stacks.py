"""The pixels of exported cases as stacks: each file is read whenever its row is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dicecast.data.images import read_image, read_mask
from dicecast.errors import DatasetError, DicecastError
from dicecast.exported.arrays import read_array
from dicecast.exported.files import PICTURES
from dicecast.stacks import LazyStack

CHANNELS = 3
_NO_TRAINING = (
    "The head compares cases with those that the model was trained on, which an export does not "
    "hold."
)


class MaskStack(LazyStack[np.uint8]):
    """Masks in files, ``(cases, height, width)``.

    Args:
        paths: Of each case.
        size: Height and width that each must have.
        classes: The index of the class by pixel value.
    """

    def __init__(
        self, paths: Sequence[Path], size: tuple[int, int], classes: Mapping[int, int]
    ) -> None:
        super().__init__((len(paths), *size), np.dtype(np.uint8))
        self.paths, self.classes = paths, classes

    def read(self, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return some masks.

        Raises:
            DatasetError: One cannot be read, is of another size, or has a value of no class.
        """
        found = np.empty((len(rows), *self.row_shape), np.uint8)
        for place, row in enumerate(rows):
            found[place] = self._mask(self.paths[row])
        return found

    def _mask(self, path: Path) -> NDArray[np.uint8]:
        if not path.name.lower().endswith(PICTURES):
            return _indices(path, read_array(path, self.row_shape, "buif"), self.classes)
        mask = read_mask(path, self.classes)
        check_size(path, mask.shape, self.row_shape)
        return mask


class ImageStack(LazyStack[np.uint8]):
    """Images in files, ``(cases, height, width, 3)``.

    Args:
        paths: Of each case.
        size: Height and width that each must have.
    """

    def __init__(self, paths: Sequence[Path], size: tuple[int, int]) -> None:
        super().__init__((len(paths), *size, CHANNELS), np.dtype(np.uint8))
        self.paths = paths

    def read(self, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return some images.

        Raises:
            DatasetError: One cannot be read, or is of another size.
        """
        found = np.empty((len(rows), *self.row_shape), np.uint8)
        for place, row in enumerate(rows):
            image = read_image(self.paths[row], CHANNELS)
            check_size(self.paths[row], image.shape[:2], self.row_shape[:2])
            found[place] = image
        return found


class AbsentImages:
    """Stands for images that were not exported: a head that reads them gets an error.

    Args:
        cases: How many.
        size: Height and width.
        reason: Why there are none, and what to do.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, cases: int, size: tuple[int, ...], reason: str) -> None:
        self.shape = (cases, *size, CHANNELS)
        self.reason = reason

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> AbsentImages:
        rows = np.arange(len(self))[key]
        return AbsentImages(rows.size, self.shape[1:3], self.reason)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        raise DicecastError(self.reason)


class NoTrainingRole:
    """Stands for the cases that the model was trained on: a head that reads them gets an error."""

    def __getattr__(self, name: str) -> Any:
        raise DicecastError(_NO_TRAINING)

    def __len__(self) -> int:
        raise DicecastError(_NO_TRAINING)


def check_size(path: Path, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Check the size of a picture.

    Raises:
        DatasetError: It is another one.
    """
    if found != expected:
        raise DatasetError(
            f"{path} must have {expected[0]} x {expected[1]} pixels (height x width), as the "
            f"predictions do; it has {found[0]} x {found[1]}. Export both at one size."
        )


def _indices(path: Path, values: NDArray[Any], classes: Mapping[int, int]) -> NDArray[np.uint8]:
    """Return the class of each pixel of a mask that was saved as an array."""
    mask = np.full(values.shape, len(classes), np.int64)
    for value, index in classes.items():
        mask[values == value] = index
    strange = mask == len(classes)
    if strange.any():
        examples = ", ".join(str(value) for value in np.unique(values[strange])[:5])
        raise DatasetError(
            f"{path} must hold the values {', '.join(map(str, sorted(classes)))} only, one a "
            f"class; it also holds {examples} ({int(strange.sum())} pixels). Name the values in "
            "mask_values, or export the class of each pixel."
        )
    return mask.astype(np.uint8)

"""What a model said of each case, read from its files and checked: one row of numbers a pixel."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dicecast.data.images import MAX_PIXELS, header_size
from dicecast.errors import DatasetError
from dicecast.exported.arrays import Form, array_form, check_form, read_array
from dicecast.exported.files import ARRAYS, PICTURES, folders, part_files
from dicecast.exported.manifest import Manifest
from dicecast.exported.stacks import MaskStack
from dicecast.stacks import LazyStack

DRAWS, PROBABILITIES, MASKS, MAPS = "draws", "probabilities", "masks", "maps"
KINDS = {DRAWS: ARRAYS, PROBABILITIES: ARRAYS, MASKS: (*PICTURES, *ARRAYS)}
"""The folders, one of which an export has, with the endings of their files."""

SUM_WITHIN = 1e-3
"""How far from 1 the probabilities of a pixel may sum up: float16 is that coarse."""

MOST_BYTES = 2**31
"""Of one case as it is read."""


@dataclass(frozen=True)
class Layout:
    """What every case's prediction is made of.

    Attributes:
        kind: A key of ``KINDS``.
        size: Height and width.
        num_draws: How many draws; 1 where there are none.
        num_classes: Background included.
        maps: Names of the uncertainty maps, in order.
        logits: Whether a softmax is to be applied.
    """

    kind: str
    size: tuple[int, int]
    num_draws: int
    num_classes: int
    maps: tuple[str, ...]
    logits: bool

    @property
    def numbers(self) -> int:
        """Numbers a pixel that are of the draws."""
        return self.num_draws * self.num_classes

    @property
    def row_shape(self) -> tuple[int, int, int]:
        """Height, width, and the numbers of a pixel: draw after draw of the classes, then maps."""
        return *self.size, self.numbers + len(self.maps)

    @property
    def file_shape(self) -> tuple[int, ...]:
        """The shape of the array in a file of draws or probabilities."""
        draws = (self.num_draws,) if self.kind == DRAWS else ()
        return (*draws, *self.size, self.num_classes)


class PredictionStack(LazyStack[np.float32]):
    """Predictions in files, ``(cases, *layout.row_shape)``.

    Args:
        layout: Of each.
        paths: Of each case's draws, probabilities or mask.
        maps: Of each case's maps, by name.
        manifest: What the numbers mean.
    """

    def __init__(
        self,
        layout: Layout,
        paths: Sequence[Path],
        maps: Mapping[str, Sequence[Path]],
        manifest: Manifest,
    ) -> None:
        super().__init__((len(paths), *layout.row_shape), np.dtype(np.float32))
        self.layout, self.paths, self.maps = layout, paths, maps
        self._masks = MaskStack(paths, layout.size, manifest.class_of_value)

    def read(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the predictions of some cases; of a case asked for twice, files are read once.

        Raises:
            DatasetError: A file cannot be read, or breaks a rule of docs.
        """
        distinct, places = np.unique(rows, return_inverse=True)
        found = np.empty((len(distinct), *self.row_shape), np.float32)
        for place, row in enumerate(distinct):
            found[place, ..., : self.layout.numbers] = self._draws(int(row))
            for number, (name, paths) in enumerate(self.maps.items(), start=self.layout.numbers):
                found[place, ..., number] = _uncertainty(paths[int(row)], name, self.layout.size)
        return found if len(distinct) == len(rows) else found[places]

    def check(self) -> None:
        """Read every case once.

        Raises:
            DatasetError: See ``read``.
        """
        for row in range(len(self)):
            self.read(np.array([row]))

    def _draws(self, row: int) -> NDArray[np.float32]:
        """Return the draws of a case, ``(height, width, draws * classes)``."""
        layout = self.layout
        if layout.kind == MASKS:
            return np.eye(layout.num_classes, dtype=np.float32)[self._masks[row]]
        path = self.paths[row]
        values = _floats(path, layout.file_shape)
        if not layout.logits:
            _check_probabilities(path, values)
        if layout.kind == DRAWS:
            values = np.moveaxis(values, 0, 2)
        return values.reshape(*layout.size, layout.numbers)


def _floats(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the floats of a file, which must all be finite as float32."""
    read = read_array(path, shape, "f")
    with np.errstate(over="ignore"):  # what overflows is infinite, and refused
        values = read.astype(np.float32)
    strange = int(values.size - np.count_nonzero(np.isfinite(values)))
    if strange:
        raise DatasetError(
            f"{path} must hold finite numbers; {strange} of {values.size} are NaN or infinite. "
            "Look for an overflow (float16?) or a division by zero, and export the case again."
        )
    return values


def _check_probabilities(path: Path, values: NDArray[np.float32]) -> None:
    sums = values.sum(axis=-1)
    if values.min() < 0 or np.abs(sums - 1.0).max() > SUM_WITHIN:
        raise DatasetError(
            f"{path} must hold probabilities: at least 0, with the sum 1 over the classes, the "
            f"last axis (to {SUM_WITHIN:g}); the least is {values.min():.4g}, sums are from "
            f"{sums.min():.4g} to {sums.max():.4g}. Apply a softmax, or write values = "
            '"logits" in export.toml; classes come last.'
        )


def _uncertainty(path: Path, name: str, size: tuple[int, int]) -> NDArray[np.float32]:
    values = _floats(path, size)
    if values.min() < 0:
        raise DatasetError(
            f"{path} must hold an uncertainty map: at least 0, high where unsure; the least is "
            f"{values.min():.4g}. Turn the map '{name}' round, for instance 1 - confidence."
        )
    return values


@dataclass(frozen=True)
class PredictionFiles:
    """The files of all cases' predictions, with their layout, told by the headers alone."""

    layout: Layout
    paths: list[Path]
    maps: dict[str, list[Path]]


def find_predictions(root: Path, stems: Sequence[str], manifest: Manifest) -> PredictionFiles:
    """Find the files of predictions, and check all headers.

    Raises:
        DatasetError: A file is missing or astray, or the shapes differ.
    """
    kinds = [kind for kind in KINDS if (root / kind).is_dir()]
    if len(kinds) != 1:
        raise DatasetError(
            f"{root} must hold one of the folders {', '.join(f'{kind}/' for kind in KINDS)}; it "
            f"has {' and '.join(kinds) or 'none'}. Draws say more than their mean, and a mean "
            "more than its mask: keep what says most."
        )
    kind = kinds[0]
    paths = part_files(root, kind, stems, KINDS[kind])
    maps = {name: part_files(root, f"{MAPS}/{name}", stems, ARRAYS) for name in _maps(root)}
    if kind == MASKS and not maps:
        raise DatasetError(
            f"{root} has masks/ alone, which say nothing about uncertainty. Add a map, such as "
            f"{MAPS}/uncertainty/{stems[0]}.npz, or export probabilities."
        )
    layout = _layout(kind, paths[0], manifest, tuple(maps))
    if kind != MASKS:
        _check_headers(paths, layout.file_shape)
    for found in maps.values():
        _check_headers(found, layout.size)
    return PredictionFiles(layout, paths, maps)


def _check_headers(paths: Sequence[Path], shape: tuple[int, ...]) -> None:
    for path in paths:
        check_form(path, array_form(path), shape, "f")


def _maps(root: Path) -> list[str]:
    names = folders(root, MAPS)
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
            raise DatasetError(
                f"{root / MAPS} must hold folders named by small letters, digits and _; got "
                f"{name!a}. Rename it: it is the name of a measure in the results."
            )
    return names


def _layout(kind: str, path: Path, manifest: Manifest, maps: tuple[str, ...]) -> Layout:
    """Return the layout that the first file has."""
    classes, draws = len(manifest.classes), 1
    if kind == MASKS:
        picture = path.name.lower().endswith(PICTURES)
        size = header_size(path) if picture else array_form(path).shape
        if len(size) != 2:
            raise DatasetError(f"{path} must be a mask (height, width); got the shape {size}.")
    else:
        form = array_form(path)
        draws, size = _draws_and_size(kind, path, form, manifest)
    height, width = size
    layout = Layout(kind, (height, width), draws, classes, maps, manifest.values == "logits")
    if height * width > MAX_PIXELS or 4 * np.prod(layout.row_shape, dtype=float) > MOST_BYTES:
        raise DatasetError(
            f"{path} must have at most {MAX_PIXELS:,} pixels and be at most {MOST_BYTES >> 20} MiB "
            f"as float32; got the shape {(draws, *size, classes)}. Export fewer draws or pixels."
        )
    return layout


def _draws_and_size(
    kind: str, path: Path, form: Form, manifest: Manifest
) -> tuple[int, tuple[int, ...]]:
    axes = "(draws, height, width, classes)" if kind == DRAWS else "(height, width, classes)"
    expected = len(manifest.classes)
    if len(form.shape) != axes.count(",") + 1 or form.shape[-1] != expected:
        raise DatasetError(
            f"{path} must have the axes {axes} with {expected} classes "
            f"({', '.join(manifest.classes)}); got the shape {form.shape}. Move the axis of the "
            "classes to the end, or correct classes in export.toml."
        )
    return (form.shape[0] if kind == DRAWS else 1), form.shape[-3:-1]

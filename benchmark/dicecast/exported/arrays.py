"""Reads the one array of a file, whose form is known or told by its header before it is read."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from dicecast.errors import DatasetError, DicecastError

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_DAMAGE = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What a broken file makes its readers raise (an encrypted archive: RuntimeError)."""


class Form(NamedTuple):
    """What a header says: the shape of the array, and the kind of its numbers (NumPy's letter)."""

    shape: tuple[int, ...]
    kind: str


def array_form(path: Path) -> Form:
    """Return the form of the array in a file, of which only the header is read.

    Raises:
        DatasetError: The file cannot be read, or does not hold one array of numbers.
    """
    with _reading(path):
        if _is_nifti(path):
            image = _nifti(path)
            return Form(tuple(map(int, image.shape)), image.get_data_dtype().kind)
        with _stream(path) as stream:
            return _header(stream)


def read_array(path: Path, shape: tuple[int, ...], kinds: str) -> NDArray[Any]:
    """Return the array of a file.

    Args:
        path: ``.npz`` with one array, ``.npy``, or NIfTI (``.nii``, ``.nii.gz``; needs nibabel).
        shape: What it must have: a file that claims to hold more is refused unread.
        kinds: Letters of the kinds of numbers that it may hold.

    Raises:
        DatasetError: It cannot be read, or is of another shape or kind.
    """
    check_form(path, array_form(path), shape, kinds)
    with _reading(path):
        if _is_nifti(path):
            return np.asanyarray(_nifti(path).dataobj)
        with _stream(path) as stream:
            values = npy.read_array(stream, allow_pickle=False)
            if stream.read(1):
                raise ValueError("more bytes follow the array")
    return np.asarray(values)


def check_form(path: Path, form: Form, shape: tuple[int, ...], kinds: str) -> None:
    """Check a header.

    Raises:
        DatasetError: It is not of this shape, or of none of the kinds.
    """
    if form.shape != shape:
        raise DatasetError(
            f"{path} must hold an array of the shape {shape}, as the other files do; got "
            f"{form.shape}. Export all cases at one size, with the same classes and draws."
        )
    if form.kind not in kinds:
        names = {"f": "floats", "b": "bool", "u": "unsigned integers", "i": "integers"}
        allowed = " or ".join(names[kind] for kind in kinds)
        raise DatasetError(
            f"{path} must hold {allowed}; got {names.get(form.kind, f'kind {form.kind!r}')}. "
            "Convert the array before it is saved."
        )


def _header(stream: IO[bytes]) -> Form:
    version = npy.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"its array is in version {version} of NumPy's format, not (1, 0)")
    shape, _, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise ValueError("it holds pickled Python objects, which are never loaded")
    if dtype.fields is not None or any(side < 1 for side in shape):
        raise ValueError(f"its header says {dtype} {shape}, which is no array of numbers")
    return Form(shape, dtype.kind)


@contextmanager
def _stream(path: Path) -> Iterator[IO[bytes]]:
    """Open the one array of a .npy or .npz file."""
    if path.name.lower().endswith(".npy"):
        with path.open("rb") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != 1 or not names[0].endswith(".npy"):
            held = ", ".join(repr(name) for name in names[:5]) or "nothing"
            raise ValueError(f"it must hold one array; it holds {held}")
        with archive.open(names[0]) as member:
            yield member


def _is_nifti(path: Path) -> bool:
    return path.name.lower().endswith((".nii", ".nii.gz"))


def _nifti(path: Path) -> Any:
    try:
        from nibabel import load  # noqa: PLC0415  an extra
        from nibabel.filebasedimages import ImageFileError  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise DicecastError(
            f"{path} is NIfTI, which needs nibabel. Install it with: pip install 'dicecast[nifti]'"
        ) from error
    try:
        return load(path)
    except ImageFileError as error:
        raise ValueError(str(error)) from error


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise DatasetError(
            f"{path} must hold one array that can be read to its end: {type(error).__name__}: "
            f"{error}. Export it again: .npz or .npy by NumPy, without pickles, or NIfTI."
        ) from error

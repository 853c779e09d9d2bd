"""Reads image and mask files of any common kind into small arrays of one form.

Pixels follow these rules: 8-bit values are kept; 16-bit grey is divided by 257, so that 65535
becomes 255; floats must lie in [0, 1] and are multiplied by 255; 1-bit becomes 0 and 255. Palettes
and CMYK become RGB, transparency is ignored, grey is repeated where three channels are asked for,
and colour becomes luma where one is. A camera's EXIF orientation is applied, to masks as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from dicecast.data.problems import listed
from dicecast.errors import DatasetError

MAX_PIXELS = 80_000_000
"""Pixels in the largest image that is decoded: small files can claim to be enormous."""

_FORMATS = ("PNG", "JPEG", "JPEG2000", "TIFF", "BMP", "GIF", "WEBP", "PPM", "TGA")
"""What is read. Not all that Pillow knows: for PostScript it would start another program."""

_DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_UNDECLARED = 255


def read_image(path: Path, channels: int) -> NDArray[np.uint8]:
    """Return an image of any mode as ``(height, width, channels)``, see the rules above.

    Args:
        path: The file, of one of ``_FORMATS``.
        channels: 3 for RGB or 1 for grey.

    Raises:
        DatasetError: The file is unreadable, truncated, too large, holds several pictures, or
            has pixel values outside the range of the rules.
    """
    image = _decode(path)
    if image.mode in _DEEP_MODES or image.mode == "F":
        image = Image.fromarray(_to_bytes(np.asarray(image), path))
    with _reading(path):
        converted = image.convert("RGB" if channels == 3 else "L")
    return np.asarray(converted, dtype=np.uint8).reshape(*converted.size[::-1], channels)


def read_mask(path: Path, classes: Mapping[int, int]) -> NDArray[np.uint8]:
    """Return a mask as ``(height, width)`` class indices.

    Args:
        path: A file with one channel, or equal ones; a palette is read by index, 1 bit as 0/1.
        classes: Index of the class by pixel value.

    Raises:
        DatasetError: As for images; or a pixel value is not declared.
    """
    values = _one_channel(np.asarray(_decode(path)), path)
    # The last entry stands for every value that is out of the table's reach.
    lookup = np.full(max([*classes, 255]) + 2, _UNDECLARED, np.uint8)
    for value, index in classes.items():
        lookup[value] = index
    if values.dtype != np.uint8:
        values = values.astype(np.int64)
        values = np.where((values < 0) | (values >= len(lookup)), len(lookup) - 1, values)
    mask: NDArray[np.uint8] = lookup[values]
    if (mask == _UNDECLARED).any():
        raise _undeclared(path, mask, classes)
    return mask


def header_size(path: Path) -> tuple[int, int]:
    """Return height and width as the file's header states them, upright, without decoding."""
    with _reading(path), Image.open(path, formats=_FORMATS) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        return image.size if turned else (image.height, image.width)


def resize_image(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Stretch an image to ``size`` (height, width): bilinear, averaging where it shrinks.

    Pillow widens its triangle filter with the shrinkage, which prevents aliasing, and computes
    in integers, so that every machine gets the same pixels.
    """
    if image.shape[:2] == size:
        return image
    picture = Image.fromarray(image if image.shape[2] == 3 else image[..., 0])
    resized = picture.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8).reshape(*size, image.shape[2])


def resize_mask(
    mask: NDArray[np.uint8], size: tuple[int, int], num_classes: int
) -> NDArray[np.uint8]:
    """Stretch a mask to ``size`` (height, width): a pixel gets the class that covers most of it.

    Small structures survive this vote better than taking the nearest pixel. Areas are exact
    whole numbers, so the result is the same everywhere; a tie goes to the lower class.
    """
    if mask.shape == size:
        return mask
    votes = np.empty((num_classes, *size), np.int64)
    for index in range(1, num_classes):
        rows = _covered((mask == index).view(np.uint8), size[0])
        votes[index] = _covered(np.ascontiguousarray(rows.T), size[1]).T
    votes[0] = mask.size - votes[1:].sum(axis=0)
    winner: NDArray[np.uint8] = votes.argmax(axis=0).astype(np.uint8)
    return winner


def _covered(values: NDArray[Any], new: int) -> NDArray[np.int64]:
    """Return the sum under each of ``new`` equal parts of the first axis, times ``new``.

    Whole pixels first, then the pixel that each edge cuts moves its share across: no matrix
    product, since those of several threads wait for each other.
    """
    old = len(values)
    whole, rest = np.divmod(np.arange(new + 1) * old, new)
    sums: NDArray[np.int64] = np.add.reduceat(values, whole[:-1], axis=0, dtype=np.int64)
    sums[np.diff(whole) == 0] = 0
    cut = values[np.minimum(whole, old - 1)] * rest[:, None]
    covered: NDArray[np.int64] = sums * new + np.diff(cut, axis=0)
    return covered


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except DatasetError:
        raise
    # A broken file makes Pillow raise almost anything, from SyntaxError to struct.error.
    except Exception as error:
        raise DatasetError(
            f"{path} must be an image that can be read to its end: {type(error).__name__}: "
            f"{error}. Fetch or export the file again."
        ) from error


def _decode(path: Path) -> Image.Image:
    with _reading(path), Image.open(path, formats=_FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise DatasetError(
                f"{path} must have at most {MAX_PIXELS:,} pixels; its header says {image.width} x "
                f"{image.height}. Shrink the image."
            )
        # Phones write a second picture into MPO files, beside the one that is meant.
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
            raise DatasetError(
                f"{path} must hold one picture; it holds {getattr(image, 'n_frames', 1)}. "
                "Save one file a picture."
            )
        image.load()
        return ImageOps.exif_transpose(image)


def _to_bytes(values: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    """Scale 16-bit integers, or floats in [0, 1], to 0..255."""
    if not np.isfinite(values).all():
        raise DatasetError(
            f"{path} must hold finite pixel values; it holds NaN or infinity. Replace them, or "
            "leave the case out."
        )
    wide = values.astype(np.float64)
    top = 1 if values.dtype.kind == "f" else 65535
    if wide.size and (wide.min() < 0 or wide.max() > top):
        raise DatasetError(
            f"{path} must hold {'floats' if top == 1 else 'integers'} between 0 and {top}; got "
            f"{wide.min():g} to {wide.max():g}. Save it with 8 or 16 bits a pixel."
        )
    return np.rint(wide * (255 / top)).astype(np.uint8)


def _one_channel(values: NDArray[Any], path: Path) -> NDArray[Any]:
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and (values == np.rint(values)).all()):
            raise DatasetError(
                f"{path} must hold whole numbers, one a class; it holds fractions or NaN. Save "
                "the mask as an 8-bit PNG."
            )
        values = values.astype(np.int64)
    if values.ndim == 3:
        colours = values[..., : 3 if values.shape[2] >= 3 else 1]
        if (colours != colours[..., :1]).any():
            raise DatasetError(
                f"{path} must be a mask of one channel; it is in colour. Save the class of each "
                "pixel as an 8-bit grey PNG."
            )
        values = colours[..., 0]
    return values


def _undeclared(path: Path, mask: NDArray[np.uint8], classes: Mapping[int, int]) -> DatasetError:
    values = _one_channel(np.asarray(_decode(path)), path)
    found, counts = np.unique(values[mask == _UNDECLARED], return_counts=True)
    strangers = [f"{value} ({count} pixels)" for value, count in zip(found, counts, strict=True)]
    return DatasetError(
        f"{path} must hold the pixel values {listed(map(str, sorted(classes)))} only; it also "
        f"holds {listed(strangers)}. Declare them in mask_values, or export the mask without "
        "smoothing or lossy compression."
    )

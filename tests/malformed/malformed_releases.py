"""The layout of ISIC 2017: parts, masks and tables of a release."""

# A case is one line, however long.
# ruff: noqa: E501

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from malformed_case import Case
from malformed_folders import picture
from malformed_suites import SUITE, write_suite

PARTS = ("Training", "Validation", "Test_v2")
TRAINING = "ISIC-2017_Training_Data"
TRUTH = "ISIC-2017_Training_Part1_GroundTruth"
TABLE = f"{TRAINING}/{TRAINING}_metadata.csv"
IMAGE = f"{TRAINING}/ISIC_0000000.jpg"
MASK = f"{TRUTH}/ISIC_0000000_segmentation.png"


def cases() -> Iterator[Case]:
    """Yield the cases of releases."""
    for title, change, says, settings in _CHANGES:
        yield _case(title, change, says, settings)


def _case(title: str, change: Callable[[Path], object], says: str, settings: str) -> Case:
    def build(folder: Path) -> list[str]:
        _write_release(folder / "data")
        change(folder / "data")
        text = SUITE.replace('name = "folder"', f'name = "isic2017"\n{settings}')
        return write_suite(folder, text, "--data-root", "data")

    return Case("ISIC 2017", title, build, says)


def _write_release(root: Path) -> None:
    generator = np.random.default_rng(0)
    mask = np.zeros((12, 10), np.uint8)
    mask[4:9, 2:8] = 255
    for place, part in enumerate(PARTS):
        images = root / f"ISIC-2017_{part}_Data"
        masks = root / f"ISIC-2017_{part}_Part1_GroundTruth"
        images.mkdir(parents=True)
        masks.mkdir()
        for number in range(10):
            stem = f"ISIC_{place * 100 + number:07}"
            noise = generator.integers(0, 256, (12, 10, 3), dtype=np.uint8)
            (images / f"{stem}.jpg").write_bytes(picture(noise, "JPEG"))
            (masks / f"{stem}_segmentation.png").write_bytes(picture(mask))


def _write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda root: (root / name).write_bytes(content)


def _link(name: str, target: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(target)

    return change


def _pipe(name: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / name).unlink(missing_ok=True)
        os.mkfifo(root / name)

    return change


_CHANGES: list[tuple[str, Callable[[Path], object], str, str]] = [
    ("a part is missing", lambda root: shutil.rmtree(root / TRUTH), TRUTH, ""),
    ("half of the test part is missing", lambda root: shutil.rmtree(root / "ISIC-2017_Test_v2_Data"), "ISIC-2017_Test_v2_Data", ""),
    ("a mask is missing", lambda root: (root / MASK).unlink(), "lacks ISIC_0000000", ""),
    ("an image is missing", lambda root: (root / IMAGE).unlink(), "lacks ISIC_0000000", ""),
    ("an image is text", _write(IMAGE, b"broken"), "ISIC_0000000.jpg", ""),
    ("an image is a link out of the root", _link(IMAGE, "/etc/passwd"), "ISIC_0000000.jpg is a link", ""),
    ("an image is a link to itself", _link(IMAGE, "ISIC_0000000.jpg"), "ISIC_0000000.jpg", ""),
    ("an image is a named pipe", _pipe(IMAGE), "ISIC_0000000.jpg", ""),
    ("a mask is in colour", _write(MASK, picture(np.arange(360, dtype=np.uint8).reshape(12, 10, 3))), "ISIC_0000000_segmentation.png", ""),
    ("a mask of another shape", _write(MASK, picture(np.zeros((3, 90), np.uint8))), "ISIC_0000000_segmentation.png", ""),
    ("the table has no column image_id", _write(TABLE, b"id,age\na,1"), "image_id", ""),
    ("the table is in UTF-16", _write(TABLE, "image_id,age\na,1".encode("utf-16")), "metadata.csv", ""),
    ("the table has an image twice", _write(TABLE, b"image_id,age\nISIC_0000000,1\nISIC_0000000,2"), "ISIC_0000000", ""),
    ("the table is a named pipe", _pipe(TABLE), "metadata.csv", ""),
    ("an image of the training part is tested", lambda root: shutil.copy(root / IMAGE, root / "ISIC-2017_Test_v2_Data/ISIC_0000200.jpg"), "same image", ""),
    ("a share of 0 for heads", lambda root: None, "quality_fraction", "quality_fraction = 0.0"),
    ("a share of NaN for heads", lambda root: None, "quality_fraction", "quality_fraction = nan"),
    ("a domain on a column that is not there", lambda root: None, "melanoma", 'domains = [{ name = "d", where = "melanoma == 1" }]'),
]  # fmt: skip

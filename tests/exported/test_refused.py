"""What is wrong in an export ends in one message that names the file and the remedy."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_exports import save
from numpy.lib import format as npy

from dicecast.errors import DicecastError
from dicecast.exported.export import open_export

CASE = "test1"
"""Of the role test; files of validation are read first, those of a case are in the test's order."""


def read_all(root: Path) -> None:
    """Read what scoring reads, without computing anything of it."""
    export = open_export(root)
    for images, predictions in export.predictions:
        for row in range(len(predictions)):
            predictions[row : row + 1]
            if (root / "images").is_dir():
                np.asarray(images[row : row + 1])


def draws(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        with np.load(root / "draws" / f"{CASE}.npz") as held:
            save(root / "draws", CASE, change(held["array"]))

    return apply


def text(name: str, old: str, new: str) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        content = (root / name).read_text()
        assert old in content
        (root / name).write_text(content.replace(old, new))

    return apply


def with_value(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array[0, 2, 3, 1] = value
        return array

    return change


def raw(part: str, name: str, content: bytes) -> Callable[[Path], None]:
    return lambda root: (root / part / name).write_bytes(content) and None


def archive(**arrays: np.ndarray) -> bytes:
    held = io.BytesIO()
    np.savez(held, **arrays)
    return held.getvalue()


def claims(shape: tuple[int, ...], content: bytes = b"") -> bytes:
    """An archive whose header claims an array of a shape, with other content."""
    array, held = io.BytesIO(), io.BytesIO()
    npy.write_array_header_1_0(array, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("array.npy", array.getvalue() + content)
    return held.getvalue()


def outside(root: Path) -> None:
    elsewhere = root.parent / "elsewhere.npz"
    (root / "draws" / f"{CASE}.npz").rename(elsewhere)
    (root / "draws" / f"{CASE}.npz").symlink_to(elsewhere)


def removed(part: str, name: str) -> Callable[[Path], None]:
    return lambda root: (root / part / name).unlink()


def map_of(values: np.ndarray, name: str = "entropy_of_mine") -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        for path in sorted((root / "draws").iterdir()):
            save(root / "maps" / name, path.stem, values)

    return apply


NPZ, PNG = f"{CASE}.npz", f"{CASE}.png"
MASK = np.zeros((16, 16), np.uint8)
PROBLEMS: dict[str, tuple[Callable[[Path], None], str]] = {
    "no manifest": (removed("", "export.toml"), "export.toml"),
    "manifest is no TOML": (text("export.toml", "name =", "name"), "export.toml .* not valid TOML"),
    "unknown key": (text("export.toml", "suite", "siute"), "siute.* mean 'suite'"),
    "one class": (text("export.toml", '"background", ', ""), "classes: .*at least 2"),
    "class twice": (text("export.toml", '"disc"', '"background"'), "classes has background twice"),
    "name is a path": (text("export.toml", '"their-model"', '"../up"'), "name: .*'../up'"),
    "classes mismatch": (text("export.toml", '"disc"', '"disc", "ring"'), "3 classes .*last|end"),
    "no table": (removed("", "cases.csv"), "cases.csv"),
    "unknown role": (text("cases.csv", f"{CASE},test", f"{CASE},tset"), "'tset'.* mean 'test'"),
    "no test": (text("cases.csv", ",test,", ",quality,"), "cases of the role test"),
    "stem is a path": (text("cases.csv", f"{CASE},", f"../{CASE},"), "'../test1' is no plain name"),
    "stem twice": (text("cases.csv", f"{CASE},", "test2,"), "one row a stem"),
    "patient in two roles": (
        text("cases.csv", "validation1,validation,validation1", "validation1,validation,test0"),
        "must be in one role",
    ),
    "missing case": (removed("draws", NPZ), f"draws/ lacks the case '{CASE}'"),
    "missing truth": (removed("truth", PNG), f"truth/ lacks the case '{CASE}'"),
    "extra case": (raw("draws", "other.npz", b""), "draws/'other.npz' is of no case"),
    "extra file": (raw("draws", "notes.txt", b""), "draws/'notes.txt' is no file that ends in"),
    "two files of a case": (raw("draws", f"{CASE}.npy", b""), f"{CASE}.npy and {CASE}.npz"),
    "link that leaves": (outside, "is a link to .*elsewhere.npz. Copy"),
    "two kinds": (
        lambda root: (root / "masks").mkdir(),
        "one of the folders draws/.*draws and masks",
    ),
    "map of no name": (lambda root: (root / "maps" / "My Map").mkdir(parents=True), "'My Map'"),
    "map of another size": (map_of(np.zeros((8, 8), np.float32)), r"shape \(16, 16\).*\(8, 8\)"),
    "map of NaN": (map_of(np.full((16, 16), np.nan, np.float32)), "256 of 256 are NaN"),
    "negative map": (map_of(np.full((16, 16), -0.5, np.float32)), "at least 0, high where unsure"),
    "fewer draws": (draws(lambda a: a[:2]), rf"{NPZ} .*\(3, 16, 16, 2\).*got \(2, 16, 16, 2\)"),
    "other size": (draws(lambda a: a[:, :8]), r"got \(3, 8, 16, 2\)"),
    "no axis of draws": (draws(lambda a: a[0]), r"got \(16, 16, 2\)"),
    "whole numbers": (draws(lambda a: a.astype(np.uint8)), "floats; got unsigned integers"),
    "complex numbers": (draws(lambda a: a.astype(np.complex64)), "floats; got kind 'c'"),
    "NaN": (draws(with_value(np.nan)), f"{NPZ} must hold finite numbers; 1 of 1536"),
    "beyond float32": (
        draws(lambda a: with_value(1e300)(a.astype(np.float64))),
        "1 of 1536 are NaN or infinite",
    ),
    "sums": (draws(lambda a: a * np.float32(1.01)), "sums are from 1.01 to 1.01. Apply a softmax"),
    "negative": (draws(lambda a: a * 3 - 1), "at least 0.*the least is -"),
    "pickles": (
        raw("draws", NPZ, archive(array=np.array([{"a": 1}], dtype=object))),
        "pickled Python objects",
    ),
    "several arrays": (raw("draws", NPZ, archive(a=MASK, b=MASK)), "it holds 'a.npy', 'b.npy'"),
    "no archive": (raw("draws", NPZ, b"PK no"), f"{NPZ} must hold one array.*BadZipFile"),
    "an empty file": (raw("draws", NPZ, b""), f"{NPZ} must hold one array"),
    "claims terabytes": (raw("draws", NPZ, claims((3, 10**6, 10**6, 2))), "got .*1000000"),
    "holds less": (raw("draws", NPZ, claims((3, 16, 16, 2))), f"{NPZ} must hold one array"),
    "holds more": (
        raw("draws", NPZ, claims((3, 16, 16, 2), bytes(4 * 1536 + 2**20))),
        "more bytes follow",
    ),
    "truth of another size": (
        lambda root: save(root / "truth", CASE, np.zeros((16, 8), np.uint8), ".png"),
        f"{PNG} must have 16 x 16 pixels.*has 16 x 8",
    ),
    "truth of another class": (
        lambda root: save(root / "truth", CASE, MASK + 7, ".png"),
        rf"{PNG} must hold the pixel values 0, 1 only.*7 \(256 pixels\)",
    ),
    "truth is no picture": (raw("truth", PNG, b"GIF"), f"{PNG} must be an image"),
    "images lack cases": (lambda root: (root / "images").mkdir(), "images/ lacks the case"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_problem_is_named(export, problem):
    spoil, message = PROBLEMS[problem]
    read_all(export)
    spoil(export)
    with pytest.raises(DicecastError, match=f"(?s){message}") as caught:
        read_all(export)
    assert "Traceback" not in str(caught.value)


def test_truth_as_an_array_of_values_of_no_class(export):
    (export / "truth" / PNG).unlink()
    save(export / "truth", CASE, np.full((16, 16), 0.5), ".npy")
    with pytest.raises(DicecastError, match=r"test1.npy must hold the values 0, 1 only.*0.5 \(256"):
        open_export(export)


def test_a_named_pipe_is_no_file(export):
    (export / "draws" / NPZ).unlink()
    os.mkfifo(export / "draws" / NPZ)
    with pytest.raises(DicecastError, match="is no file that ends in"):
        open_export(export)


def test_an_image_that_is_in_two_roles(export):
    rng = np.random.default_rng(0)
    for path in (export / "truth").iterdir():
        save(export / "images", path.stem, rng.integers(0, 255, (16, 16, 3), np.uint8), ".png")
    read_all(export)
    (export / "images" / PNG).write_bytes((export / "images" / "quality0.png").read_bytes())
    with pytest.raises(DicecastError, match=r"quality0 \(quality\), the same pixels"):
        open_export(export)

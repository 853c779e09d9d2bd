"""Exported predictions, as ``dicecast score`` reads them: manifest, table, arrays, pictures."""

# A case is one line, however long.
# ruff: noqa: E501

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from malformed_case import Case
from numpy.lib import format as npy
from numpy.typing import NDArray
from PIL import Image

MANIFEST = 'name = "their-model"\nsuite = "theirs"\nclasses = ["background", "disc"]\n'
SIDE, DRAWS = 16, 3
CASE = "test1"
DRAWN, TRUE = f"export/draws/{CASE}.npz", f"export/truth/{CASE}.png"
ZEROS: NDArray[Any] = np.zeros((SIDE, SIDE), np.float32)

Change = Callable[[Path], object]


def cases() -> Iterator[Case]:
    """Yield the cases of exported predictions."""
    for title, change, says in _PROBLEMS:
        yield _case(title, change, says)


def write_export(folder: Path) -> None:
    """Write an export that nothing is wrong with."""
    rng = np.random.default_rng(0)
    (folder / "truth").mkdir(parents=True)
    (folder / "draws").mkdir()
    rows = ["stem,role,group,domain"]
    for role, count in (("validation", 2), ("quality", 4), ("test", 4)):
        for number in range(count):
            stem = f"{role}{number}"
            truth = np.zeros((SIDE, SIDE), np.uint8)
            truth[4:12, 3 : 9 + number] = 1
            inside = np.clip(truth + rng.normal(0, 0.2, (DRAWS, SIDE, SIDE)), 0.01, 0.99)
            draws = np.stack([1 - inside, inside], axis=-1).astype(np.float32)
            np.savez(folder / "draws" / f"{stem}.npz", draws=draws)
            Image.fromarray(truth).save(folder / "truth" / f"{stem}.png")
            rows.append(f"{stem},{role},{stem},")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    (folder / "export.toml").write_text(MANIFEST)


def _case(title: str, change: Change, says: str) -> Case:
    def build(folder: Path) -> list[str]:
        write_export(folder / "export")
        change(folder)
        return ["score", "export"]

    return Case("exported predictions", title, build, says)


def _text(name: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        path = folder / "export" / name
        content = path.read_text()
        assert old in content
        path.write_text(content.replace(old, new))

    return change


def _write(path: str, content: bytes) -> Change:
    return lambda folder: (folder / path).write_bytes(content)


def _removed(path: str) -> Change:
    return lambda folder: (folder / path).unlink()


def _folder(path: str) -> Change:
    return lambda folder: (folder / path).mkdir(parents=True)


def _draws(made: Callable[[NDArray[np.float32]], NDArray[Any]]) -> Change:
    def change(folder: Path) -> None:
        with np.load(folder / DRAWN) as held:
            draws = held["draws"]
        np.savez(folder / DRAWN, draws=made(draws))

    return change


def _with_value(value: float) -> Callable[[NDArray[np.float32]], NDArray[Any]]:
    def change(draws: NDArray[np.float32]) -> NDArray[Any]:
        found = draws.astype(np.float64)
        found[0, 2, 3, 1] = value
        return found

    return change


def _map(values: NDArray[Any], name: str = "entropy_of_mine") -> Change:
    def change(folder: Path) -> None:
        place = folder / "export" / "maps" / name
        place.mkdir(parents=True)
        for path in (folder / "export" / "draws").iterdir():
            np.savez(place / path.name, values=values)

    return change


def _truth(mask: NDArray[Any]) -> Change:
    return lambda folder: Image.fromarray(mask.astype(np.uint8)).save(folder / TRUE)


def _truth_as_array(values: NDArray[Any]) -> Change:
    def change(folder: Path) -> None:
        (folder / TRUE).unlink()
        np.save((folder / TRUE).with_suffix(".npy"), values)

    return change


def _archive(**arrays: NDArray[Any]) -> Change:
    held = io.BytesIO()
    np.savez(held, **arrays)
    return _write(DRAWN, held.getvalue())


def _claim(shape: tuple[int, ...], content: bytes = b"") -> Change:
    """An archive whose header claims an array of a shape, with other content."""
    array, held = io.BytesIO(), io.BytesIO()
    npy.write_array_header_1_0(array, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("array.npy", array.getvalue() + content)
    return _write(DRAWN, held.getvalue())


def _linked(target: str) -> Change:
    def change(folder: Path) -> None:
        (folder / DRAWN).rename(folder / "elsewhere.npz")
        (folder / DRAWN).symlink_to(folder / target)

    return change


def _pipe(folder: Path) -> None:
    (folder / DRAWN).unlink()
    os.mkfifo(folder / DRAWN)


def _images(names: dict[str, int]) -> Change:
    """Images of noise; ``names`` gives some of them a seed, so that two are alike."""

    def change(folder: Path) -> None:
        place = folder / "export" / "images"
        place.mkdir()
        for number, path in enumerate(sorted((folder / "export" / "truth").iterdir())):
            rng = np.random.default_rng(names.get(path.stem, number + 100))
            Image.fromarray(rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8)).save(place / path.name)

    return change


def _no_export(folder: Path) -> None:
    (folder / "export").rename(folder / "export_")


SHAPE = (DRAWS, SIDE, SIDE, 2)
_PROBLEMS: list[tuple[str, Change, str]] = [
    ("no folder", _no_export, "export"),
    ("no manifest", _removed("export/export.toml"), "export.toml"),
    ("a manifest that is no TOML", _text("export.toml", "name =", "name"), "export.toml"),
    ("a manifest with an unknown key", _text("export.toml", "suite", "siute"), "mean 'suite'"),
    ("one class", _text("export.toml", '"background", ', ""), "at least 2"),
    ("a class twice", _text("export.toml", '"disc"', '"background"'), "background twice"),
    ("a name that is a path", _text("export.toml", "their-model", "../up"), "'../up'"),
    ("a suite that is a path", _text("export.toml", "theirs", "../up"), "'../up'"),
    ("a name with an escape", _text("export.toml", "their-model", "\\u001b[2J"), "name"),
    ("more classes than the draws have", _text("export.toml", '"disc"', '"disc", "ring"'), "3 classes"),
    ("a map of its own that there is not", _text("export.toml", "name", 'own_map = "x"\nname'), "own_map"),
    ("a head that there is not", _text("export.toml", "]\n", ']\n[[heads]]\nname = "x"\n'), "'x'"),
    ("no table", _removed("export/cases.csv"), "cases.csv"),
    ("an empty table", _write("export/cases.csv", b""), "cases.csv"),
    ("a table that is no text", _write("export/cases.csv", bytes(range(256))), "cases.csv"),
    ("an unknown role", _text("cases.csv", f"{CASE},test", f"{CASE},tset"), "mean 'test'"),
    ("no test cases", _text("cases.csv", ",test,", ",quality,"), "test"),
    ("a stem that is a path", _text("cases.csv", f"\n{CASE},", f"\n../{CASE},"), "'../test1'"),
    ("a stem twice", _text("cases.csv", f"\n{CASE},", "\ntest2,"), "test2"),
    ("a patient in two roles", _text("cases.csv", "validation1,validation,validation1", "validation1,validation,test0"), "in one role"),
    ("a case without draws", _removed(DRAWN), f"draws/ lacks the case '{CASE}'"),
    ("a case without truth", _removed(TRUE), f"truth/ lacks the case '{CASE}'"),
    ("images of some cases only", _folder("export/images"), "images/ lacks the case"),
    ("a file of no case", _write("export/draws/other.npz", b""), "draws/'other.npz' is of no case"),
    ("a file of another kind", _write("export/draws/notes.txt", b""), "notes.txt"),
    ("two files of a case", _write(f"export/draws/{CASE}.npy", b""), f"{CASE}.npy and {CASE}.npz"),
    ("a link that leaves the folder", _linked("elsewhere.npz"), "elsewhere.npz"),
    ("a link to nothing", _linked("nowhere.npz"), f"{CASE}.npz"),
    ("a named pipe", _pipe, f"{CASE}.npz"),
    ("draws and masks", _folder("export/masks"), "draws and masks"),
    ("a map that is no name", _folder("export/maps/My Map"), "'My Map'"),
    ("a map with the name of a measure", _map(ZEROS, "variance"), "variance"),
    ("a map of another size", _map(ZEROS[:8]), "(8, 16)"),
    ("a map of NaN", _map(ZEROS + np.nan), "256 of 256 are NaN"),
    ("a negative map", _map(ZEROS - 0.5), "at least 0"),
    ("fewer draws than the others", _draws(lambda a: a[:2]), "(2, 16, 16, 2)"),
    ("another size than the others", _draws(lambda a: a[:, :8]), "(3, 8, 16, 2)"),
    ("no axis of draws", _draws(lambda a: a[0]), "(16, 16, 2)"),
    ("whole numbers", _draws(lambda a: a.astype(np.uint8)), "floats"),
    ("complex numbers", _draws(lambda a: a.astype(np.complex64)), "floats"),
    ("NaN", _draws(_with_value(np.nan)), "1 of 1536 are NaN or infinite"),
    ("infinity", _draws(_with_value(np.inf)), "1 of 1536 are NaN or infinite"),
    ("a number beyond 32 bits", _draws(_with_value(1e300)), "1 of 1536 are NaN or infinite"),
    ("probabilities that sum to 1.01", _draws(lambda a: a * np.float32(1.01)), "sums are from 1.01 to 1.01"),
    ("negative probabilities", _draws(lambda a: a * 3 - 1), "the least is -"),
    ("pickles", _archive(draws=np.array([{"a": 1}], dtype=object)), "pickled Python objects"),
    ("several arrays", _archive(a=ZEROS, b=ZEROS), "'a.npy', 'b.npy'"),
    ("no archive", _write(DRAWN, b"PK no"), f"{CASE}.npz"),
    ("an empty archive", _write(DRAWN, b""), f"{CASE}.npz"),
    ("an archive that claims terabytes", _claim((3, 10**6, 10**6, 2)), "1000000"),
    ("an archive that holds less than it claims", _claim(SHAPE), f"{CASE}.npz"),
    ("an archive that holds more than it claims", _claim(SHAPE, bytes(4 * 1536 + 2**20)), "more bytes follow"),
    ("truth of another size", _truth(ZEROS[:, :8]), "16 x 8"),
    ("truth of another class", _truth(ZEROS + 7), "7 (256 pixels)"),
    ("truth that is no picture", _write(TRUE, b"GIF"), f"{CASE}.png"),
    ("truth as an array of no class", _truth_as_array(ZEROS + 0.5), "0.5 (256"),
    ("an image in two roles", _images({"quality0": 0, CASE: 0}), "the same pixels"),
]  # fmt: skip

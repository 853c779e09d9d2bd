"""Folders of images and masks: broken pictures, masks that do not fit, links, names and tables."""

# A case is one line, however long.
# ruff: noqa: E501

from __future__ import annotations

import io
import os
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from malformed_case import Case
from malformed_suites import SUITE, write_suite
from PIL import Image

STEMS = [f"case{number:02}" for number in range(40)]
FIRST = "case00"


def cases() -> Iterator[Case]:
    """Yield the cases of datasets in a folder."""
    for title, content, says in _images():
        yield _folder("images", title, _write("images/case00.png", content), says)
    for title, content, says in _masks():
        yield _folder("masks", title, _write("masks/case00.png", content), says)
    for title, change, says in _FILES:
        yield _folder("folders", title, change, says)
    for title, name in _NAMES.items():
        yield _folder("names", title, _named(name), "control characters")
    for title, content, says in _TABLES:
        yield _folder("tables", title, _write("meta.csv", content), says)
    for title, settings, says in _SETTINGS:
        yield _folder("dataset settings", title, lambda root: None, says, settings)
    for title, root in _ROOTS.items():
        yield Case("folders", title, _root(root), "--data-root")


def picture(values: np.ndarray, form: str = "PNG", **options: object) -> bytes:
    """Return an image file."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, form, **options)
    return buffer.getvalue()


def write_pictures(root: Path) -> None:
    """Write 40 small cases that nothing is wrong with."""
    generator = np.random.default_rng(0)
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    mask = np.zeros((12, 10), np.uint8)
    mask[4:9, 2:8] = 255
    for stem in STEMS:
        noise = generator.integers(0, 256, (12, 10, 3), dtype=np.uint8)
        (root / "images" / f"{stem}.png").write_bytes(picture(noise))
        (root / "masks" / f"{stem}.png").write_bytes(picture(mask))


def _folder(
    family: str, title: str, change: Callable[[Path], object], says: str, settings: str = ""
) -> Case:
    def build(folder: Path) -> list[str]:
        write_pictures(folder / "data")
        change(folder / "data")
        text = SUITE.replace('name = "folder"', f'name = "folder"\n{settings}')
        return write_suite(folder, text, "--data-root", "data")

    return Case(family, title, build, says)


def _write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda root: (root / name).write_bytes(content)


def _image(shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, shape).astype(dtype)


def _png(width: int, height: int, data: bytes, depth: int = 8, colour: int = 0) -> bytes:
    """Return a PNG whose header says whatever it is told to."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
        (b"IDAT", data),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def _bomb(side: int) -> bytes:
    """Return a PNG of black rows that is a thousandth as large as its pixels."""
    packer = zlib.compressobj(9)
    rows = [packer.compress(bytes(side + 1)) for _ in range(side)]
    return _png(side, side, b"".join([*rows, packer.flush()]))


def _animation() -> bytes:
    frames = [Image.fromarray(np.full((12, 10), grey, np.uint8)) for grey in (0, 99, 255)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def _images() -> Iterator[tuple[str, bytes, str]]:
    whole, name = picture(_image((12, 10, 3))), "images/case00.png"
    jpeg = picture(_image((12, 10, 3)), "JPEG")
    yield "an empty file", b"", name
    yield "text instead of a picture", b"not an image", name
    yield "HTML, as of a download that failed", b"<html><b>404</b></html>", name
    yield "a PNG cut short", whole[:200], name
    yield "a PNG cut after its header", whole[:40], name
    yield "a JPEG cut short", jpeg[: len(jpeg) // 3], name
    yield "a PNG with a wrong checksum", whole[:60] + b"\0\1\2" + whole[63:], name
    yield "a header of 100,000 x 100,000", _png(10**5, 10**5, zlib.compress(b"")), name
    yield "a header of 2**31 - 1 pixels square", _png(2**31 - 1, 2**31 - 1, b""), name
    yield "a header of 12,000 x 12,000", _png(12_000, 12_000, zlib.compress(b"")), name
    yield "a header of 0 x 0", _png(0, 0, zlib.compress(b"")), name
    yield "a decompression bomb of 81 million pixels", _bomb(9000), name
    yield "a decompression bomb of 400 million pixels", _bomb(20_000), name
    yield "a 16-bit picture cut short", picture(_image((12, 10), np.uint16))[:100], name
    yield "an animation", _animation(), name
    yield "floats beyond 1", picture(_image((12, 10), np.float32), "TIFF"), name
    yield "NaN", picture(np.full((12, 10), np.nan, np.float32), "TIFF"), name
    yield "infinity", picture(np.full((12, 10), np.inf, np.float32), "TIFF"), name
    yield "32-bit integers", picture(_image((12, 10), np.int32) * 10_000, "TIFF"), name
    yield "PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 12\n%%EndComments\n", name
    yield "a NumPy archive", _npz(), name
    yield "another shape than its mask", picture(_image((12, 30, 3))), "masks/case00.png"
    yield "all NUL bytes", bytes(500), name


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, image=np.array([{"a": 1}], dtype=object))
    return buffer.getvalue()


def _masks() -> Iterator[tuple[str, bytes, str]]:
    name, ones = "masks/case00.png", np.ones((12, 10), np.uint8)
    yield "an empty file", b"", name
    yield "text instead of a mask", b"0 0 0 1", name
    yield "a value that is no class", picture(ones * 7), name
    yield "grey values of a smooth edge", picture(_image((12, 10))), name
    yield "a JPEG, which invents values", picture(_image((12, 10)), "JPEG"), name
    yield "colours", picture(_image((12, 10, 3))), name
    yield "colours with transparency", picture(_image((12, 10, 4))), name
    yield "16-bit values that are no class", picture(ones.astype(np.uint16) * 40_000), name
    yield "fractions", picture(np.full((12, 10), 0.5, np.float32), "TIFF"), name
    yield "NaN", picture(np.full((12, 10), np.nan, np.float32), "TIFF"), name
    yield "negative numbers", picture(np.full((12, 10), -1, np.int32), "TIFF"), name
    yield "half the height of its image", picture(np.zeros((6, 10), np.uint8)), name
    yield "turned by 90 degrees", picture(np.zeros((10, 12), np.uint8)), name
    yield "a palette of a class that is not declared", _palette(), name
    yield "CMYK", picture(_image((12, 10, 3)), "TIFF")[:50], name
    yield "a header of 100,000 x 100,000", _png(10**5, 10**5, b""), name
    yield "a decompression bomb of 81 million pixels", _bomb(9000), name


def _palette() -> bytes:
    image = Image.fromarray(np.full((12, 10), 3, np.uint8), "P")
    image.putpalette([0, 0, 0] * 256)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _outside(name: str) -> Callable[[Path], object]:
    """Move a file out of the root, and put a link in its place."""

    def change(root: Path) -> None:
        kept = root.parent / "outside"
        (root / name).rename(kept)
        (root / name).symlink_to(kept)

    return change


def _replace(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / name).unlink()
        make(root / name)

    return change


def _only(count: int) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        for part in ("images", "masks"):
            for stem in STEMS[count:]:
                (root / part / f"{stem}.png").unlink()

    return change


def _swap(part: str) -> Callable[[Path], object]:
    """Put a file where a folder is expected."""

    def change(root: Path) -> None:
        shutil.rmtree(root / part)
        (root / part).write_text("a file")

    return change


def _raters(change: Callable[[Path], object]) -> Callable[[Path], object]:
    def make(root: Path) -> None:
        shutil.copytree(root / "masks", root / "raters" / "r1")
        change(root / "raters")

    return make


_FILES: list[tuple[str, Callable[[Path], object], str]] = [
    ("a mask is missing", lambda root: (root / "masks/case00.png").unlink(), "masks lacks case00"),
    ("an image is missing", lambda root: (root / "images/case00.png").unlink(), "images lacks"),
    ("no folder of masks", lambda root: shutil.rmtree(root / "masks"), "masks"),
    ("no folder of images", lambda root: shutil.rmtree(root / "images"), "images"),
    ("nothing in the folders", _only(0), "must hold cases"),
    ("one case, and four roles", _only(1), "has no cases"),
    ("two images of a stem", lambda root: shutil.copy(root / "images/case00.png", root / "images/case00.bmp"), "case00.bmp"),
    ("stems that differ in their ending alone", lambda root: shutil.copy(root / "masks/case00.png", root / "masks/case00.tif"), "case00.tif"),
    ("a folder among the images", lambda root: (root / "images/more").mkdir(), "images/more"),
    ("a folder named as an image", _replace("images/case00.png", Path.mkdir), "images/case00.png"),
    ("a file named images", _swap("images"), "images"),
    ("a file named masks", _swap("masks"), "masks"),
    ("a file named raters", lambda root: (root / "raters").write_text("x"), "raters"),
    ("a file among the raters", _raters(lambda raters: (raters / "notes.txt").write_text("x")), "raters/notes.txt"),
    ("a rater without a mask", _raters(lambda raters: (raters / "r1/case00.png").unlink()), "raters/r1 lacks case00"),
    ("a rater's mask of another shape", _raters(_write("r1/case00.png", picture(np.zeros((3, 90), np.uint8)))), "raters/r1/case00.png"),
    ("a link of an image out of the root", _outside("images/case00.png"), "images/case00.png is a link"),
    ("a link of a mask out of the root", _outside("masks/case00.png"), "masks/case00.png is a link"),
    ("a link of a folder out of the root", _outside("images"), "images is a link"),
    ("an image that is a link to itself", _replace("images/case00.png", lambda path: path.symlink_to(path)), "images/case00.png"),
    ("a mask that is a link to nothing", _replace("masks/case00.png", lambda path: path.symlink_to("nothing")), "masks/case00.png"),
    ("an image that is a link to a device", _replace("images/case00.png", lambda path: path.symlink_to("/dev/zero")), "images/case00.png"),
    ("an image that is a named pipe", _replace("images/case00.png", os.mkfifo), "images/case00.png"),
    ("a mask that is a named pipe", _replace("masks/case00.png", os.mkfifo), "masks/case00.png"),
    ("meta.csv is a folder", lambda root: (root / "meta.csv").mkdir(), "meta.csv"),
    ("meta.csv is a named pipe", lambda root: os.mkfifo(root / "meta.csv"), "meta.csv"),
    ("meta.csv is a link to itself", lambda root: (root / "meta.csv").symlink_to("meta.csv"), "meta.csv"),
    ("meta.csv leads out of the root", lambda root: (root / "meta.csv").symlink_to("/etc/passwd"), "meta.csv is a link"),
    ("the same image in two roles", lambda root: [shutil.copy(root / "images/case00.png", root / f"images/{stem}.png") for stem in STEMS[1:]], "same image"),
]  # fmt: skip

_NAMES = {
    "a newline": "case\n00",
    "a terminal's escape": "\x1b[31mcase",
    "marks from right to left": "case\u202egnp",
    "a carriage return": "case\r00",
    "bytes that are no UTF-8": os.fsdecode(b"case\xff"),
    "a line separator": "case\u2028x",
}
"""Names of images that no message or table could show as they are."""


def _named(name: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        for part in ("images", "masks"):
            (root / part / "case00.png").rename(root / part / f"{name}.png")

    return change


def _meta(header: str = "stem,group", row: str = "{0},{0}", first: str = "") -> bytes:
    rows = [row.format(stem) for stem in STEMS]
    return "\n".join([header, first or rows[0], *rows[1:]]).encode()


_TABLES: list[tuple[str, bytes, str]] = [
    ("an empty file", b"", "meta.csv"),
    ("a header alone", b"stem,group\n", "meta.csv lacks case00"),
    ("no column of stems", _meta("name,group"), "meta.csv"),
    ("a column that is almost 'stem'", _meta("stems,group"), "must have a column 'stem'"),
    ("a column twice", _meta("stem,group,group", "{0},{0},{0}"), "group"),
    ("the column of stems twice", _meta("stem,stem", "{0},{0}"), "stem"),
    ("a stem twice", _meta(first="case01,case01"), "'case01'"),
    ("a stem that has no file", _meta(first="ghost,ghost"), "ghost"),
    ("a stem that leads out of the folder", _meta(first="../secret,a"), "../secret"),
    ("an absolute path as stem", _meta(first="/etc/passwd,a"), "/etc/passwd"),
    ("an empty stem", _meta(first=",a"), "meta.csv"),
    ("an empty group", _meta(first="case00,"), "group"),
    ("more cells than columns", _meta(first="case00,a,b,c"), "meta.csv"),
    ("a quote that is never closed", _meta(first='case00,"a'), "meta.csv"),
    ("semicolons", _meta("stem;group", "{0};{0}"), "meta.csv"),
    ("tabs", _meta("stem\tgroup", "{0}\t{0}"), "meta.csv"),
    ("UTF-16", _meta().decode().encode("utf-16"), "meta.csv"),
    ("latin-1", _meta(first="case00,Jos\u00e9").decode().encode("latin-1"), "meta.csv"),
    ("NUL bytes", bytes(200), "meta.csv"),
    ("a NUL byte in a group", _meta(first="case00,a\0b"), "meta.csv"),
    ("a group with a terminal's escape", _meta(first="case00,\x1b[31mred"), "control characters"),
    ("a stem with a newline", _meta(first='"case\n00",a'), "control characters"),
    ("a group with a newline", _meta(first='case00,"a\nb"'), "control characters"),
    ("a group from right to left", _meta(first="case00,a\u202eb"), "control characters"),
    ("a column with an escape", _meta("stem,\x1b[2Jgroup"), "control characters"),
    ("a spreadsheet", b"PK\x03\x04" + bytes(range(256)), "meta.csv"),
    ("an HTML page", b"<html><body>404</body></html>", "meta.csv"),
    ("100,000 columns", b",".join(b"c%d" % n for n in range(10**5)), "100,000 columns"),
]  # fmt: skip

_SETTINGS = [
    ("channels = 2", "channels = 2", "channels"),
    ("a class that has no value", 'classes = ["background", "lesion"]', "foreground"),
    ("a class twice", 'classes = ["background", "foreground", "foreground"]', "foreground"),
    ("no classes", "classes = []", "classes"),
    ("the background alone", 'classes = ["background"]', "foreground"),
    ("a value that is no number", 'mask_values = { white = "foreground" }', "white"),
    ("a negative value", 'mask_values = { "-1" = "foreground" }', "-1"),
    ("a value beyond 16 bits", 'mask_values = { 99999 = "foreground" }', "99999"),
    ("shares that sum to 2", "fractions = { train = 1.0, test = 1.0 }", "fractions"),
    ("a negative share", "fractions = { train = 1.5, test = -0.5 }", "fractions"),
    ("a share that is NaN", "fractions = { train = nan, test = 1.0 }", "fractions"),
    ("a role that is none", "fractions = { train = 0.5, tset = 0.5 }", "Did you mean 'test'?"),
    ("no test role", "fractions = { train = 0.5, validation = 0.25, quality = 0.25 }", "test"),
    ("no training role", "fractions = { test = 0.5, validation = 0.25, quality = 0.25 }", "train"),
    ("a split without its column", 'split = { a = "train" }', "split"),
    ("a split to a role that is none", 'split = { a = "tset" }', "Did you mean 'test'?"),
    ("an expression that runs code", "exclude = \"__import__('os').system('true')\"", "__import__"),
    ("an expression on no column", 'exclude = "age > 3"', "age"),
    ("an expression that is cut short", 'exclude = "stem =="', "stem =="),
    ("an expression nested 400 deep", f'exclude = "{"(" * 400}stem{")" * 400}"', "cannot be"),
    ("an expression of 100,000 letters", f'exclude = "{"a" * 10**5}"', "1000 characters"),
    ("text compared with a number", 'exclude = "stem > 3"', "text is compared with number"),
    ("everybody excluded", "exclude = \"stem != ''\"", "exclude"),
    ("a domain without cases", 'domains = [{ name = "d", where = "stem == \'x\'" }]', "'d'"),
    ("a domain with a path as name", 'domains = [{ name = "../d", where = "stem != \'\'" }]', "../d"),
    ("a domain with HTML as name", 'domains = [{ name = "<b>", where = "stem != \'\'" }]', "<b>"),
    ("two domains of a name", 'domains = [{ name = "d", where = "a == 1" }, { name = "d", where = "a == 1" }]', "d more than once"),
    ("a domain called in_distribution", 'domains = [{ name = "in_distribution", where = "a == 1" }]', "in_distribution"),
    ("a domain that takes every case", 'domains = [{ name = "d", where = "stem != \'\'" }]', "has no cases"),
]  # fmt: skip

_ROOTS: dict[str, Callable[[Path], object]] = {
    "the root is missing": lambda root: None,
    "the root is a file": lambda root: root.write_text("x"),
    "the root is a link to itself": lambda root: root.symlink_to(root),
    "the root is a named pipe": os.mkfifo,
}


def _root(make: Callable[[Path], object]) -> Callable[[Path], list[str]]:
    def build(folder: Path) -> list[str]:
        make(folder / "data")
        return write_suite(folder, SUITE, "--data-root", "data")

    return build

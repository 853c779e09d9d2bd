"""Suite files: values out of range, wrong types, unknown keys, and files that are no TOML."""

# A case is one line, however long.
# ruff: noqa: E501

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from malformed_case import Case

SUITE = """\
name = "mine"
image_size = [16, 16]
seeds = [0]
[dataset]
name = "folder"
[backbone]
name = "unet"
width = 4
depth = 2
[training]
epochs = 1
[[estimators]]
name = "softmax"
"""

NUMBERS = {
    "image_size": "[{}, 16]",
    "failure_threshold": "{}",
    "seeds": "[{}]",
    "training.epochs": "{}",
    "training.batch_size": "{}",
    "training.learning_rate": "{}",
    "training.patience": "{}",
    "compute.sampling_batch_size": "{}",
    "quality_fit.folds": "{}",
    "bootstrap.resamples": "{}",
    "bootstrap.seed": "{}",
    "bootstrap.level": "{}",
    "quality.tolerance": "{}",
    "backbone.width": "{}",
    "backbone.depth": "{}",
}
"""Every number of a suite by its key, and how it is written."""

WRONG_TYPES = {
    "name": "3",
    "description": "['a']",
    "image_size": '"64x64"',
    "failure_threshold": '"high"',
    "seeds": "7",
    "dataset": '"folder"',
    "backbone": "[]",
    "training": "3",
    "training.epochs": '"ten"',
    "training.batch_size": "2.5",
    "training.learning_rate": "[0.1]",
    "training.patience": "true",
    "training.augment": '"yes"',
    "compute": "true",
    "compute.accelerate": "1",
    "compute.precision": '"float8"',
    "compute.data_parallel": '"no"',
    "quality_fit": "'held_out'",
    "quality_fit.protocol": "0",
    "quality_fit.folds": "'5'",
    "bootstrap": "1000",
    "bootstrap.level": "'95 %'",
    "quality": "'dice'",
    "quality.target": "'accuracy'",
    "quality.class_name": "1",
    "estimators": "'softmax'",
    "heads": "{ a = 1 }",
    "comparisons": "[1]",
    "dataset.name": "1",
    "dataset.channels": "'three'",
    "dataset.classes": "'lesion'",
    "dataset.domains": "[3]",
    "backbone.width": "1979-05-27",
}

UNKNOWN = {
    "sedes": "seeds",
    "training.epoch": "epochs",
    "compute.precison": "precision",
    "quality_fit.fold": "folds",
    "bootstrap.resample": "resamples",
    "quality.targt": "target",
    "backbone.widht": "width",
    "dataset.chanels": "channels",
    "estimators.softmax.temprature": "setting",
}


def cases() -> Iterator[Case]:
    """Yield the cases of suite files."""
    for (key, form), value in itertools.product(NUMBERS.items(), ("nan", "inf", "-1", f"{10**15}")):
        yield _set("suite: numbers", f"{key} = {form.format(value)}", key, form.format(value))
    for key, value in WRONG_TYPES.items():
        yield _set("suite: types", f"{key} = {value}", key, value)
    for key, meant in UNKNOWN.items():
        yield _set("suite: keys", f"unknown key {key}", key, "1", meant)
    for title, old, new, says in _REPLACED:
        yield _suite("suite: values", title, SUITE.replace(old, new, 1).encode(), says)
    for title, content, says in _contents():
        yield _suite("suite: files", title, content, says)
    for title, make in _PLACES.items():
        yield Case("suite: files", title, make, "suite.toml")


def write_suite(folder: Path, text: str = SUITE, *more: str) -> list[str]:
    """Write a suite and return the arguments that run it."""
    (folder / "suite.toml").write_text(text, encoding="utf-8")
    return ["run", "suite.toml", *more]


def _set(family: str, title: str, key: str, value: str, says: str = "") -> Case:
    """A suite whose value is changed by --set, which goes through the same checks."""
    return Case(
        family,
        title,
        lambda folder: write_suite(folder, SUITE, "--set", f"{key}={value}"),
        says or key.rpartition(".")[2],
    )


def _suite(family: str, title: str, content: bytes, says: str) -> Case:
    def build(folder: Path) -> list[str]:
        (folder / "suite.toml").write_bytes(content)
        return ["run", "suite.toml"]

    return Case(family, title, build, says)


_REPLACED = [
    ("a name that leads out of the results", '"mine"', '"../mine"', "name"),
    ("an absolute path as name", '"mine"', '"/tmp/mine"', "name"),
    ("an empty name", '"mine"', '""', "name"),
    ("a name of 5,000 letters", '"mine"', f'"{"m" * 5000}"', "name"),
    ("a name with HTML", '"mine"', '"<script>alert(1)</script>"', "name"),
    ("a name with a terminal's escape", '"mine"', '"\\u001b[31mred"', "\\x1b"),
    ("a description with a bell", 'name = "mine"', 'name = "mine"\ndescription = "\\u0007"', "\\x07"),
    ("a description from right to left", '"mine"', '"mine"\ndescription = "a\\u202eb"', "\\u202e"),
    ("a key with an escape", "epochs = 1", '"\\u001b[2J" = 1', "\\x1b"),
    ("an estimator that is not there", '"softmax"', '"sofmax"', "Did you mean 'softmax'?"),
    ("an estimator with a path as name", '"softmax"', '"../softmax"', "../softmax"),
    ("a dataset that is not there", '"folder"', '"foldr"', "Did you mean 'folder'?"),
    ("a backbone that is not there", '"unet"', '"unett"', "Did you mean 'unet'?"),
    ("a label with a slash", 'name = "softmax"', 'name = "softmax"\nlabel = "a/b"', "label"),
    ("the same estimator twice", "[[estimators]]", '[[estimators]]\nname = "softmax"\n[[estimators]]', "twice"),
    ("the same seed twice", "[0]", "[0, 0]", "seeds"),
    ("no seed", "[0]", "[]", "seeds"),
    ("one side of an image", "[16, 16]", "[16]", "image_size"),
    ("three sides of an image", "[16, 16]", "[16, 16, 3]", "image_size"),
    ("no dataset", '[dataset]\nname = "folder"', "", "dataset"),
    ("no estimator", '[[estimators]]\nname = "softmax"', "", "estimators"),
    ("estimators as one table", "[[estimators]]", "[estimators]", "estimators"),
    ("a key twice", "epochs = 1", "epochs = 1\nepochs = 2", "suite.toml"),
    ("a table twice", "[training]", "[training]\n[training]", "training"),
    ("a whole number of 30 digits", "epochs = 1", f"epochs = {10**29}", "64 bits"),
    ("a whole number of 100,000 digits", "epochs = 1", f"epochs = {'9' * 10**5}", "suite.toml"),
    ("a hexadecimal number of 100,000 digits", "epochs = 1", f"epochs = 0x{'f' * 10**5}", "64 bits"),
    ("a comparison of one estimator", "[training]", '[[comparisons]]\nquestion = "q"\nscore = "a:b"\nagainst = "c"\n[training]', "both sides"),
    ("a comparison without metrics", "[training]", '[[comparisons]]\nquestion = "q"\nscore = "a"\nagainst = "c"\nexpect = "lower"\n[training]', "metrics"),
]  # fmt: skip


def _contents() -> Iterator[tuple[str, bytes, str]]:
    text = SUITE.encode()
    yield "an empty file", b"", "suite.toml"
    yield "nothing but blanks", b" \n\t\n", "suite.toml"
    yield "UTF-16", SUITE.encode("utf-16"), "UTF-8"
    yield "latin-1", 'name = "é"'.encode("latin-1"), "UTF-8"
    yield "NUL bytes", b"\0" * 100, "suite.toml"
    yield "a NUL byte in a text", text.replace(b"mine", b"mi\0ne"), "suite.toml"
    yield "JSON", b'{"name": "mine"}', "suite.toml"
    yield "YAML", b"name: mine\n", "suite.toml"
    yield "a PNG", b"\x89PNG\r\n\x1a\n" + bytes(64), "suite.toml"
    yield "cut short", text[: text.index(b"folder") + 3], "suite.toml"
    yield "lists nested 10,000 deep", b"seeds = " + b"[" * 10**4 + b"]" * 10**4, "deep"
    yield "tables nested 10,000 deep", b"a = " + b"{a=" * 10**4 + b"1" + b"}" * 10**4, "deep"
    yield "a key of 100,000 parts", b"a." * 10**5 + b"a = 1", "deep"
    yield "a table of 100,000 parts", b"[" + b"a." * 10**5 + b"a]\nb = 1", "deep"
    yield "lists nested 20 deep", text.replace(b"[0]", b"[" * 20 + b"]" * 20), "deep"
    yield "a key of 500,000 letters", text + b"k" * 500_000 + b" = 1", "kkkk"
    yield "a text of 900,000 letters", text.replace(b"mine", b"m" * 900_000), "name"
    yield "100,000 keys", b"\n".join(b"k%d = 1" % n for n in range(10**5)), "suite.toml"


def _many_keys(folder: Path) -> list[str]:
    with (folder / "suite.toml").open("w") as file:
        file.writelines(f"k{number} = 1\n" for number in range(10**7))
    return ["run", "suite.toml"]


def _sparse(folder: Path) -> list[str]:
    with (folder / "suite.toml").open("wb") as file:
        file.truncate(2**40)
    return ["run", "suite.toml"]


def _made(make: Callable[[Path], object]) -> Callable[[Path], list[str]]:
    def build(folder: Path) -> list[str]:
        make(folder / "suite.toml")
        return ["run", "suite.toml"]

    return build


_PLACES: dict[str, Callable[[Path], list[str]]] = {
    "10 million keys": _many_keys,
    "a file of 1 TiB": _sparse,
    "no such file": _made(lambda path: None),
    "a folder": _made(Path.mkdir),
    "a link to itself": _made(lambda path: path.symlink_to(path)),
    "a link to nothing": _made(lambda path: path.symlink_to("nothing")),
    "a link to a device": _made(lambda path: path.symlink_to("/dev/zero")),
    "a named pipe": _made(os.mkfifo),
}

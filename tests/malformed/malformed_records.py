"""Records and leaderboards: sidecars, tables, and what lies beside them."""

# A case is one line, however long.
# ruff: noqa: E501

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from malformed_case import Case

from dicecast.record_seal import SEAL, sealed
from dicecast.records import Record, ScoreInfo, Sidecar, write_record

SOFTMAX = "results/mine/records/softmax/seed-0"


def cases() -> Iterator[Case]:
    """Yield the cases of records and leaderboards."""
    for title, content, says in _contents():
        yield _case("sidecars", title, _write(f"{SOFTMAX}.json", content), says)
    for title, path, value, says in _VALUES:
        yield _case("sidecars", title, _valued(path, value), says)
    for title, change, says in _TABLES:
        yield _case("tables of records", title, _table(change), says)
    for title, content, says in _PARQUET:
        yield _case("tables of records", title, _parquet(content), says)
    for title, change, says in _PLACES:
        yield _case("results", title, change, says)
    for title, arguments, change, says in _WRITTEN:
        yield _case("leaderboards", title, change, says, arguments)


def write_records(folder: Path) -> None:
    """Write two estimators' records that nothing is wrong with."""
    for estimator in ("softmax", "random"):
        generator = np.random.default_rng(len(estimator))
        stems = [f"case{number:02}" for number in range(20)]
        dice = generator.uniform(0.3, 1.0, 20)
        table = pd.DataFrame(
            {"stem": stems, "group": stems, "domain": "in_distribution", "dice": dice}
        ).assign(empty_truth=False, empty_prediction=False, entropy=dice + 0.1)
        sidecar = Sidecar(
            suite="mine",
            estimator=estimator,
            seed=0,
            status="ok",
            failure_threshold=0.7,
            bootstrap={"resamples": 100, "seed": 0, "level": 0.95},
            hashes={"data": "d", "split": "s"},
            scores={"entropy": ScoreInfo(kind="aggregation")},
        )
        write_record(folder / "results", Record(sidecar, table))


def values_of(folder: Path) -> dict[str, Any]:
    """Return the values of a sidecar, without its seal."""
    values: dict[str, Any] = json.loads((folder / f"{SOFTMAX}.json").read_text())
    del values[SEAL]
    return values


def seal(folder: Path, values: dict[str, Any]) -> None:
    """Write a sidecar as the program would, whatever its values are."""
    text = json.dumps(values, indent=1)
    (folder / f"{SOFTMAX}.json").write_bytes(sealed(text))


def _case(
    family: str,
    title: str,
    change: Callable[[Path], object],
    says: str,
    arguments: Sequence[str] = (),
) -> Case:
    def build(folder: Path) -> list[str]:
        write_records(folder)
        change(folder)
        return ["leaderboard", "mine", *arguments]

    return Case(family, title, build, says)


def _write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def _contents() -> Iterator[tuple[str, bytes, str]]:
    name = "seed-0.json"
    yield "an empty file", b"", name
    yield "no JSON", b"seed: 0", name
    yield "a list", b"[]", "JSON object"
    yield "null", b"null", "JSON object"
    yield "a number", b"1e999", name
    yield "cut short", b'{"suite": "mine", "estim', name
    yield "lists nested 10,000 deep", b"[" * 10**4 + b"]" * 10**4, name
    yield "objects nested 10,000 deep", b'{"a":' * 10**4 + b"1" + b"}" * 10**4, name
    yield "UTF-16", '{"schema_version": 2}'.encode("utf-16"), name
    yield "latin-1", '{"suite": "é"}'.encode("latin-1"), name
    yield "a byte order mark", b"\xef\xbb\xbf{}", name
    yield "NUL bytes", bytes(100), name
    yield "a whole number of 100,000 digits", b'{"seed": ' + b"9" * 10**5 + b"}", name
    yield "a text of 1,000,000 letters", b'{"suite": "' + b"a" * 10**6 + b'"}', name
    yield "100,000 unknown keys", json.dumps({f"k{n}": 0 for n in range(10**5)}).encode(), name
    yield "a version alone", b'{"schema_version": 1}', name


_VALUES: list[tuple[str, str, Any, str]] = [
    ("a newer version", "schema_version", 99, "schema_version"),
    ("version 0", "schema_version", 0, "schema_version"),
    ("a version that is text", "schema_version", "2", "schema_version"),
    ("another protocol", "protocol_version", 99, "protocol version"),
    ("a key that is not known", "colour", "red", "colour"),
    ("another suite", "suite", "yours", "yours"),
    ("a suite that leads out of the results", "suite", "../mine", "../mine"),
    ("another estimator than its folder", "estimator", "random", "random/seed-0.json"),
    ("an estimator with an escape", "estimator", "\x1b[31mred", "\\x1b[31mred"),
    ("another seed than its file", "seed", 1, "seed-1.json"),
    ("a negative seed", "seed", -1, "seed--1.json"),
    ("a seed that is text", "seed", "0", "seed"),
    ("a seed that is a fraction", "seed", 0.5, "seed"),
    ("a status that is none", "status", "fine", "status"),
    ("a threshold of 0", "failure_threshold", 0.0, "failure_threshold"),
    ("a threshold of 1.2", "failure_threshold", 1.2, "failure_threshold"),
    ("a negative threshold", "failure_threshold", -1.0, "failure_threshold"),
    ("a threshold that is text", "failure_threshold", "0.7", "failure_threshold"),
    ("no resamples", "bootstrap.resamples", 0, "resamples"),
    ("10**15 resamples", "bootstrap.resamples", 10**15, "resamples"),
    ("a negative number of resamples", "bootstrap.resamples", -5, "resamples"),
    ("half a resample", "bootstrap.resamples", 100.5, "resamples"),
    ("a negative seed of resamples", "bootstrap.seed", -1, "seed"),
    ("intervals of 200 %", "bootstrap.level", 2.0, "level"),
    ("intervals of 0 %", "bootstrap.level", 0, "level"),
    ("a setting of the bootstrap that is none", "bootstrap.colour", 1, "colour"),
    ("no hashes", "hashes", {}, "hash"),
    ("a hash that is wrong", "hashes.cases", "0" * 64, "does not match the hash"),
    ("a hash that is a number", "hashes.cases", 1, "does not match the hash"),
    ("hashes that are a list", "hashes", [], "hashes"),
    ("other data than the other records", "hashes.data", "other", "data hash"),
    ("another split than the other records", "hashes.split", "other", "split hash"),
    ("a score that has no column", "scores.ghost", {"kind": "aggregation"}, "ghost"),
    ("a score of a kind that is none", "scores.entropy.kind", "guess", "kind"),
    ("a score that is a number", "scores.entropy", 1, "entropy"),
    ("a score with a newline as name", "scores.a\nb", {"kind": "head", "undefined": "x"}, "control characters"),
    ("a score with an escape as name", "scores.\x1b[2J", {"kind": "head", "undefined": "x"}, "control characters"),
    ("a score whose interval has no columns", "scores.entropy.interval_level", 0.9, "entropy/low"),
    ("a correlation of 7 on the quality role", "scores.entropy.on_quality", {"spearman": 7.0}, "spearman"),
    ("a quality target that is none", "suite_settings.quality", {"target": "magic"}, "target"),
    ("a quality target that is a list", "suite_settings.quality", [1], "quality"),
    ("a protocol of folds that is none", "suite_settings.quality_fit", {"protocol": "magic"}, "protocol"),
    ("folds that are text", "suite_settings.quality_fit", "five", "quality_fit"),
    ("metrics that are undefined without a reason", "undefined_pixels", {"a": None}, "undefined_pixels"),
    ("seconds that are text", "seconds", {"train": "long"}, "seconds"),
]  # fmt: skip


def _valued(path: str, value: Any) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        values = values_of(folder)
        place = values
        *steps, last = path.split(".")
        for step in steps:
            place = place[step]
        if isinstance(value, dict) and steps == ["scores"]:
            place[last] = {**place["entropy"], **value}
        else:
            place[last] = value
        seal(folder, values)

    return change


def _set_cell(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        values = table[column].tolist()
        values[3] = value
        return table.assign(**{column: values})

    return change


_TABLES: list[tuple[str, Callable[[pd.DataFrame], pd.DataFrame], str]] = [
    ("a Dice of 1.2", _set_cell("dice", 1.2), "Dice"),
    ("a Dice of -0.1", _set_cell("dice", -0.1), "Dice"),
    ("a Dice that is NaN", _set_cell("dice", np.nan), "Dice"),
    ("a Dice that is infinite", _set_cell("dice", np.inf), "Dice"),
    ("Dice that are text", lambda table: table.assign(dice="good"), "dice"),
    ("Dice that are dates", lambda table: table.assign(dice=pd.Timestamp("2020-01-01")), "dice"),
    ("a score that is infinite", _set_cell("entropy", np.inf), "entropy"),
    ("scores that are text", lambda table: table.assign(entropy="low"), "entropy"),
    ("scores that are lists", lambda table: table.assign(entropy=[[1.0]] * len(table)), "entropy"),
    ("a quality of 3", lambda table: table.assign(quality=3.0), "quality"),
    ("no column of Dice", lambda table: table.drop(columns="dice"), "dice"),
    ("no column of groups", lambda table: table.drop(columns="group"), "group"),
    ("no column of the score", lambda table: table.drop(columns="entropy"), "entropy"),
    ("no columns", lambda table: table[[]], "stem"),
    ("no rows", lambda table: table.iloc[:0], "no cases"),
    ("a case twice", lambda table: pd.concat([table, table.iloc[:1]]), "twice"),
    ("a case less than the other records", lambda table: table.iloc[:-1], "same cases"),
    ("other groups than the other records", _set_cell("group", "another"), "same cases"),
    ("a case without a name", _set_cell("stem", None), "stem"),
    ("a case without a group", _set_cell("group", None), "group"),
    ("a case without a domain", _set_cell("domain", None), "domain"),
    ("a domain with a newline", _set_cell("domain", "a\nb"), "control characters"),
    ("a domain with an escape", _set_cell("domain", "\x1b[31mred"), "control characters"),
    ("a case from right to left", _set_cell("stem", "a\u202eb"), "control characters"),
    ("a domain that the other records lack", _set_cell("domain", "<b>shift</b>"), "same cases"),
]  # fmt: skip


def _table(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], object]:
    def build(folder: Path) -> None:
        buffer = io.BytesIO()
        table = change(pd.read_parquet(folder / f"{SOFTMAX}.parquet"))
        table.to_parquet(buffer, index=False)
        _parquet(buffer.getvalue())(folder)

    return build


_PARQUET = [
    ("an empty file", b"", "seed-0.parquet"),
    ("a CSV", b"stem,dice\na,0.5\n", "seed-0.parquet"),
    ("the magic bytes alone", b"PAR1PAR1", "seed-0.parquet"),
    ("a footer beyond the file", b"PAR1" + bytes(8) + b"\xff\xff\xff\x7fPAR1", "seed-0.parquet"),
    ("NUL bytes", bytes(1000), "seed-0.parquet"),
    ("a pickle", b"\x80\x04\x95\x0c\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94.", "seed-0.parquet"),
]


def _parquet(content: bytes) -> Callable[[Path], object]:
    """Put other bytes in place of a table, with the hash that fits them."""

    def build(folder: Path) -> None:
        (folder / f"{SOFTMAX}.parquet").write_bytes(content)
        values = values_of(folder)
        values["hashes"]["cases"] = hashlib.sha256(content).hexdigest()
        seal(folder, values)

    return build


def _instead(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        make(path)

    return change


def _cut(name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return change


def _flip(name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return change


def _copied(folder: Path) -> None:
    shutil.copytree((folder / SOFTMAX).parent, (folder / SOFTMAX).parent.with_name("copy"))


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


_PLACES: list[tuple[str, Callable[[Path], object], str]] = [
    ("no results", _instead("results", lambda path: None), "results"),
    ("results are a file", _instead("results", lambda path: path.write_text("x")), "results"),
    ("results are a link to themselves", _instead("results", lambda path: path.symlink_to(path)), "results"),
    ("records are a file", _instead("results/mine/records", lambda path: path.write_text("x")), "results"),
    ("no records", _instead("results/mine/records", lambda path: None), "results"),
    ("a sidecar is a folder", _instead(f"{SOFTMAX}.json", Path.mkdir), "seed-0.json"),
    ("a sidecar is a named pipe", _instead(f"{SOFTMAX}.json", os.mkfifo), "seed-0.json"),
    ("a sidecar is a link to itself", _instead(f"{SOFTMAX}.json", lambda path: path.symlink_to(path)), "seed-0.json"),
    ("a sidecar is a link to a device", _instead(f"{SOFTMAX}.json", lambda path: path.symlink_to("/dev/zero")), "seed-0.json"),
    ("a sidecar of 1 TiB", _instead(f"{SOFTMAX}.json", _sparse), "seed-0.json"),
    ("a sidecar cut short", _cut(f"{SOFTMAX}.json"), "seed-0.json"),
    ("a bit of a sidecar that changed", _flip(f"{SOFTMAX}.json"), "seed-0.json"),
    ("a record in the folder of another estimator", _copied, "copy"),
    ("a table is missing", _instead(f"{SOFTMAX}.parquet", lambda path: None), "seed-0.parquet"),
    ("a table is a folder", _instead(f"{SOFTMAX}.parquet", Path.mkdir), "seed-0.parquet"),
    ("a table is a named pipe", _instead(f"{SOFTMAX}.parquet", os.mkfifo), "seed-0.parquet"),
    ("a table is a link to a device", _instead(f"{SOFTMAX}.parquet", lambda path: path.symlink_to("/dev/zero")), "seed-0.parquet"),
    ("a table of 1 TiB", _instead(f"{SOFTMAX}.parquet", _sparse), "seed-0.parquet"),
    ("a table cut short", _cut(f"{SOFTMAX}.parquet"), "does not match the hash"),
    ("a bit of a table that changed", _flip(f"{SOFTMAX}.parquet"), "does not match the hash"),
]  # fmt: skip


def _into(make: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: make(folder / "page.md")


_WRITTEN: list[tuple[str, list[str], Callable[[Path], object], str]] = [
    ("leaderboard.csv is a folder", ["--write"], lambda folder: (folder / "results/mine/leaderboard.csv").mkdir(), "leaderboard.csv"),
    ("leaderboard.md is a folder", ["--write"], lambda folder: (folder / "results/mine/leaderboard.md").mkdir(), "leaderboard.md"),
    ("a page without the markers", ["--into", "page.md"], _into(lambda path: path.write_text("# Page")), "page.md"),
    ("a page with one marker", ["--into", "page.md"], _into(lambda path: path.write_text("<!-- dicecast:begin mine -->")), "page.md"),
    ("a page that is not there", ["--into", "page.md"], _into(lambda path: None), "page.md"),
    ("a page that is a folder", ["--into", "page.md"], _into(Path.mkdir), "page.md"),
    ("a page in UTF-16", ["--into", "page.md"], _into(lambda path: path.write_text("# Page", encoding="utf-16")), "page.md"),
    ("a page that is a named pipe", ["--into", "page.md"], _into(os.mkfifo), "page.md"),
    ("a form that is none", ["--format", "html"], lambda folder: None, "html"),
    ("a suite file that is not there", ["--results", "nowhere"], lambda folder: None, "nowhere"),
]  # fmt: skip

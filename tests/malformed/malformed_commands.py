"""Arguments, cluster files, plug-in files, stores and folders of results."""

# A case is one line, however long.
# ruff: noqa: E501

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from malformed_case import Case
from malformed_folders import write_pictures
from malformed_suites import SUITE, write_suite

CLUSTER = 'system = "slurm"\nworkers = 2\ncores = 4\nmemory = "16 GB"\n'


def cases() -> Iterator[Case]:
    """Yield the cases of everything that is named on the command line."""
    for title, arguments, says in _ARGUMENTS:
        yield _case("arguments", title, arguments, says)
    for title, content, says in _CLUSTERS:
        yield _case("clusters", title, ["--cluster", "c.toml"], says, _write("c.toml", content))
    for title, make in _PLACES.items():
        change = _at("c.toml", make)
        yield _case("clusters", f"the file is {title}", ["--cluster", "c.toml"], "c.toml", change)
        change = _at("mine.py", make)
        yield _case("plug-ins", f"the file is {title}", ["--plugin", "mine.py"], "mine.py", change)
    for title, content, says in _PLUGINS:
        change = _write("mine.py", content)
        yield _case("plug-ins", title, ["--plugin", "mine.py"], says, change)
    for title, make in _NO_FOLDERS.items():
        for option in ("--store", "--results"):
            change = _at("place", make)
            yield _case("stores", f"{option} is {title}", [option, "place"], "place", change)
            beside = [option, "place/below"]
            yield _case("stores", f"{option} is below {title}", beside, "place", change)
    for title, url in _URLS.items():
        yield _case("stores", title, ["--store", url], url.split(":")[0])
    for title, command, says in _COMMANDS:
        yield Case("arguments", title, lambda folder, given=tuple(command): given, says)


def _case(
    family: str,
    title: str,
    arguments: list[str],
    says: str,
    change: Callable[[Path], object] = lambda folder: None,
) -> Case:
    def build(folder: Path) -> list[str]:
        write_pictures(folder / "data")
        change(folder)
        return write_suite(folder, SUITE, "--data-root", "data", *arguments)

    return Case(family, title, build, says)


def _write(name: str, content: str | bytes) -> Callable[[Path], object]:
    encoded = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(encoded)


def _at(name: str, make: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda folder: make(folder / name)


_ARGUMENTS = [
    ("seeds that are words", ["--seeds", "one"], "'one'"),
    ("a negative seed", ["--seeds=-1"], "seeds"),
    ("a seed twice", ["--seeds", "0,0"], "twice"),
    ("a seed beyond 30 bits", ["--seeds", f"{10**12}"], "seeds"),
    ("a seed of 5,000 digits", ["--seeds", "9" * 5000], "--seeds"),
    ("nothing between commas", ["--seeds", "1,,2"], "'1,,2'"),
    ("an estimator that is not there", ["--estimators", "sofmax"], "Did you mean 'softmax'?"),
    ("an estimator twice", ["--estimators", "softmax,softmax"], "twice"),
    ("commas alone as estimators", ["--estimators", ",,"], "estimators"),
    ("a path as estimator", ["--estimators", "../softmax"], "../softmax"),
    ("HTML as estimator", ["--estimators", "<b>softmax</b>"], "<b>softmax</b>"),
    ("an escape as estimator", ["--estimators", "\x1b[31msoftmax"], "\\x1b[31msoftmax"),
    ("a newline in a path", ["--results", "a\nb"], "a\\\\nb"),
    ("marks from right to left in a path", ["--results", "a\u202eb"], "\\u202e"),
    ("bytes that are no UTF-8", ["--results", os.fsdecode(b"a\xffb")], "\\udcff"),
    ("a change without a value", ["--set", "training.epochs"], "training.epochs"),
    ("a change without a key", ["--set", "=3"], "=3"),
    ("a change of an unknown key", ["--set", "training.epoch=3"], "Did you mean 'epochs'?"),
    ("a change below a value", ["--set", "name.first=1"], "name.first"),
    ("a change of an unknown estimator", ["--set", "estimators.swag.draws=1"], "swag"),
    ("a change that is cut short", ["--set", "seeds=[1,"], "[1,"),
    ("a change nested 10,000 deep", ["--set", f"seeds={'[' * 10**4}{']' * 10**4}"], "deep"),
    ("a key of 10,000 parts", ["--set", f"dataset.{'a.' * 10**4}a=1"], "parts"),
    ("a change to 5,000 digits", ["--set", f"seeds=[{'9' * 5000}]"], "seeds"),
    ("a key of 50,000 letters", ["--set", f"{'k' * 50_000}=1"], "unknown key"),
    ("a negative number of workers", ["--workers=-3"], "workers"),
    ("a billion workers", ["--workers", "1000000000"], "workers"),
    ("workers that are a word", ["--workers", "many"], "--workers"),
    ("two kinds of workers", ["--workers", "2", "--scheduler", "tcp://a:1"], "--scheduler"),
    ("an address without a scheme", ["--scheduler", "10.0.0.1:8786"], "10.0.0.1:8786"),
    ("an option that is not there", ["--colour", "red"], "--colour"),
    ("an option without its value", ["--seeds"], "--seeds"),
    ("an argument too many", ["another.toml"], "another.toml"),
]

_COMMANDS = [
    ("a command that is not there", ["rnu"], "rnu"),
    ("no suite", ["run"], "suite"),
    ("a suite that is not there", ["run", "quickstrat"], "Did you mean 'quickstart'?"),
    ("a suite that leads elsewhere", ["run", "../quickstart"], "../quickstart"),
    ("an empty name of a suite", ["run", ""], "''"),
    ("a name of 100,000 letters", ["run", "a" * 10**5], "There is no suite"),
    ("a file name of 300 letters", ["run", f"{'a' * 300}.toml"], ".toml"),
    ("HTML as suite", ["run", "<script>"], "<script>"),
    ("a kind that is not there", ["list", "estimator"], "Did you mean 'estimators'?"),
    ("a leaderboard of no suite", ["leaderboard", "../../etc"], "../../etc"),
    ("a case of no record", ["show", "quickstart", "worst"], "quickstart"),
    ("a picture into a folder that is missing", ["show", "quickstart", "worst", "--output", "no/a.png"], "no/a.png"),
    ("a profile into a folder that is missing", ["profile", "quickstart", "--write", "no/a.json"], "no/a.json"),
]  # fmt: skip


def _changed(old: str, new: str) -> str:
    assert old in CLUSTER
    return CLUSTER.replace(old, new, 1)


_CLUSTERS: list[tuple[str, str | bytes, str]] = [
    ("an empty file", "", "system"),
    ("no TOML", "system: slurm", "c.toml"),
    ("UTF-16", CLUSTER.encode("utf-16"), "UTF-8"),
    ("NUL bytes", bytes(50), "c.toml"),
    ("nested 10,000 deep", "a = " + "[" * 10**4, "deep"),
    ("a system that is none", _changed("slurm", "slrum"), "Did you mean 'slurm'?"),
    ("a system that is a number", _changed('"slurm"', "1"), "system"),
    ("a system that is a list", _changed('"slurm"', "[1]"), "system"),
    ("an unknown key", CLUSTER + "quue = 'a'", "Did you mean 'queue'?"),
    ("no workers", _changed("workers = 2\n", ""), "workers"),
    ("zero workers", _changed("workers = 2", "workers = 0"), "workers"),
    ("10**12 workers", _changed("workers = 2", f"workers = {10**12}"), "workers"),
    ("workers that are NaN", _changed("workers = 2", "workers = nan"), "workers"),
    ("half a core", _changed("cores = 4", "cores = 0.5"), "cores"),
    ("memory without a unit", _changed("16 GB", "16"), "memory"),
    ("negative memory", _changed("16 GB", "-16 GB"), "memory"),
    ("an infinite resource", CLUSTER + "[resources]\nGPU = inf", "GPU"),
    ("a resource of 0", CLUSTER + "[resources]\nGPU = 0.0", "GPU"),
    ("an escape in a queue", CLUSTER + 'queue = "\\u001b[31m"', "\\x1b"),
]

_PLACES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "a folder": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path),
    "a named pipe": os.mkfifo,
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
}

_ESTIMATOR = """\
from dataclasses import dataclass
from dicecast import register_estimator
@register_estimator("{}")
@dataclass(frozen=True)
class Mine:
    value: int = 1
    def fit(self, data, train_backbone, seed):
        raise NotImplementedError
"""

_PLUGINS: list[tuple[str, str | bytes, str]] = [
    ("an empty file", "", "registers nothing"),
    ("no Python", "this is no Python", "mine.py"),
    ("an error of indentation", "def f():\nreturn 1", "mine.py"),
    ("UTF-16", "x = 1".encode("utf-16"), "mine.py"),
    ("latin-1", "x = 'é'".encode("latin-1"), "mine.py"),
    ("NUL bytes", bytes(50), "mine.py"),
    ("brackets nested 10,000 deep", "(" * 10**4 + ")" * 10**4, "mine.py"),
    ("an import that fails", "import nowhere\n" + _ESTIMATOR.format("mine"), "nowhere"),
    ("a division by zero", _ESTIMATOR.format("mine") + "1 / 0\n", "ZeroDivisionError"),
    ("recursion without end", _ESTIMATOR.format("mine") + "def f():\n    f()\nf()\n", "RecursionError"),
    ("an exit", _ESTIMATOR.format("mine") + "raise SystemExit(0)\n", "mine.py"),
    ("a class that is no dataclass", _ESTIMATOR.format("mine").replace("@dataclass(frozen=True)\n", ""), "dataclass"),
    ("the name of another estimator", _ESTIMATOR.format("softmax"), "softmax"),
    ("a name that leads out of the results", _ESTIMATOR.format("../../mine"), "../../mine"),
    ("an empty name", _ESTIMATOR.format(""), "name"),
    ("a name with HTML", _ESTIMATOR.format("<b>mine</b>"), "<b>mine</b>"),
    ("a name with an escape", _ESTIMATOR.format("\\x1b[31mmine"), "\\x1b[31mmine"),
    ("a name with a newline", _ESTIMATOR.format("a\\nb"), "name"),
    ("a message with an escape", _ESTIMATOR.format("mine") + "raise ValueError('\\x1b[31mred')", "\\x1b[31mred"),
]  # fmt: skip

_NO_FOLDERS: dict[str, Callable[[Path], object]] = {
    "a file": lambda path: path.write_text("x"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a named pipe": os.mkfifo,
}

_URLS = {
    "a store of a scheme that is none": "gopher9://host/store",
    "a store with an empty scheme": "://store",
}

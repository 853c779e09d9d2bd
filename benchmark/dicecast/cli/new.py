"""``dicecast new``."""

from __future__ import annotations

import importlib.util
import keyword
import os
import re
from pathlib import Path
from string import Template
from typing import Annotated

import typer
from rich.console import Console

from dicecast.cli.places import check_folder
from dicecast.errors import PluginError, briefly, did_you_mean
from dicecast.mount import folder_of
from dicecast.plugins import REGISTRIES
from dicecast.testing.kit import KINDS

_TEMPLATES = Path(__file__).parent.parent / "templates"
_RUN = {
    "estimator": "dicecast run quickstart --plugin {file}",
    "head": 'dicecast run SUITE.toml --plugin {file}   # [[heads]] name = "{name}"',
    "dataset": 'dicecast run SUITE.toml --plugin {file}   # [dataset] name = "{name}"',
}


def new(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.")],
    name: Annotated[str, typer.Argument(help="Its name: lower-case letters, digits and _.")],
    to: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the plug-in. Default: the repository's, at the root of a checkout; "
            "else this one."
        ),
    ] = None,
) -> None:
    """Write a working estimator, head or dataset and its test, to be changed into yours.

    Both work at once, so that what fails later is what was changed last.
    The test goes into tests/ if there is one beside the plug-in.
    Nothing is overwritten.

    Examples:
      dicecast new estimator my_estimator

      dicecast new head my_head --to plugins
    """
    if kind not in KINDS:
        raise PluginError(f"There is no kind '{kind}'. {did_you_mean(kind, KINDS)}")
    _check_name(kind, name)
    if to is not None:
        check_folder(to, "--to")
    folder, tests = _places(kind, to)
    plugin, test = folder / f"{name}.py", tests / f"test_{name}.py"
    for path in (plugin, test):
        if os.path.lexists(path):
            raise PluginError(f"{path} is there already. Take another name, or another --to.")
    _check_module(name)
    values = {
        "kind": kind,
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "class_name": _class_name(kind, name),
        "path": Path(os.path.relpath(plugin, tests)).as_posix(),
    }
    for path, template in ((plugin, kind), (test, "test")):
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (_TEMPLATES / f"{template}.py.template").read_text(encoding="utf-8")
        with path.open("x", encoding="utf-8") as file:
            file.write(Template(text).substitute(values))
    _print_steps(kind, name, plugin, test)


def _check_name(kind: str, name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or len(name) > 100 or keyword.iskeyword(name):
        raise PluginError(
            "A name must be lower-case letters, digits and underscores, begin with a letter and "
            f"be no word of Python's; got {briefly(name)}. Write one such as my_{kind}."
        )
    taken = REGISTRIES[f"{kind}s"].declared().get(name)
    if taken is not None:
        raise PluginError(f"There is a {kind} '{name}' already: {taken.origin}. Take another name.")


def _check_module(name: str) -> None:
    # pytest puts the folder of a test first on the path of imports: numpy.py would be numpy.
    if importlib.util.find_spec(name) is not None:
        raise PluginError(
            f"A file {name}.py would hide the module '{name}' from whatever runs in its folder. "
            "Take another name."
        )


def _places(kind: str, to: Path | None) -> tuple[Path, Path]:
    """Return the folder of the plug-in and that of its test."""
    registry = REGISTRIES[f"{kind}s"]
    place = Path(*registry.folder.split("."))
    if to is None and place.absolute() == folder_of(registry.folder):
        return place, Path("tests", f"{kind}s")
    folder = Path() if to is None else to
    tests = folder / "tests"
    return folder, tests if tests.is_dir() else folder


def _class_name(kind: str, name: str) -> str:
    """Return the name in capitals, ending on the kind: so it is none that the file imports."""
    words = "".join(word.capitalize() for word in name.split("_"))
    return words if words.endswith(kind.capitalize()) else words + kind.capitalize()


def _print_steps(kind: str, name: str, plugin: Path, test: Path) -> None:
    console = Console()
    steps = [
        f"Written: {plugin} and {test}. They work as they are; next:",
        f"  dicecast check {plugin}",
        f"  pytest {test}",
        "  " + _RUN[kind].format(file=plugin, name=name),
        "In a package of your own, it is found by an entry point in pyproject.toml:",
        f'  [project.entry-points."dicecast.{kind}s"]',
        f'  {name} = "your_package.{name}"',
    ]
    for line in steps:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

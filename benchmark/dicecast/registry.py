"""Registries of plug-ins: what is declared is read without running it, and loaded when used."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

from dicecast.errors import DicecastError, PluginError, briefly, did_you_mean
from dicecast.mount import folder_of, mount
from dicecast.stopwatch import timed

T = TypeVar("T")
C = TypeVar("C", bound=type)

MOST = 2**31 - 1
"""The largest whole number that a setting of a plug-in may be."""

_EXPLAINED = 5
"""Findings of one validation that a message names before it only counts."""


class BrokenPluginError(PluginError):
    """A plug-in that is declared but raises when its file is imported or when it is set up."""


@dataclass(frozen=True)
class Declaration:
    """A plug-in that exists: its name, the first sentence of its docstring, and where it is."""

    name: str
    summary: str
    origin: str
    load: Callable[[], object] = dataclasses.field(repr=False, compare=False)


class Registry(Generic[T]):
    """All plug-ins of one kind: of a folder, of installed packages, and of ``--plugin`` files.

    Listing a registry parses the plug-in files but runs none of them, so that ``dicecast list``
    neither waits for TensorFlow nor is stopped by a broken plug-in. ``T`` is the protocol that
    instances follow.
    """

    def __init__(self, kind: str, folder: str) -> None:
        self.kind = kind
        self.folder = folder
        self._classes: dict[str, type] = {}
        self._files: dict[str, Declaration] = {}

    def register(self, name: str) -> Callable[[C], C]:
        """Return a decorator that registers a dataclass under ``name``.

        Raises:
            PluginError: The class is no dataclass, or the name is taken by another class.
        """

        def decorate(cls: C) -> C:
            if not dataclasses.is_dataclass(cls):
                raise PluginError(
                    f"The {self.kind} '{name}' must be a dataclass whose fields are its settings. "
                    "Put @dataclass(frozen=True) under the registering decorator."
                )
            taken = self._classes.get(name)
            if taken is not None and _origin(taken) != _origin(cls):
                raise PluginError(
                    f"Two {self.kind}s are registered as '{name}': in {_origin(taken)} and in "
                    f"{_origin(cls)}. Rename one of them."
                )
            self._classes[name] = cls
            return cls

        return decorate

    def declared(self) -> dict[str, Declaration]:
        """Return every plug-in by name, sorted, without importing any of them."""
        return dict(sorted({d.name: d for d in self._declarations()}.items()))

    def add_file(self, path: Path) -> list[str]:
        """Import a plug-in file and return the names it registers in this registry.

        Raises:
            PluginError: The file cannot be read or run, or takes the name of another plug-in.
        """
        if not path.is_file():
            raise PluginError(f"The plug-in {path} is not a Python file. Give the path of one.")
        names = [name for name, _ in _declared_in(path, self._decorator)]
        for name in names:
            added = Declaration(name, "", str(path), lambda: None)
            self._refuse_twice(name, [added, *self._declarations()])
        if names:
            import_file(path)
        for name in names:
            self._files[name] = Declaration(name, "", str(path), lambda: None)
        return names

    @timed("import")
    def get(self, name: str) -> type:
        """Return the class registered as ``name``, importing its file if needed.

        Raises:
            PluginError: No such plug-in, two of this name, or its file fails to import.
        """
        if name not in self._classes:
            self._refuse_twice(name, self._declarations())
            declared = self.declared()
            if name not in declared:
                raise PluginError(
                    f"There is no {self.kind} '{name}'. {did_you_mean(name, declared)}"
                )
            declaration = declared[name]
            try:
                declaration.load()
            except PluginError:
                raise
            except Exception as error:
                raise BrokenPluginError(
                    f"The {self.kind} '{name}' ({declaration.origin}) fails to import: "
                    f"{type(error).__name__}: {error}"
                ) from error
        if name not in self._classes:
            raise PluginError(
                f"{declared[name].origin} was imported but registers no {self.kind} '{name}'."
            )
        return self._classes[name]

    def create(self, name: str, fields: Mapping[str, Any]) -> T:
        """Return an instance of ``name`` with the given settings, checked against its field types.

        Raises:
            DicecastError: An unknown setting, or a value of the wrong type or out of range.
            BrokenPluginError: The plug-in raises anything else.
        """
        cls = self.get(name)
        known = [field.name for field in dataclasses.fields(cls) if field.init]
        for key in fields:
            if key not in known:
                raise PluginError(
                    f"The {self.kind} '{name}' has no setting {briefly(key)}. "
                    f"{did_you_mean(key, known)}"
                )
        missing = [field for field in _required(cls) if field not in fields]
        if missing:
            raise PluginError(
                f"The {self.kind} '{name}' needs a value for {', '.join(missing)} (no "
                "default). Set it in its table in the suite."
            )
        hints = get_type_hints(cls, include_extras=True)
        values = {}
        for key, value in fields.items():
            try:
                # Through JSON: strict mode then takes a list for a tuple, as TOML writes it.
                text = json.dumps(value, allow_nan=False)
                _check_size(value)
                values[key] = TypeAdapter(hints[key]).validate_json(text, strict=True)
            except (ValueError, TypeError, PydanticSchemaGenerationError) as error:
                reason = explain(error) if isinstance(error, ValidationError) else str(error)
                raise PluginError(
                    f"The {self.kind} '{name}' cannot take {key} = {briefly(value)}: {reason}. "
                    "Correct it in the suite, or with --set."
                ) from error
        try:
            created: T = cls(**values)
        except DicecastError:
            raise
        except Exception as error:
            raise BrokenPluginError(
                f"The {self.kind} '{name}' ({_origin(cls)}) raises while it is set up: "
                f"{type(error).__name__}: {error}"
            ) from error
        return created

    @property
    def _decorator(self) -> str:
        return f"register_{self.kind}"

    def _declarations(self) -> Iterator[Declaration]:
        yield from self._in_folder()
        yield from self._entry_points()
        yield from self._files.values()

    def _refuse_twice(self, name: str, declarations: Iterable[Declaration]) -> None:
        origins = [d.origin for d in declarations if d.name == name]
        if len({str(Path(origin).resolve()) for origin in origins}) > 1:
            raise PluginError(
                f"More than one {self.kind} is called '{name}': {' and '.join(origins)}. Rename "
                "all but one."
            )

    def _in_folder(self) -> Iterator[Declaration]:
        # A hidden file is an editor's.
        for path in sorted(folder_of(self.folder).glob("[!.]*.py")):
            for name, summary in _declared_in(path, self._decorator):
                yield Declaration(name, summary, str(path), self._importer(path.stem))

    def _importer(self, module: str) -> Callable[[], object]:
        def load() -> ModuleType:
            mount(self.folder)
            return importlib.import_module(f"dicecast.{self.folder}.{module}")

        return load

    def _entry_points(self) -> Iterator[Declaration]:
        for point in entry_points(group=f"dicecast.{self.kind}s"):
            yield Declaration(point.name, "", f"entry point {point.value}", _loader(point))


def _check_size(value: Any) -> None:
    """Raise ValueError for a whole number that no loop or array would ever get to the end of."""
    if isinstance(value, int) and abs(value) > MOST:
        raise ValueError(f"a whole number must be between -{MOST} and {MOST}")


def _required(cls: type) -> list[str]:
    return [
        field.name
        for field in dataclasses.fields(cls)
        if field.init
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]


def _loader(point: EntryPoint) -> Callable[[], object]:
    return point.load


def _origin(cls: type) -> str:
    try:
        return f"{inspect.getsourcefile(cls)}:{cls.__qualname__}"
    except (TypeError, OSError):
        return f"{cls.__module__}:{cls.__qualname__}"


def _declared_in(path: Path, decorator: str) -> Iterator[tuple[str, str]]:
    """Yield the name and summary of each class in ``path`` that carries ``@decorator("name")``."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (OSError, SyntaxError, ValueError) as error:
        # Such a file declares nothing here; using its name says why.
        what = "cannot be read" if isinstance(error, OSError) else "does not parse"
        yield path.stem, f"(this file {what})"
        return
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            summary = (ast.get_docstring(node) or "").split("\n\n")[0].replace("\n", " ")
            yield from ((name, summary) for name in _names(node, decorator))


def _names(node: ast.ClassDef, decorator: str) -> Iterator[str]:
    for call in node.decorator_list:
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
            function = call.func
            called = function.attr if isinstance(function, ast.Attribute) else None
            called = function.id if isinstance(function, ast.Name) else called
            if called == decorator:
                yield str(call.args[0].value)


def import_file(path: Path) -> ModuleType:
    """Import one plug-in file by its path, once a process.

    Raises:
        PluginError: The file is missing or raises while it is run.
    """
    name = f"dicecast_plugin_{path.resolve().stem}"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path.resolve()):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None or not path.is_file():
        raise PluginError(f"The plug-in {path} is not a Python file. Give the path of one.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except PluginError:
        del sys.modules[name]
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise PluginError(
            f"The plug-in {path} fails to import: {type(error).__name__}: {error}. Correct the "
            "file."
        ) from error
    return module


def explain(error: ValidationError) -> str:
    """Return pydantic's findings as one line: ``epochs: a number is needed (received 'ten')``."""
    lines = []
    for item in error.errors(include_url=False)[:_EXPLAINED]:
        place = ".".join(str(part) for part in item["loc"])[:80] or "value"
        received = "" if item["type"] == "missing" else f" (received {briefly(item['input'])})"
        lines.append(f"{place}: {item['msg']}{received}")
    more = error.error_count() - _EXPLAINED
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")

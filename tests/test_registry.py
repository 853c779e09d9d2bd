from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal, Protocol

import pytest

import dicecast
from dicecast import registry as module
from dicecast.errors import PluginError
from dicecast.mount import folder_of, mount
from dicecast.plugins import REGISTRIES, add_plugin_file
from dicecast.registry import BrokenPluginError, Registry, import_file

ROOT = Path(dicecast.__file__).parents[2]


class Anything(Protocol):
    """What nothing can be checked against."""


@dataclass(frozen=True)
class Full:
    rate: float = 0.5
    count: int = 1
    deep: bool = False
    mode: Literal["a", "b"] = "a"
    names: tuple[str, ...] = ()
    pair: tuple[int, int] = (1, 2)
    table: dict[str, str] = field(default_factory=dict)
    protocol: Anything | None = None


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[Any]]:
    """A registry whose folder is empty and whose modules are forgotten."""
    monkeypatch.setattr(module, "folder_of", lambda kind: tmp_path)
    monkeypatch.setattr(module, "mount", lambda kind: mount_at(tmp_path))
    before = set(sys.modules)
    yield Registry("estimator", "toys")
    for name in set(sys.modules) - before:
        if name.startswith(("dicecast.toys", "dicecast_plugin_")):
            del sys.modules[name]


def mount_at(folder: Path) -> None:
    package = type(sys)("dicecast.toys")
    package.__path__ = [str(folder)]
    sys.modules["dicecast.toys"] = package


def write(folder: Path, file: str, name: str, head: str = "") -> Path:
    """Write a plug-in whose decorator is the one of the registry in ``HERE``."""
    path = folder / f"{file}.py"
    path.write_text(
        f"from dataclasses import dataclass\nimport test_registry\n{head}\n"
        "register_estimator = test_registry.HERE[0].register\n\n"
        f'@register_estimator("{name}")\n@dataclass(frozen=True)\nclass Plugin:\n'
        f'    """First sentence\n    of {name}.\n\n    More.\n    """\n    rate: float = 0.5\n'
    )
    return path


HERE: list[Registry[Any]] = []


@pytest.fixture
def here(registry: Registry[Any], monkeypatch: pytest.MonkeyPatch) -> Registry[Any]:
    monkeypatch.setitem(sys.modules, "test_registry", sys.modules[__name__])
    HERE[:] = [registry]
    return registry


def test_a_plug_in_is_listed_without_being_run_and_loaded_when_used(
    here: Registry[Any], tmp_path: Path
) -> None:
    path = write(tmp_path, "toy", "toy_name")
    declared = here.declared()
    assert list(declared) == ["toy_name"]
    assert declared["toy_name"].summary == "First sentence of toy_name."
    assert declared["toy_name"].origin == str(path)
    assert "dicecast.toys.toy" not in sys.modules
    assert here.create("toy_name", {"rate": 0.25}).rate == 0.25
    assert "dicecast.toys.toy" in sys.modules
    assert type(here.create("toy_name", {})) is here.get("toy_name")


def test_listing_the_real_folders_imports_none_of_them() -> None:
    program = (
        "import sys; from dicecast.plugins import REGISTRIES\n"
        "names = {kind: list(registry.declared()) for kind, registry in REGISTRIES.items()}\n"
        "assert 'unet' in names['backbones'] and 'softmax' in names['estimators'], names\n"
        "assert 'two_stage' in names['heads'] and 'folder' in names['datasets'], names\n"
        "loaded = [m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'keras', 'jax')]\n"
        "loaded += [m for m in sys.modules if m.startswith('dicecast.baselines')]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "benchmark"), "PATH": ""},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_plug_in_in_the_repository_is_declared_once_under_its_file(kind: str) -> None:
    registry = REGISTRIES[kind]
    for name, declaration in registry.declared().items():
        assert declaration.summary.endswith("."), name
        assert registry.get(name).__doc__


def test_an_unknown_name_gets_the_nearest(here: Registry[Any], tmp_path: Path) -> None:
    write(tmp_path, "toy", "toy_name")
    with pytest.raises(PluginError, match=r"no estimator 'toy_nam'. Did you mean 'toy_name'"):
        here.get("toy_nam")
    with pytest.raises(PluginError, match=r"no estimator 'xyz'. Known: toy_name"):
        here.get("xyz")


def test_a_broken_file_is_reported_and_the_others_work(here: Registry[Any], tmp_path: Path) -> None:
    broken = write(tmp_path, "broken", "broken", head="import no_such_package")
    write(tmp_path, "toy", "toy")
    (tmp_path / "unparsed.py").write_text("class (:\n")
    assert list(here.declared()) == ["broken", "toy", "unparsed"]
    message = rf"'broken' \({broken}\) fails to import: ModuleNotFoundError.*no_such_package"
    for _ in range(2):
        with pytest.raises(BrokenPluginError, match=message):
            here.get("broken")
    with pytest.raises(BrokenPluginError, match=r"'unparsed'.*SyntaxError"):
        here.get("unparsed")
    assert here.create("toy", {}).rate == 0.5


def test_a_file_that_registers_something_else_is_reported(
    here: Registry[Any], tmp_path: Path
) -> None:
    path = write(tmp_path, "toy", "toy")
    path.write_text(
        path.read_text().replace("test_registry.HERE[0].register", "lambda n: lambda c: c")
    )
    with pytest.raises(PluginError, match=r"toy\.py was imported but registers no estimator 'toy'"):
        here.get("toy")


def test_two_classes_of_one_name_are_refused(here: Registry[Any]) -> None:
    here.register("full")(Full)
    assert here.register("full")(Full) is Full

    @dataclass(frozen=True)
    class Other:
        pass

    with pytest.raises(PluginError, match=r"Two estimators are registered as 'full'.*Rename one"):
        here.register("full")(Other)
    assert here.get("full") is Full


def test_two_files_of_one_name_are_refused(here: Registry[Any], tmp_path: Path) -> None:
    first, second = write(tmp_path, "one", "same"), write(tmp_path, "two", "same")
    write(tmp_path, "toy", "toy")
    with pytest.raises(PluginError, match="'same'") as caught:
        here.get("same")
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)
    assert here.create("toy", {}).rate == 0.5


def test_a_plug_in_file_cannot_take_the_name_of_another(
    here: Registry[Any], tmp_path: Path
) -> None:
    inside = write(tmp_path, "one", "same")
    (tmp_path / "elsewhere").mkdir()
    outside = write(tmp_path / "elsewhere", "mine", "same")
    with pytest.raises(PluginError, match="'same'") as caught:
        here.add_file(outside)
        here.get("same")
    assert str(inside) in str(caught.value)
    assert str(outside) in str(caught.value)


def test_an_entry_point_cannot_take_the_name_of_another(
    here: Registry[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = write(tmp_path, "one", "same")
    point = EntryPoint("same", "elsewhere:Plugin", "dicecast.estimators")
    monkeypatch.setattr(module, "entry_points", lambda group: [point])
    with pytest.raises(PluginError, match="'same'") as caught:
        here.get("same")
    assert str(inside) in str(caught.value)
    assert "elsewhere:Plugin" in str(caught.value)


def test_an_entry_point_is_listed_and_loaded(
    here: Registry[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    class Point:
        name, value = "outside", "package.module:Plugin"

        def load(self) -> type:
            return here.register("outside")(Full)

    def points(group: str) -> list[Point]:
        seen.append(group)
        return [Point()]

    monkeypatch.setattr(module, "entry_points", points)
    assert here.declared()["outside"].origin == "entry point package.module:Plugin"
    assert here.get("outside") is Full
    assert set(seen) == {"dicecast.estimators"}


def test_an_installed_package_brings_plug_ins_by_the_entry_points_of_its_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    information = tmp_path / "far_away-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: far-away\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[dicecast.heads]\nfar = far_away\nlost = far_away_too\n"
    )
    (tmp_path / "far_away.py").write_text(
        "from dataclasses import dataclass\nfrom dicecast import register_head\n\n\n"
        '@register_head("far")\n@dataclass(frozen=True)\nclass Far:\n    steps: int = 3\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    heads = REGISTRIES["heads"]
    assert heads.declared()["far"].origin == "entry point far_away"
    assert "far_away" not in sys.modules
    try:
        assert heads.create("far", {"steps": 4}).steps == 4
        with pytest.raises(BrokenPluginError, match=r"'lost'.*far_away_too"):
            heads.get("lost")
    finally:
        heads._classes.pop("far", None)
        sys.modules.pop("far_away", None)


def test_only_dataclasses_are_registered(here: Registry[Any]) -> None:
    with pytest.raises(PluginError, match=r"'plain' must be a dataclass.*@dataclass"):
        here.register("plain")(type("Plain", (), {}))


def test_settings_are_checked_against_the_types_of_the_fields(here: Registry[Any]) -> None:
    here.register("full")(Full)
    made = here.create(
        "full",
        {
            "rate": 1,
            "count": 3,
            "deep": True,
            "mode": "b",
            "names": ["x", "y"],
            "pair": [3, 4],
            "table": {"0": "a"},
        },
    )
    assert made == Full(1.0, 3, True, "b", ("x", "y"), (3, 4), {"0": "a"})
    assert isinstance(made.rate, float)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rat": 1}, r"'full' has no setting 'rat'. Did you mean 'rate'"),
        ({"rate": "high"}, r"cannot take rate = 'high'"),
        ({"rate": True}, r"cannot take rate = True"),
        ({"rate": float("nan")}, r"cannot take rate = nan"),
        ({"rate": float("inf")}, r"cannot take rate = inf"),
        ({"count": 1.5}, r"cannot take count = 1\.5"),
        ({"count": "1"}, r"cannot take count = '1'"),
        ({"deep": 1}, r"cannot take deep = 1"),
        ({"mode": "c"}, r"cannot take mode = 'c'.*'a' or 'b'"),
        ({"names": "x"}, r"cannot take names = 'x'"),
        ({"names": [1]}, r"cannot take names = \[1\]"),
        ({"pair": [1, 2, 3]}, r"cannot take pair = \[1, 2, 3\]"),
        ({"table": {"0": 1}}, r"cannot take table"),
        ({"protocol": 3}, r"cannot take protocol = 3"),
        ({"count": object()}, r"cannot take count"),
    ],
)
def test_a_wrong_setting_is_named(
    here: Registry[Any], settings: dict[str, Any], message: str
) -> None:
    here.register("full")(Full)
    with pytest.raises(PluginError, match=message):
        here.create("full", settings)


def test_a_setting_without_default_must_be_given(here: Registry[Any]) -> None:
    @dataclass(frozen=True)
    class Needs:
        rate: float
        count: int = 1

    here.register("needs")(Needs)
    with pytest.raises(PluginError, match=r"'needs' needs.*'?rate"):
        here.create("needs", {"count": 2})


def test_a_plug_in_file_is_run_once(here: Registry[Any], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    path = write(tmp_path / "elsewhere", "mine", "mine")
    assert here.add_file(path) == ["mine"]
    assert here.add_file(path) == ["mine"]
    assert import_file(path) is import_file(path)
    assert here.declared()["mine"].origin == str(path)
    assert here.create("mine", {"rate": 0.1}).rate == 0.1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"absent\.py"),
        ("import no_such_package", r"fails to import: ModuleNotFoundError"),
        ("class (:", r"SyntaxError"),
        ("x = 1", r"registers nothing.*register_estimator"),
    ],
)
def test_a_plug_in_file_that_cannot_be_used_is_named(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "absent.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(PluginError, match=message) as caught:
        add_plugin_file(path)
    assert str(path) in str(caught.value)
    assert "dicecast_plugin_absent" not in sys.modules or content == "x = 1"


def test_folders_are_mounted_beside_the_package() -> None:
    for kind in ("baselines.estimators", "baselines.heads", "datasets"):
        assert folder_of(kind) == ROOT.joinpath(*kind.split("."))
        assert not (folder_of(kind) / "__init__.py").exists()
        assert mount(kind) is mount(kind) is sys.modules[f"dicecast.{kind}"]
    assert folder_of("networks") == ROOT / "benchmark" / "dicecast" / "networks"


def test_what_an_editor_leaves_in_the_folder_stops_nothing(
    here: Registry[Any], tmp_path: Path
) -> None:
    write(tmp_path, "toy", "toy")
    (tmp_path / ".#toy.py").symlink_to("user@host.1234:5678")
    (tmp_path / ".hidden.py").write_text("class (:")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    assert list(here.declared()) == ["gone", "toy"]
    assert here.create("toy", {}).rate == 0.5
    with pytest.raises(PluginError, match="gone"):
        here.get("gone")

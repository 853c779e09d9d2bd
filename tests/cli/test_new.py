from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dicecast.cli import main as command
from dicecast.cli.main import app
from dicecast.errors import PluginError
from dicecast.plugins import add_plugin_file
from dicecast.testing.kit import KINDS, contract_of


def new(*arguments: str) -> str:
    return CliRunner().invoke(app, ["new", *arguments], catch_exceptions=False).output


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_passes_its_own_test_and_every_check(
    kind: str, tmp_path: Path, ground: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Smaller than what the command makes.
    monkeypatch.setattr("dicecast.testing.ground.Ground.embedded", lambda root: ground)
    passed = set[str]()
    new(kind, f"fresh_{kind}", "--to", str(tmp_path))

    class Listener:
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.when == "call" and report.passed:
                passed.add(report.nodeid.split("[")[1].removesuffix("]"))

    test = tmp_path / f"test_fresh_{kind}.py"
    quiet = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib"]
    assert pytest.main([*quiet, str(test)], plugins=[Listener()]) == 0
    # Of all rules only the one on intervals says nothing of the head.
    assert passed == contract_of(kind).checks.keys() - {"intervals"}


def test_the_command_checks_what_was_written(tmp_path: Path) -> None:
    new("head", "newly_made", "--to", str(tmp_path))
    done = CliRunner().invoke(app, ["check", str(tmp_path / "newly_made.py")])
    assert done.exit_code == 0
    assert "'newly_made' keeps its contract" in done.output


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["backbone_predictive", "evidence", "cases", "a", "x__2_"])
def test_no_name_hides_what_the_file_imports(kind: str, name: str, tmp_path: Path) -> None:
    new(kind, name, "--to", str(tmp_path))
    tree = ast.parse((tmp_path / f"{name}.py").read_text())
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert not imported & {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert add_plugin_file(tmp_path / f"{name}.py") == {f"{kind}s": [name]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["estimators", "mine"], "Did you mean 'estimator'"),
        (["estimator", "My-Estimator"], "got 'My-Estimator'. Write one such as my_estimator"),
        (["estimator", "../mine"], "lower-case letters"),
        (["estimator", "mine\n"], "lower-case letters"),
        (["estimator", ""], "lower-case letters"),
        (["head", "class"], "no word of Python's"),
        (["head", "m" * 101], "lower-case letters"),
        (["estimator", "softmax"], "softmax.py. Take another name"),
        (["dataset", "lesions"], "There is a dataset 'lesions' already"),
        (["head", "numpy"], "hide the module 'numpy'"),
        (["head", "random"], "hide the module 'random'"),
    ],
)
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PluginError, match=message):
        new(*arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["mine.py", "test_mine.py"])
def test_nothing_is_overwritten(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_text("kept")
    with pytest.raises(PluginError, match=f"{there} is there already"):
        new("head", "mine", "--to", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "kept"


def test_a_mistake_ends_in_one_message_and_exit_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["dicecast", "new", "head", "forest"])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert "There is a head 'forest' already" in " ".join(capsys.readouterr().err.split())


def test_the_test_goes_into_tests_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tests").mkdir()
    said = new("head", "mine")
    assert Path("mine.py").is_file()
    assert '"../mine.py"' in Path("tests/test_mine.py").read_text()
    for step in ("dicecast check mine.py", "pytest tests/test_mine.py", "--plugin mine.py"):
        assert step in said
    assert 'entry-points."dicecast.heads"]\n  mine = "your_package.mine"' in said


@pytest.mark.parametrize(
    ("kind", "folder"),
    [("estimator", "baselines/estimators"), ("head", "baselines/heads"), ("dataset", "datasets")],
)
def test_in_a_checkout_the_folders_are_those_of_the_repository(
    kind: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where folder_of finds them, seen from the package.
    monkeypatch.chdir(tmp_path)
    Path(folder).mkdir(parents=True)
    monkeypatch.setattr("dicecast.cli.new.folder_of", lambda name: tmp_path / folder)
    new(kind, "mine")
    assert Path(folder, "mine.py").is_file()
    path = "/".join([".."] * 2 + [folder, "mine.py"])
    assert f'"{path}"' in Path("tests", f"{kind}s", "test_mine.py").read_text()

"""Imports point one way: from a later step of the way of the data to an earlier one."""

import ast
from pathlib import Path

import pytest

from dicecast.mount import folder_of

PACKAGE = Path(__file__).parent.parent / "benchmark" / "dicecast"

LAYERS = [
    {"version", "errors", "plain_file", "stopwatch", "record_seal", "record_migration"},
    {"mount", "registry", "toml_file"},
    {"plugins", "identity", "metrics", "stacks"},
    {"scratch"},
    {"manifest"},
    {"artifact", "store_layout", "store_contents", "store_pruning"},
    {"store", "remote_store", "suite", "records", "record_schema", "listing", "figures"},
    {"data"},
    {"networks"},
    {"training"},
    {"estimation"},
    {"scores"},
    {"heads"},
    {"store_check", "leaderboard"},
    {"verification"},
    {"revisions"},
    {"submission"},
    {"harness"},
    {"testing"},
    {"exported"},
    {"cluster"},
    {"reproduction"},
    {"cli"},
]
PLACE = {name: place for place, names in enumerate(LAYERS) for name in names}
FREE = {"__init__", "__main__", "suites"}


def imported(path: Path) -> set[str]:
    """The parts of dicecast that a file imports when it runs, also inside functions."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dicecast."):
            found.add(node.module.split(".")[1])
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_no_step_imports_a_later_one(path):
    step = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if step in FREE:
        return
    later = {name for name in imported(path) if PLACE[name] > PLACE[step]}
    assert not later, f"{path.name} ({step}) imports from {later}"


@pytest.mark.parametrize("kind", ["baselines.estimators", "baselines.heads", "datasets"])
def test_plugins_import_from_the_package_and_never_from_each_other(kind):
    assert not (folder_of(kind) / "__init__.py").exists()
    for path in folder_of(kind).glob("*.py"):
        assert not {"baselines", "datasets"} & imported(path), path


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_only_one_module_speaks_to_tensorflow_and_jax(path):
    if path == PACKAGE / "networks" / "backend.py":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {n.split(".")[0] for n in names} & {"tensorflow", "jax"}, path

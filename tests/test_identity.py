from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dicecast
from dicecast import identity as module
from dicecast.identity import code_version, describe, file_hash, hash_of, package_versions

PACKAGE = Path(dicecast.__file__).parent


@dataclass(frozen=True)
class Settings:
    rate: float = 0.5
    names: tuple[str, ...] = ("a",)
    inner: Any = None


@dataclass(frozen=True)
class Others:
    rate: float = 0.5
    names: tuple[str, ...] = ("a",)
    inner: Any = None


def test_a_dataclass_is_its_class_its_fields_and_its_source() -> None:
    described = describe(Settings(inner=Settings(0.1)))
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    inner = {"class": "Settings", "code": source, "rate": 0.1, "names": ["a"], "inner": None}
    assert described == inner | {"rate": 0.5, "inner": inner}
    json.dumps(described)


@pytest.mark.parametrize(
    "other",
    [
        Settings(0.4),
        Settings(names=("a", "b")),
        Settings(names=()),
        Settings(inner=Settings()),
        Others(),
        dataclasses.asdict(Settings()),
    ],
    ids=repr,
)
def test_every_difference_is_another_hash(other: Any) -> None:
    assert hash_of(other) != hash_of(Settings())
    assert hash_of(Settings()) == hash_of(Settings(0.5, ("a",)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=3), JSON))
def test_the_hash_does_not_depend_on_the_order_of_keys(table: dict[str, Any]) -> None:
    assert hash_of(dict(reversed(table.items()))) == hash_of(table)


@settings(max_examples=40, deadline=None)
@given(JSON, JSON)
def test_equal_hashes_mean_equal_json(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (hash_of(one) == hash_of(other)) == same


@pytest.mark.parametrize("value", [{1, 2}, np.zeros(2), b"x", object(), Settings], ids=repr)
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be part of an identity"):
        describe({"value": value})


def test_the_version_of_code_is_the_hash_of_all_its_sources() -> None:
    digest = hashlib.sha256()
    for path in sorted((PACKAGE / "networks").glob("*.py")):
        digest.update(f"networks/{path.name}".encode() + path.read_bytes())
    assert code_version("networks") == digest.hexdigest()
    assert code_version("networks") != code_version("networks", "errors.py")
    assert file_hash(Path(__file__)) == hashlib.sha256(Path(__file__).read_bytes()).hexdigest()


def test_package_versions_hold_what_is_installed() -> None:
    versions = package_versions()
    assert versions["numpy"] == np.__version__
    assert {"keras", "scipy", "pandas"} <= versions.keys()


def test_what_an_editor_leaves_beside_the_sources_is_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "part"
    folder.mkdir()
    (folder / "source.py").write_text("x = 1")
    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    before = code_version.__wrapped__("part")
    (folder / ".#source.py").symlink_to("user@host.1234:5678")
    (folder / ".source.py").write_text("x = 2")
    assert code_version.__wrapped__("part") == before
    (folder / "source.py").write_text("x = 2")
    assert code_version.__wrapped__("part") != before

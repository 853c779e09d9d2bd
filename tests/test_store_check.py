"""Every byte of a store is checked."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from dicecast.errors import DicecastError
from dicecast.store import Artifact, Store
from dicecast.store_check import check_store


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))
    for number in range(3):
        artifact = Artifact(
            {"weights": np.arange(4.0)},
            {"cases": pd.DataFrame({"dice": [0.5, number / 7]})},
            {"draws": number},
            {"maps": np.full((2, 3, 3), number, np.float32)},
        )
        store.get("predict", {"number": number}, lambda kept=artifact: kept)
    return store.root


@pytest.fixture
def root(written, tmp_path):
    return shutil.copytree(written, tmp_path / "store")


def test_what_was_written_has_no_fault(written):
    found = list(check_store(written))
    assert [one.fault for one in found] == ["", "", ""]


@pytest.mark.parametrize("number", range(50))
def test_a_flipped_byte_is_found_and_never_read(root, number):
    random = np.random.default_rng(number)
    files = sorted(path for path in root.rglob("*") if path.parent.parent.parent == root)
    path = files[random.integers(len(files))]
    content = bytearray(path.read_bytes())
    content[random.integers(len(content))] ^= random.integers(1, 256)
    path.write_bytes(content)
    (fault,) = (one.fault for one in check_store(root) if one.fault)
    assert str(path.parent) in fault
    read = [Store(root).find("predict", {"number": number}) for number in range(3)]
    assert sum(artifact is None for artifact in read) == 1


def test_what_is_left_of_an_artifact_is_a_note(root):
    place = next(path for path in (root / "predict").iterdir() if path.is_dir())
    shutil.copytree(place, place.with_name(f"{place.name}.half-abc"))
    (note,) = (one for one in check_store(root) if one.fault)
    assert note.note and "leftover" in note.fault


def test_a_store_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(DicecastError, match="cannot be read"):
        list(check_store(tmp_path / "none"))

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dicecast
from dicecast import store as module
from dicecast.errors import DicecastError
from dicecast.scratch import new_stack
from dicecast.stacks import ArrayFile
from dicecast.store import Artifact, Store

FULL = Artifact(
    {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "mask": np.zeros(3, np.uint8)},
    {"cases": pd.DataFrame({"stem": ["a", "b"], "dice": [0.5, np.nan]})},
    {"log": [1, 2.5, None], "key": "x"},
    {"pixels": np.arange(24, dtype=np.float32).reshape(4, 3, 2), "none": np.zeros((0, 3))},
)


def never() -> Artifact:
    raise AssertionError("computed although it is stored")


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    Store(tmp_path).get("stage", {"a": 1}, lambda: FULL)
    found = Store(tmp_path).get("stage", {"a": 1}, never)
    assert found.arrays.keys() == FULL.arrays.keys()
    for name, array in FULL.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype
    pd.testing.assert_frame_equal(found.tables["cases"], FULL.tables["cases"])
    assert found.info == FULL.info
    assert found.stacks.keys() == FULL.stacks.keys()
    for name, stack in FULL.stacks.items():
        assert isinstance(found.stacks[name], ArrayFile)
        np.testing.assert_array_equal(found.stacks[name], stack)
        assert found.stacks[name].dtype == stack.dtype


def test_a_stack_in_a_file_is_stored_like_one_in_memory(tmp_path: Path, in_files: None) -> None:
    pixels = np.random.default_rng(0).random((70, 16, 16))
    stack = new_stack(pixels.shape, pixels.dtype, pixels.nbytes)
    stack[:] = pixels
    assert not isinstance(stack, np.ndarray)
    store = Store(tmp_path)
    store.get("file", 1, lambda: Artifact(stacks={"pixels": stack}))
    store.get("memory", 1, lambda: Artifact(stacks={"pixels": pixels}))
    files = [store.place(stage, 1) / "pixels.npy" for stage in ("file", "memory")]
    assert files[0].read_bytes() == files[1].read_bytes()
    np.testing.assert_array_equal(np.load(files[0]), pixels)


def test_rows_are_read_after_the_artifact_was_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.get("stage", 1, lambda: FULL)
    found = store.get("stage", 1, never)
    shutil.rmtree(store.place("stage", 1))
    np.testing.assert_array_equal(found.stacks["pixels"][1:3], FULL.stacks["pixels"][1:3])


def test_an_artifact_without_stacks_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.get("stage", 1, lambda: replace(FULL, stacks={}))
    assert not list(store.place("stage", 1).glob("*.npy"))
    assert store.get("stage", 1, never).stacks == {}


def test_the_order_of_the_identity_does_not_matter(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.get("stage", {"a": 1, "b": {"c": 2, "d": 3}}, lambda: FULL)
    store.get("stage", {"b": {"d": 3, "c": 2}, "a": 1}, never)


def test_stage_and_identity_keep_artifacts_apart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.get("one", {"a": 1}, lambda: FULL)
    assert store.find("two", {"a": 1}) is None
    assert store.find("one", {"a": 2}) is None
    assert store.find("one", {"a": 1}) is not None


def test_a_failed_computation_stores_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def fails() -> Artifact:
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            store.get("stage", 1, fails)
    assert not [path for path in (tmp_path / "stage").iterdir() if path.is_dir()]
    assert store.get("stage", 1, lambda: FULL) is FULL


def test_what_cannot_be_written_leaves_nothing_half(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(TypeError):
        store.get("stage", 1, lambda: Artifact(info={"bad": object()}))
    assert not [path for path in (tmp_path / "stage").iterdir() if path.is_dir()]


@pytest.mark.parametrize(
    "name", ["arrays.npz", "cases.parquet", "pixels.npy", "info.json", "manifest.json"]
)
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "remove"])
def test_a_damaged_artifact_is_computed_again(tmp_path: Path, name: str, damage: str) -> None:
    store = Store(tmp_path)
    store.get("stage", 1, lambda: FULL)
    file = store.place("stage", 1) / name
    content = file.read_bytes()
    if damage == "remove":
        file.unlink()
    else:
        flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
        file.write_bytes({"flip": flipped, "cut": content[:-1], "empty": b""}[damage])
    calls: list[int] = []

    def again() -> Artifact:
        calls.append(1)
        return FULL

    store.get("stage", 1, again)
    assert calls == [1]
    assert file.read_bytes() == content
    assert store.find("stage", 1) is not None


def test_what_another_process_has_put_right_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.get("stage", 1, lambda: FULL)
    read, views = module.read_artifact, iter([True, False])

    def damaged_at_first(place: Path) -> Artifact:
        if next(views):
            raise ValueError
        return read(place)

    monkeypatch.setattr(module, "read_artifact", damaged_at_first)
    assert store.get("stage", 1, never).info == FULL.info


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    objects = np.array([{}, []], dtype=object)
    for artifact in (Artifact({"bad": objects}), Artifact(stacks={"bad": objects})):
        with pytest.raises(ValueError, match=r"[Oo]bject"):
            Store(tmp_path).get("stage", 1, lambda made=artifact: made)


def test_a_store_inside_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    root = tmp_path / "file" / "store"
    with pytest.raises(DicecastError, match=r"store .*file/store cannot be written.*--store DIR"):
        Store(root).get("stage", 1, lambda: FULL)


def test_a_store_that_is_a_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.write_text("")
    with pytest.raises(DicecastError, match=r"cannot be written"):
        Store(root).get("stage", 1, lambda: FULL)


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from dicecast.errors import DicecastError
from dicecast.store import Artifact, Store
big = Artifact({"noise": np.random.default_rng(0).random(10_000)})
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    Store(Path(sys.argv[1])).get("stage", 1, lambda: big)
except DicecastError as error:
    print("message:", error)
"""


def run(program: str, *arguments: str) -> subprocess.Popen[str]:
    package = str(Path(dicecast.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": package},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_a_disk_without_space_is_an_error_that_names_the_store(tmp_path: Path) -> None:
    out, error = run(FULL_DISK, str(tmp_path)).communicate(timeout=60)
    assert f"message: The store {tmp_path} cannot be written" in out, error
    assert not [path for path in (tmp_path / "stage").iterdir() if path.is_dir()]


COMPUTES_ONCE = """
import sys, time
from pathlib import Path
import numpy as np
from dicecast.store import Artifact, Store
root, counter = Path(sys.argv[1]), Path(sys.argv[2])
def make():
    with counter.open("a") as file:
        file.write("x")
    time.sleep(1.0)
    return Artifact({"a": np.ones(3)})
ready = Path(sys.argv[3])
ready.write_text("")
while len(list(ready.parent.glob("ready-*"))) < 2:
    time.sleep(0.01)
print(Store(root).get("stage", {"x": 1}, make).arrays["a"].sum())
"""


def test_two_processes_compute_the_same_thing_once(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    processes = [
        run(COMPUTES_ONCE, str(tmp_path / "store"), str(counter), str(tmp_path / f"ready-{i}"))
        for i in range(2)
    ]
    for process in processes:
        out, error = process.communicate(timeout=60)
        assert out.strip() == "3.0", error
    assert counter.read_text() == "x"


def test_a_store_written_by_hand_as_the_manifest_is_documented_is_found(tmp_path: Path) -> None:
    """The layout of a store that exists, spelled out without the writer."""
    name = hashlib.sha256(b'{"a":1,"b":["x",null]}').hexdigest()
    folder = tmp_path / "stage" / name
    folder.mkdir(parents=True)
    np.savez(folder / "arrays.npz", weights=np.arange(3.0))
    np.save(folder / "pixels.npy", np.ones((2, 2), np.float32))
    pd.DataFrame({"stem": ["a"]}).to_parquet(folder / "cases.parquet")
    content = {"info": {"key": "x"}, "identity": {"b": ["x", None], "a": 1}}
    (folder / "info.json").write_text(json.dumps(content))
    sums = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    lines = ",\n".join(f' "{file}": "{checksum}"' for file, checksum in sorted(sums.items()))
    (folder / "manifest.json").write_text(f"{{\n{lines}\n}}")
    found = Store(tmp_path).get("stage", {"b": ("x", None), "a": 1}, never)
    np.testing.assert_array_equal(found.arrays["weights"], np.arange(3.0))
    np.testing.assert_array_equal(found.stacks["pixels"], np.ones((2, 2)))
    assert found.tables["cases"]["stem"].tolist() == ["a"]
    assert found.info == {"key": "x"}

"""A store in a hostile world: damaged files, killed processes, other users, odd file systems."""

from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dicecast import store as module
from dicecast.artifact import read_artifact
from dicecast.manifest import DamageError, check_artifact, manifest_bytes, read_manifest
from dicecast.store import Artifact, Store, StoreError

FULL = Artifact(
    {"weights": np.arange(6, dtype=np.float32)},
    {"cases": pd.DataFrame({"stem": ["a", "b"], "dice": [0.5, np.nan]})},
    {"log": [1, 2.5, None]},
    {"pixels": np.arange(24, dtype=np.float32).reshape(4, 3, 2)},
)
FORK = multiprocessing.get_context("fork")
NOBODY = 65534


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A store's one artifact."""
    Store(tmp_path).get("stage", 1, lambda: FULL)
    return Store(tmp_path).place("stage", 1)


def never() -> Artifact:
    raise AssertionError("computed although it is stored")


def beside(place: Path, mark: str) -> list[Path]:
    return list(place.parent.glob(f"{place.name}.{mark}-*"))


def positions(place: Path) -> Iterator[tuple[Path, int]]:
    """Every byte of what is small and vouches for the rest, and some of each other file."""
    rng = np.random.default_rng(0)
    for path in sorted(place.iterdir()):
        size = path.stat().st_size
        small = path.suffix == ".json"
        yield from (
            (path, int(at)) for at in (range(size) if small else rng.integers(0, size, 100))
        )


def test_no_flipped_byte_is_read(place: Path) -> None:
    rng, tried = np.random.default_rng(1), 0
    for path, at in positions(place):
        content = path.read_bytes()
        damaged = bytearray(content)
        damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        for read in (read_artifact, check_artifact):
            with pytest.raises(DamageError):
                read(place)
        path.write_bytes(content)
        tried += 1
    assert tried > 700
    check_artifact(place)


def change_manifest(place: Path, change: Callable[[dict[str, str]], object]) -> None:
    """Write a manifest that is well-formed and says something else."""
    checksums = read_manifest(place)
    change(checksums)
    (place / "manifest.json").write_bytes(manifest_bytes(checksums))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a further file": lambda p: (p / "more.npy").write_bytes(b""),
    "a file less": lambda p: (p / "pixels.npy").unlink(),
    "no manifest": lambda p: (p / "manifest.json").unlink(),
    "a manifest of a file less": lambda p: change_manifest(p, lambda c: c.pop("pixels.npy")),
    "a manifest that is a list": lambda p: (p / "manifest.json").write_text("[]"),
    "a manifest nested deeply": lambda p: (p / "manifest.json").write_text("[" * 100_000),
    "a manifest that leads out": lambda p: change_manifest(
        p, lambda c: c.update({"../../secret": c["info.json"]})
    ),
    "a folder for a file": lambda p: ((p / "info.json").unlink(), (p / "info.json").mkdir()),
    "a pipe for a file": lambda p: ((p / "info.json").unlink(), os.mkfifo(p / "info.json")),
    "nothing in it": lambda p: (shutil.rmtree(p), p.mkdir()),
    "a file in its place": lambda p: (shutil.rmtree(p), p.write_text("")),
    "a link to nowhere": lambda p: (shutil.rmtree(p), p.symlink_to("nowhere")),
    "another's content": lambda p: (
        shutil.rmtree(p),
        Store(p.parents[1]).get("stage", 2, lambda: Artifact(info={"other": 1})),
        Store(p.parents[1]).place("stage", 2).rename(p),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_set_aside_and_made_again(
    place: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    DAMAGES[damage](place)
    store, made = Store(place.parents[1]), []
    store.get("stage", 1, lambda: made.append(1) or FULL)
    assert made == [1]
    assert [path.name in caplog.text for path in beside(place, "damaged")] == [True]
    assert store.get("stage", 1, never).info == FULL.info


@pytest.mark.parametrize("name", [".DS_Store", ".nfs0000000000"])
def test_what_a_file_system_puts_there_is_no_damage(place: Path, name: str) -> None:
    (place / name).write_text("")
    assert Store(place.parents[1]).get("stage", 1, never).info == FULL.info


def fails_with(number: int) -> Callable[[Path], Artifact]:
    def read(place: Path) -> Artifact:
        raise OSError(number, os.strerror(number), str(place))

    return read


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE, errno.ESTALE, errno.ENOMEM])
def test_what_cannot_be_read_just_now_is_not_taken_for_damaged(
    place: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(module, "read_artifact", fails_with(number))
    with pytest.raises(StoreError, match=r"cannot be read: .*--store DIR"):
        Store(place.parents[1]).get("stage", 1, never)
    monkeypatch.undo()
    assert Store(place.parents[1]).get("stage", 1, never).info == FULL.info


def test_a_file_on_a_broken_sector_is_set_aside(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(module, "read_artifact", fails_with(errno.EIO))
        assert Store(place.parents[1]).find("stage", 1) is None
    assert len(beside(place, "damaged")) == 1


def store_forever(root: Path) -> None:
    for number in range(10_000):
        Store(root).get("stage", number, lambda: FULL)


def stored(root: Path) -> list[Path]:
    return [path for path in root.glob("stage/*") if path.is_dir() and "." not in path.name]


def test_killed_at_any_moment_it_leaves_nothing_half(tmp_path: Path) -> None:
    """What a child that is killed while it writes leaves is whole, or not there."""
    rng = np.random.default_rng(0)
    halves = 0
    for life in range(25):
        child = FORK.Process(target=store_forever, args=(tmp_path,))
        child.start()
        while len(stored(tmp_path)) <= life:
            time.sleep(0.001)
        time.sleep(rng.uniform(0.0, 0.03))
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join()
        halves += len(list(tmp_path.glob("stage/*.half-*")))
    seen = stored(tmp_path)
    for path in seen:
        check_artifact(path)
    assert halves > 0, "no kill fell into a write"
    for number in range(len(seen) + 1):
        Store(tmp_path).get("stage", number, lambda: FULL)
    assert not list(tmp_path.glob("stage/*.half-*"))


def test_a_lock_file_that_nobody_holds_means_nothing(place: Path) -> None:
    for content in (b"", b"4711\nsomewhere\n", os.urandom(100)):
        place.with_name(f"{place.name}.lock").write_bytes(content)
        shutil.rmtree(place)
        Store(place.parents[1]).get("stage", 1, lambda: FULL)


def test_where_locks_reach_one_machine_alone_the_first_result_stays(tmp_path: Path) -> None:
    store, elsewhere = Store(tmp_path / "store"), Store(tmp_path / "elsewhere")
    elsewhere.get("stage", 1, lambda: FULL)

    def slow() -> Artifact:
        shutil.copytree(elsewhere.place("stage", 1), store.place("stage", 1))
        return FULL

    store.get("stage", 1, slow)
    assert store.get("stage", 1, never).info == FULL.info
    assert not beside(store.place("stage", 1), "half")


@pytest.mark.parametrize("seconds", [0.0, 2.0**40])
def test_times_of_files_mean_nothing(place: Path, seconds: float) -> None:
    for path in (*place.iterdir(), place, place.parent):
        os.utime(path, (seconds, seconds))
    assert Store(place.parents[1]).get("stage", 1, never).info == FULL.info


@pytest.mark.parametrize("linked", ["", "stage", "stage/{}"])
def test_a_store_may_be_links(tmp_path: Path, linked: str) -> None:
    root = tmp_path / "store"
    Store(root).get("stage", 1, lambda: FULL)
    place = Store(root).place("stage", 1)
    link = root / linked.format(place.name)
    moved = link.rename(tmp_path / "moved")
    link.symlink_to(moved)
    assert Store(root).get("stage", 1, never).info == FULL.info
    (place / "info.json").write_text("")
    Store(root).get("stage", 1, lambda: FULL)
    assert Store(root).get("stage", 1, never).info == FULL.info


def as_nobody(root: Path, outcome: multiprocessing.SimpleQueue[str]) -> None:
    if os.geteuid() == 0:
        os.setuid(NOBODY)
    store = Store(root)
    outcome.put(str(store.get("whole", 1, never).info))
    for stage in ("missing", "damaged", "new"):
        try:
            store.get(stage, 1, lambda: FULL)
        except StoreError as error:
            outcome.put(str(error))


def test_a_store_that_is_read_only_can_be_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("shared")
    for stage in ("whole", "damaged"):
        Store(root).get(stage, 1, lambda: FULL)
    (Store(root).place("damaged", 1) / "info.json").write_text("")
    (root / "missing").mkdir()
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        folder.chmod(0o555)
    for folder in root.parents:
        if folder.owner() == root.owner() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    outcome = FORK.SimpleQueue()
    child = FORK.Process(target=as_nobody, args=(root, outcome))
    child.start()
    child.join()
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    assert outcome.get() == str(FULL.info)
    for _ in range(3):
        assert "can be used, but something is not in it" in outcome.get()
    assert not list(root.rglob("*.half-*"))
    assert not list(root.rglob("*.damaged-*"))


def test_another_user_may_read_what_one_has_stored(place: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    assert place.stat().st_mode & 0o777 == 0o777 & ~mask

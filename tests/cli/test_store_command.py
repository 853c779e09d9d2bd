import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dicecast.cli import main as command_line
from dicecast.cli.store import age, in_bytes
from dicecast.identity import hash_of
from dicecast.store import Artifact, Store
from dicecast.store_layout import HALF, beside, entries, lock_of

ESTIMATOR = {"class": "MonteCarloDropout", "code": "ab", "draws": 8, "inner": {"class": "X"}}
PREDICTION = {"estimator": ESTIMATOR, "seed": 3, "data": "0123456789"}
HEAD = {"head": {"class": "Forest", "code": "cd"}, "seed": 3, "prediction": hash_of(PREDICTION)}
RECORD = {"estimator": {"name": "softmax", "settings": {}}, "seed": 1, "dataset": {"name": "isic"}}


@pytest.fixture
def store(tmp_path) -> Store:
    held = Store(tmp_path / "store")
    held.get("prediction", PREDICTION, lambda: Artifact({"a": np.zeros(1000)}))
    held.get("head", HEAD, Artifact)
    held.get("record", RECORD, Artifact)
    return held


@pytest.fixture
def dicecast(monkeypatch, capfd, store):
    def run(*arguments: str, folder: Path = store.root) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["dicecast", "store", *arguments, "--store", str(folder)])
        monkeypatch.setenv("COLUMNS", "120")
        with pytest.raises(SystemExit) as stopped:
            command_line.main()
        out, err = capfd.readouterr()
        return int(stopped.value.code or 0), " ".join((out + err).split())

    return run


def held(store: Store) -> list[str]:
    return [f"{entry.stage}{entry.mark}" for entry in entries(store.root)]


def make_old(store: Store, stage: str, identity: object) -> None:
    for path in store.place(stage, identity).iterdir():
        os.utime(path, (0, 0))


def test_what_an_artifact_is_of_is_told(dicecast):
    status, out = dicecast("list")
    assert status == 0
    assert "head Forest, of MonteCarloDropout draws=8, seed 3, data 01234567" in out
    assert "record softmax, seed 1, on isic" in out
    assert "head" not in dicecast("list", "--stage", "record")[1]


def test_sizes_add_up(dicecast, store):
    total = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    assert f"all 3 {in_bytes(total)}" in dicecast("size")[1]


def test_prune_alone_takes_what_is_left_of_killed_processes_and_damage(dicecast, store):
    (store.place("head", HEAD) / "info.json").write_text("")
    store.find("head", HEAD)
    left = beside(store.place("record", RECORD), HALF)
    left.mkdir()
    (left / "arrays.npz").write_bytes(b"half")
    assert "Would remove 2 of 4" in dicecast("prune", "--dry-run")[1]
    assert left.exists()
    status, out = dicecast("prune")
    assert (status, "Removed 2 of 4" in out) == (0, True)
    assert held(store) == ["prediction", "record"]
    assert not left.exists()


def test_options_together_choose_what_all_of_them_mean(dicecast, store):
    make_old(store, "head", HEAD)
    make_old(store, "record", RECORD)
    dicecast("prune", "--older-than", "30", "--stage", "head", "--stage", "prediction")
    assert held(store) == ["prediction", "record"]
    dicecast("prune", "--older-than", "30")
    assert held(store) == ["prediction"]
    dicecast("prune", "--stage", "prediction")
    assert held(store) == []


@pytest.mark.parametrize("name", ["arrays.npz", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_damaged_ones_are_found_by_their_bytes(dicecast, store, name, damage):
    file = store.place("prediction", PREDICTION) / name
    content = file.read_bytes()
    file.write_bytes(content[:-5] + bytes([content[-5] ^ 4]) + content[-4:])
    if damage == "remove":
        file.unlink()
    out = dicecast("prune", "--damaged")[1]
    assert ": damaged: " in out
    assert held(store) == ["head", "record"]


def test_what_a_process_is_writing_stays(dicecast, store):
    place = store.place("record", RECORD)
    half = beside(place, HALF)
    half.mkdir()
    holder = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            "import sys; from filelock import FileLock\n"
            "with FileLock(sys.argv[1]):\n    print(flush=True); sys.stdin.read()",
            lock_of(place).lock_file,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    assert "2 in use" in dicecast("prune", "--stage", "record")[1]
    assert half.is_dir()
    assert place.is_dir()
    holder.communicate()
    dicecast("prune")
    assert held(store) == ["head", "prediction", "record"]


def test_a_link_is_removed_and_not_what_it_leads_to(dicecast, store, tmp_path):
    place = store.place("record", RECORD)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    dicecast("prune", "--stage", "record")
    assert held(store) == ["head", "prediction"]
    assert (tmp_path / "elsewhere" / "info.json").exists()


def test_what_is_no_artifact_is_left_alone(dicecast, tmp_path):
    (tmp_path / "home" / "photos").mkdir(parents=True)
    picture = tmp_path / "home" / "photos" / "one.png"
    picture.write_bytes(b"x")
    assert "Removed 0 of 0" in dicecast("prune", "--older-than", "0", folder=tmp_path / "home")[1]
    assert picture.exists()


@pytest.mark.parametrize(
    ("arguments", "folder", "said"),
    [
        (["size"], "nowhere", "nowhere cannot be read"),
        (["list"], "s3://bucket", "is a URL"),
        (["prune", "--stage", "heads"], None, "Did you mean 'head'?"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(dicecast, store, arguments, folder, said):
    status, out = dicecast(*arguments, folder=folder or store.root)
    assert (status, said in out) == (2, True)
    assert "Traceback" not in out


def test_neither_tensorflow_nor_pandas_is_imported(store):
    code = (
        "import sys; from dicecast.cli.main import main\n"
        f"sys.argv = ['dicecast', 'store', 'list', '--store', {str(store.root)!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.exit(str({'tensorflow', 'keras', 'numpy', 'pandas'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_sizes_and_ages_in_words():
    assert [in_bytes(n) for n in (0, 999, 1500, 2 * 10**9)] == ["0 B", "999 B", "1.5 kB", "2.0 GB"]
    assert [age(s) for s in (-1e9, 59, 3600, 90_000)] == ["0 s", "59 s", "1 h", "1 d"]

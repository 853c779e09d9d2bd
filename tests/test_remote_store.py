import subprocess
import sys

import fsspec
import numpy as np
import pandas as pd
import pytest

from dicecast.errors import DicecastError
from dicecast.remote_store import CURRENT, RemoteStore
from dicecast.store import Artifact

IDENTITY = {"seed": 3}


def artifact() -> Artifact:
    stack = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
    table = pd.DataFrame({"stem": ["a", "b"], "dice": [0.25, 1.0]})
    return Artifact({"w": np.eye(3)}, {"cases": table}, {"seconds": 1.5}, {"mask": stack})


def never() -> Artifact:
    raise AssertionError("it is in the store")


@pytest.fixture(params=["memory", "file"])
def url(request, tmp_path) -> str:
    folder = tmp_path / "remote"
    return f"file://{folder}" if request.param == "file" else f"memory://{folder}"


def files(url: str) -> list[str]:
    system, folder = fsspec.core.url_to_fs(url)
    return sorted(system.find(folder))


def test_another_machine_finds_what_one_made(url, tmp_path):
    assert RemoteStore(url, tmp_path / "one").find("backbone", IDENTITY) is None
    RemoteStore(url, tmp_path / "one").get("backbone", IDENTITY, artifact)
    found = RemoteStore(url, tmp_path / "other").get("backbone", IDENTITY, never)
    np.testing.assert_array_equal(found.arrays["w"], np.eye(3))
    np.testing.assert_array_equal(np.asarray(found.stacks["mask"]), artifact().stacks["mask"])
    pd.testing.assert_frame_equal(found.tables["cases"], artifact().tables["cases"])
    assert found.info == {"seconds": 1.5}
    assert RemoteStore(url, tmp_path / "other").find("backbone", {"seed": 4}) is None


def test_an_upload_that_was_broken_off_is_not_seen(url, tmp_path, monkeypatch):
    one = RemoteStore(url, tmp_path / "one")

    def broken(path, value):
        raise ConnectionError("no route to host")

    with monkeypatch.context() as patched:
        patched.setattr(one._files, "pipe_file", broken)
        with pytest.raises(DicecastError, match="no route to host"):
            one.get("backbone", IDENTITY, artifact)
    assert files(url)
    assert one.find("backbone", IDENTITY) is None
    assert RemoteStore(url, tmp_path / "other").find("backbone", IDENTITY) is None
    one.get("backbone", IDENTITY, artifact)
    RemoteStore(url, tmp_path / "other").get("backbone", IDENTITY, never)


def test_two_uploads_at_once_are_not_mixed(url, tmp_path):
    """The second comes while the first is under way; whichever is pointed at is whole."""
    first, second = (RemoteStore(url, tmp_path / name) for name in ("one", "two"))

    def made_late() -> Artifact:
        second.get("backbone", IDENTITY, artifact)
        return artifact()

    first.get("backbone", IDENTITY, made_late)
    assert len([path for path in files(url) if path.endswith(CURRENT)]) == 1
    RemoteStore(url, tmp_path / "other").get("backbone", IDENTITY, never)


def test_what_was_damaged_there_is_made_again(url, tmp_path):
    RemoteStore(url, tmp_path / "one").get("backbone", IDENTITY, artifact)
    [arrays] = [path for path in files(url) if path.endswith("arrays.npz")]
    fsspec.core.url_to_fs(url)[0].pipe_file(arrays, b"damaged")
    other = RemoteStore(url, tmp_path / "other")
    assert other.find("backbone", IDENTITY) is None
    other.get("backbone", IDENTITY, artifact)
    RemoteStore(url, tmp_path / "third").get("backbone", IDENTITY, never)


@pytest.mark.parametrize("name", ["", "../../elsewhere", "0123"])
def test_a_pointer_that_is_none_finds_nothing(url, tmp_path, name):
    RemoteStore(url, tmp_path / "one").get("backbone", IDENTITY, artifact)
    [current] = [path for path in files(url) if path.endswith(CURRENT)]
    fsspec.core.url_to_fs(url)[0].pipe_file(current, name.encode())
    assert RemoteStore(url, tmp_path / "other").find("backbone", IDENTITY) is None


def test_a_url_that_fsspec_does_not_know_is_named(tmp_path):
    with pytest.raises(DicecastError, match=r"nosuch://bucket cannot be reached"):
        RemoteStore("nosuch://bucket", tmp_path)


def test_a_folder_needs_no_fsspec():
    code = (
        "import sys; from pathlib import Path; from dicecast.harness.work import Work\n"
        "Work(None, Path('x'), Path('y')).open_store()\n"
        "sys.exit('fsspec' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

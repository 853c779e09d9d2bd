from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dicecast.errors import DicecastError
from dicecast.record_seal import sealed
from dicecast.records import (
    PIXELS,
    POOLED_PIXELS,
    Record,
    ScoreInfo,
    Sidecar,
    read_record,
    read_records,
    record_path,
    table_bytes,
    write_atomically,
    write_record,
)


def make(estimator: str = "softmax", seed: int = 0, **fields: Any) -> Record:
    cases = pd.DataFrame(
        {
            "stem": ["a", "b", "c"],
            "group": ["p", "p", "q"],
            "domain": "in_distribution",
            "dice": [0.9, 0.2, 1.0],
            "empty_truth": [False, False, True],
            "empty_prediction": [False, False, True],
            "max_softmax/mean": [-0.1, np.nan, -0.3],
        }
    )
    settings: dict[str, Any] = {
        "suite": "tiny",
        "estimator": estimator,
        "seed": seed,
        "status": "ok",
        "failure_threshold": 0.8,
        "bootstrap": {"resamples": 100, "seed": 0, "level": 0.95},
        "scores": {
            "max_softmax/mean": ScoreInfo(kind="aggregation"),
            "variance": ScoreInfo(kind="aggregation", undefined="needs at least 2 draws"),
        },
        "hashes": {"data": "d"},
        "seconds": {"fit": 1.5},
    }
    return Record(Sidecar(**(settings | fields)), cases)


def failed() -> Record:
    return Record(make(status="failed", error="it broke").sidecar, None)


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    record = make()
    path = write_record(tmp_path, record)
    assert path == tmp_path / "tiny" / "records" / "softmax" / "seed-0.json"
    back = read_record(path)
    assert back.cases is not None
    pd.testing.assert_frame_equal(back.cases, record.cases)
    hashes = back.sidecar.hashes
    assert back.sidecar == record.sidecar.model_copy(update={"hashes": hashes})
    assert hashes.keys() == {"data", "cases"}


def test_a_record_is_the_same_bytes_whenever_it_is_written(tmp_path: Path) -> None:
    first, second = (write_record(tmp_path / name, make()) for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()
    tables = [path.with_suffix(".parquet").read_bytes() for path in (first, second)]
    assert tables[0] == tables[1]
    assert sorted(path.name for path in first.parent.iterdir()) == ["seed-0.json", "seed-0.parquet"]


def test_a_failure_replaces_the_table_and_a_success_the_failure(tmp_path: Path) -> None:
    path = write_record(tmp_path, make())
    write_record(tmp_path, failed())
    assert not path.with_suffix(".parquet").exists()
    back = read_record(path)
    assert (back.sidecar.status, back.sidecar.error, back.cases) == ("failed", "it broke", None)
    write_record(tmp_path, make())
    assert read_record(path).cases is not None


def with_pixels() -> Record:
    record = make()
    pixels = pd.DataFrame({"domain": "in_distribution", "stem": ["a", "b", "c"], "nll": 0.5})
    pooled = pd.DataFrame({"domain": ["in_distribution"], "map": "", "name": "ece", "value": 0.1})
    return Record(record.sidecar, record.cases, {PIXELS: pixels, POOLED_PIXELS: pooled})


def test_further_tables_come_back_and_go_with_their_record(tmp_path: Path) -> None:
    record = with_pixels()
    path = write_record(tmp_path, record)
    back = read_record(path)
    assert list(back.tables) == ["cases", "pixels", "pooled_pixels"]
    for name, table in record.tables.items():
        pd.testing.assert_frame_equal(back.tables[name], table)
    assert {"cases", "pixels", "pooled_pixels"} <= set(back.sidecar.hashes)
    write_record(tmp_path, Record(back.sidecar, back.cases))
    assert read_record(path).further == {}
    assert sorted(p.name for p in path.parent.iterdir()) == ["seed-0.json", "seed-0.parquet"]


@pytest.mark.parametrize("name", ["pixels", "pooled_pixels"])
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_further_table_that_is_not_the_sidecars_is_refused(
    tmp_path: Path, name: str, damage: str
) -> None:
    path = write_record(tmp_path, with_pixels())
    table = path.with_suffix(f".{name}.parquet")
    if damage == "changed":
        table.write_bytes(table_bytes(with_pixels().further[name].iloc[:0]))
    else:
        table.unlink()
    with pytest.raises(DicecastError, match=rf"seed-0\.{name}\.parquet.*Run the suite again"):
        read_record(path)


@pytest.mark.parametrize("damage", ["changed", "other", "missing"])
def test_a_table_that_is_not_the_sidecars_is_refused(tmp_path: Path, damage: str) -> None:
    path = write_record(tmp_path, make())
    table = path.with_suffix(".parquet")
    if damage == "changed":
        better = make().cases
        assert better is not None
        better["dice"] = 1.0
        table.write_bytes(table_bytes(better))
    elif damage == "other":
        content = bytearray(table.read_bytes())
        content[len(content) // 2] ^= 1
        table.write_bytes(content)
    else:
        table.unlink()
    with pytest.raises(DicecastError, match=r"seed-0.*Run the suite again"):
        read_record(path)


def test_a_moved_record_is_refused(tmp_path: Path) -> None:
    path = write_record(tmp_path, make())
    moved = record_path(tmp_path, "tiny", "mc_dropout", 0)
    shutil.copytree(path.parent, moved.parent)
    with pytest.raises(DicecastError, match=r"mc_dropout.*says that it is tiny/records/softmax"):
        read_record(moved)
    renamed = path.with_name("seed-1.json")
    shutil.copy(path, renamed)
    with pytest.raises(DicecastError, match="says that it is"):
        read_record(renamed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 999}, "schema_version"),
        ({"schema_version": "1"}, "schema_version"),
        ({"status": "fine"}, "status"),
        ({"seed": 0.5}, "seed"),
        ({"surprise": 1}, "surprise"),
        ({"scores": {"a": {"kind": "guess"}}}, r"scores\.a\.kind"),
        ({"failure_threshold": None}, "failure_threshold"),
    ],
)
def test_another_format_is_refused_by_the_name_of_the_field(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = write_record(tmp_path, make())
    held = json.loads(path.read_text())
    del held["sha256"]
    path.write_bytes(sealed(json.dumps(held | change, indent=1)))
    with pytest.raises(DicecastError, match=rf"seed-0\.json.*{message}"):
        read_record(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_what_is_no_sidecar_is_refused(tmp_path: Path, content: bytes) -> None:
    path = write_record(tmp_path, make())
    path.write_bytes(content)
    with pytest.raises(DicecastError, match=r"seed-0\.json.*not in the format"):
        read_record(path)


def test_a_missing_sidecar_is_named(tmp_path: Path) -> None:
    with pytest.raises(DicecastError, match=r"absent\.json cannot be read"):
        read_record(tmp_path / "absent.json")


def test_all_records_of_a_suite_are_read_in_order(tmp_path: Path) -> None:
    for estimator, seed in (("softmax", 1), ("random", 0), ("softmax", 0)):
        write_record(tmp_path, make(estimator, seed))
    write_record(tmp_path, make(suite="other"))
    (tmp_path / "tiny" / "records" / "softmax" / ".seed-2.json.17").write_text("half")
    found = [(r.sidecar.estimator, r.sidecar.seed) for r in read_records(tmp_path, "tiny")]
    assert found == [("random", 0), ("softmax", 0), ("softmax", 1)]


def test_a_suite_without_records_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(DicecastError, match=r"no records of 'tiny'.*dicecast run tiny"):
        list(read_records(tmp_path, "tiny"))


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_process_left_half_written_is_removed(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    names = {
        who: tmp_path / f".leaderboard.md.{socket.gethostname()}-{process}"
        for who, process in {"gone": killed.pid, "alive": os.getppid(), "none": "x"}.items()
    }
    names["elsewhere"] = tmp_path / f".leaderboard.md.elsewhere-{killed.pid}"
    for path in names.values():
        path.write_text("half")
    write_atomically(tmp_path / "leaderboard.md", b"whole")
    assert {who for who, path in names.items() if path.exists()} == {"alive", "none", "elsewhere"}

"""Records of every version that was ever written can be read; a sealed one cannot be changed."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dicecast.errors import DicecastError
from dicecast.record_migration import MIGRATIONS, migrate
from dicecast.record_schema import record_schema, schema_path
from dicecast.record_seal import is_sealed, sealed
from dicecast.records import Sidecar, read_record, record_path
from dicecast.version import RECORD_SCHEMA_VERSION

FROZEN = Path(__file__).parent / "frozen_records"
KEPT = sorted(path.name for path in FROZEN.iterdir())


def sidecar_of(kept: str, root: Path = FROZEN) -> Path:
    return record_path(root / kept, "tiny", "softmax", 0)


def values_of(kept: str):
    return json.loads(sidecar_of(kept).read_bytes())


def test_a_record_of_every_version_is_kept():
    versions = {values_of(kept)["schema_version"] for kept in KEPT}
    assert versions == set(range(1, RECORD_SCHEMA_VERSION + 1))
    assert len(MIGRATIONS) == RECORD_SCHEMA_VERSION - 1


@pytest.mark.parametrize("kept", KEPT)
def test_a_record_of_an_older_version_reads_as_one_of_today(kept):
    record, values = read_record(sidecar_of(kept)), values_of(kept)
    sidecar = record.sidecar
    assert sidecar.schema_version == RECORD_SCHEMA_VERSION
    assert record.cases["stem"].tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(record.cases["dice"], [0.9, 0.2, 1.0])
    for key in ("suite", "seed", "hashes", "parts", "suite_settings", "seconds", "machine"):
        assert getattr(sidecar, key) == values[key]
    assert set(record.further) == {"pixels", "pooled_pixels"} & set(values["hashes"])


def test_what_the_first_records_left_out_is_filled_in():
    first, last = (read_record(sidecar_of(k)).sidecar for k in ("version-1-first", "version-1"))
    assert (first.own_map, first.undefined_pixels) == ("", {})
    assert first.scores["max_softmax/mean"].on_quality == {}
    assert last.own_map == "predictive_entropy"
    assert last.scores["max_softmax/mean"].on_quality == {"spearman": 0.5, "aurc": None}


@pytest.mark.parametrize("kept", KEPT)
def test_migration_changes_nothing_it_was_given(kept):
    values = values_of(kept)
    before = copy.deepcopy(values)
    migrated = migrate(values)
    assert values == before
    assert migrate(migrated) == migrated


@pytest.mark.parametrize("version", [0, RECORD_SCHEMA_VERSION + 1, "1", True, 1.0, None])
def test_an_unknown_version_is_refused(version):
    with pytest.raises(ValueError, match="whole number from 1 to"):
        migrate({"schema_version": version})


def test_every_byte_of_a_sealed_file_counts():
    content = sidecar_of("version-2").read_bytes()
    assert is_sealed(content)
    for place in range(len(content)):
        for flip in (1, 2, 32):
            changed = bytearray(content)
            changed[place] ^= flip
            assert not is_sealed(bytes(changed)), place
    for changed in (content[:-1], content + b"\n", content.replace(b"\n", b"\r\n"), b""):
        assert not is_sealed(changed)


def test_a_seal_is_the_hash_of_the_lines_above_it():
    # As `head -n -2 FILE | head -c -2 | sha256sum` prints it.
    content = sealed('{\n "seed": 0\n}')
    digest = "1676c829f026323765d224bb53a8327cd4f2cdb5bbc2103d5c4d8b4c96676d8b"
    assert json.loads(content) == {"seed": 0, "sha256": digest}


def test_a_sealed_record_cannot_pass_for_an_older_one(tmp_path):
    shutil.copytree(FROZEN / "version-2", tmp_path / "version-2")
    path = sidecar_of("version-2", tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"schema_version": 2', b'"schema_version": 1'))
    with pytest.raises(DicecastError, match="sha256"):
        read_record(path)


def test_the_schema_file_of_this_version_is_what_the_sidecar_gives():
    assert schema_path().read_text() == record_schema(), (
        "A key of the sidecar has changed. Raise RECORD_SCHEMA_VERSION, write the step in "
        "record_migration.py, keep a record of the old version in tests/frozen_records, and run "
        "'python -m dicecast.record_schema'."
    )


def keys(schema, name=None):
    found = schema["$defs"][name] if name else schema
    return set(found["properties"]), set(found["required"])


@pytest.mark.parametrize("kept", KEPT)
def test_a_record_has_the_keys_of_its_schema(kept):
    values = values_of(kept)
    schema = json.loads(schema_path(values["schema_version"]).read_text())
    allowed, needed = keys(schema)
    assert needed <= set(values) <= allowed
    allowed, needed = keys(schema, "ScoreInfo")
    assert all(needed <= set(info) <= allowed for info in values["scores"].values())


def test_version_2_needs_every_key():
    allowed, needed = keys(json.loads(schema_path(2).read_text()))
    assert allowed == needed == set(Sidecar.model_fields) | {"sha256"}


def test_tables_with_the_right_hash_must_be_tables(tmp_path):
    shutil.copytree(FROZEN / "version-1-first", tmp_path / "version-1-first")
    path = sidecar_of("version-1-first", tmp_path)
    path.with_suffix(".parquet").write_bytes(b"no table")
    values = json.loads(path.read_text())
    values["hashes"]["cases"] = hashlib.sha256(b"no table").hexdigest()
    path.write_text(json.dumps(values))
    with pytest.raises(DicecastError, match=r"seed-0\.parquet is not a parquet file"):
        read_record(path)


def test_frozen_tables_are_read_by_todays_pandas():
    for path in FROZEN.rglob("*.parquet"):
        assert len(pd.read_parquet(path))

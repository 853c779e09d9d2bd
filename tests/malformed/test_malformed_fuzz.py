"""Random suites, sidecars and tables are accepted or refused with an error for the user."""

from __future__ import annotations

import copy
import json
from typing import Any

import malformed_records
import malformed_suites
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicecast.data.tables import read_meta
from dicecast.errors import DatasetError, DicecastError, SuiteError
from dicecast.leaderboard.build import build_leaderboard
from dicecast.records import read_records
from dicecast.suite import Suite, load_suite

FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NUMBERS = st.integers() | st.floats()
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from([*malformed_suites.WRONG_TYPES, *malformed_suites.UNKNOWN])


def as_toml(value: Any) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{json.dumps(key)} = {as_toml(held)}" for key, held in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    if isinstance(value, float):
        return str(value)
    return json.dumps(value)


def suite_or_error(path, changes=()) -> None:
    try:
        assert isinstance(load_suite(str(path), changes), Suite)
    except SuiteError as error:
        assert len(str(error)) < 2000


@FUZZ
@given(st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=3))
def test_random_values_in_a_suite(tmp_path, changes) -> None:
    path = tmp_path / "suite.toml"
    path.write_text(malformed_suites.SUITE)
    suite_or_error(path, [f"{key}={as_toml(value)}" for key, value in changes])


@FUZZ
@given(st.binary(max_size=60) | st.text('ab=.[]{}"\n1,# ', max_size=60).map(str.encode))
def test_random_bytes_as_a_suite(tmp_path, content) -> None:
    path = tmp_path / "suite.toml"
    path.write_bytes(content)
    suite_or_error(path)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    malformed_records.write_records(folder)
    return folder, malformed_records.values_of(folder)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_random_changes_of_a_sidecar(recorded, data) -> None:
    folder, original = recorded
    values = copy.deepcopy(original)
    place = values
    key = data.draw(st.sampled_from(sorted(place)))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place)))
    place[key] = data.draw(VALUES)
    malformed_records.seal(folder, values)
    try:
        table = build_leaderboard(read_records(folder / "results", "mine"))
    except DicecastError as error:
        assert len(str(error)) < 3000
    else:
        assert set(table["estimator"]) == {"softmax", "random"}


@FUZZ
@given(st.binary(max_size=80) | st.text('stemgroup,\n"; 01', max_size=80).map(str.encode))
def test_random_bytes_as_a_table(tmp_path, content) -> None:
    path = tmp_path / "meta.csv"
    path.write_bytes(b"stem,group\n" + content)
    try:
        table = read_meta(path)
    except DatasetError as error:
        assert "meta.csv" in str(error)
    else:
        assert table["stem"].is_unique

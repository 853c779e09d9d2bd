from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicecast.data.splits import (
    assign_roles,
    check_fractions,
    check_groups,
    check_split,
    position,
    role_of,
)
from dicecast.errors import DatasetError, SuiteError

SHARES = {"train": 0.5, "validation": 0.1, "quality": 0.2, "test": 0.2}
FIXED = ["test", "train", "train", "test", "test", "train", "train", "train"]
GROUPS = st.lists(st.text(max_size=8), unique=True, max_size=20)


def table(**columns):
    return pd.DataFrame(columns).assign(stem=lambda rows: [f"s{row}" for row in range(len(rows))])


@given(GROUPS, GROUPS)
def test_adding_cases_changes_no_role(first, more):
    before = assign_roles(table(group=first), SHARES)
    after = assign_roles(table(group=[*more, *first]), SHARES)
    assert after[len(more) :] == before


@given(st.text(), st.text(max_size=3))
def test_positions_lie_in_the_unit_interval(group, salt):
    assert 0 <= position(group, salt) < 1


def test_the_cut_is_the_same_for_ever():
    assert [role_of(f"patient-{number}", SHARES) for number in range(8)] == FIXED


def test_shares_are_kept_and_the_order_of_the_setting_is_irrelevant():
    groups = table(group=[str(number) for number in range(4000)])
    roles = assign_roles(groups, SHARES)
    for role, share in SHARES.items():
        assert roles.count(role) / 4000 == pytest.approx(share, abs=0.03)
    assert roles == assign_roles(groups, dict(reversed(SHARES.items())))
    assert roles != assign_roles(groups, SHARES, salt="another")


def test_a_role_without_a_share_gets_nothing():
    roles = {role_of(str(number), {"train": 0.7, "quality": 0.3}) for number in range(300)}
    assert roles == {"train", "quality"}
    assert role_of("any", {"train": 0.0, "test": 1.0}) == "test"


def test_split_column_with_some_cases_cut_by_hash():
    cases = table(group=list("abcd"), split=["train", "val", "rest", "rest"])
    split = {"train": "train", "val": "validation", "rest": "hash"}
    assert assign_roles(cases, {"quality": 0.0, "test": 1.0}, split) == [
        "train",
        "validation",
        "test",
        "test",
    ]


def test_split_values_must_be_mapped():
    cases = table(group=list("abc"), split=["train", "val", "val"])
    with pytest.raises(DatasetError, match=r"it lacks 'val' \(stems s1, s2\)"):
        assign_roles(cases, SHARES, {"train": "train", "valid": "validation"})
    with pytest.raises(DatasetError, match="must have a column 'split'"):
        assign_roles(table(group=["a"]), SHARES, {"train": "train"})


def test_groups_must_not_straddle_roles():
    cases = table(group=["p1", "p1", "p2"]).assign(role=["train", "test", "test"])
    with pytest.raises(DatasetError, match=r"'p1' \(test and train\)\. Give them one split value"):
        check_groups(cases)
    check_groups(cases.iloc[1:])


def test_many_straddling_groups_are_counted():
    cases = table(group=[f"p{number // 2}" for number in range(18)])
    with pytest.raises(DatasetError, match="and 4 more"):
        check_groups(cases.assign(role=["train", "test"] * 9))


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ({"train": 0.5, "test": 0.4}, "sums to 0.9"),
        ({"train": 1.2, "test": -0.2}, "'train' in fractions must lie between 0 and 1"),
        ({"trian": 1.0}, "Did you mean 'train'"),
        ({"train": float("nan")}, "got nan"),
        ({}, "sums to 0"),
    ],
)
def test_fractions_are_checked(fractions, message):
    with pytest.raises(SuiteError, match=message):
        check_fractions(fractions)


def test_roles_of_split_values_are_checked():
    check_split({"a": "hash", "b": "test"})
    with pytest.raises(SuiteError, match="Did you mean 'validation'"):
        check_split({"val": "validaton"})

"""Tables, layouts, domains, the form of pixels and how problems are listed."""

from __future__ import annotations

import pandas as pd
import pytest

from dicecast.data.assemble import class_by_value
from dicecast.data.domains import Domain, assign_domains, check_domains, hold_out
from dicecast.data.layout import check_complete
from dicecast.data.problems import listed, raise_problems
from dicecast.data.reading import is_plain_resize
from dicecast.data.tables import read_meta
from dicecast.errors import DatasetError, SuiteError


@pytest.fixture
def meta(tmp_path):
    def write(text, encoding="utf-8"):
        (tmp_path / "meta.csv").write_text(text, encoding)
        return tmp_path / "meta.csv"

    return write


def test_names_stay_text_and_gaps_become_missing(meta):
    table = read_meta(meta("stem, group ,age,sex\n007,NA,,f\n NA ,01,5,nan\n"))
    assert table["stem"].tolist() == ["007", "NA"]
    assert table["group"].tolist() == ["NA", "01"]
    assert table["age"].isna().tolist() == [True, False]
    assert table["sex"].isna().tolist() == [False, True]


def test_a_table_saved_by_a_spreadsheet(meta):
    assert read_meta(meta("stem,x\na,1\n", "utf-8-sig"))["stem"].tolist() == ["a"]


def test_another_key(meta):
    assert read_meta(meta("image_id,x\n01,1\n"), "image_id")["stem"].tolist() == ["01"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,x\na,1\n", r"meta\.csv must have a column 'stem'.*it has name, x"),
        ("stem;x\na;1\n", "it has stem;x"),
        ("", r"meta\.csv must be a CSV file"),
        ('stem,x\n"a,1\n', r"meta\.csv must be a CSV file"),
        ("stem\na\nb\na\n", r"meta\.csv must have one row a stem.*'a'\. Remove"),
        ("stem,group\na,p\nb,\n", r"meta\.csv must give every case a group; lines 3 "),
        ("stem,x\n,1\n", "every case a stem; lines 2 "),
    ],
)
def test_broken_tables(meta, text, message):
    with pytest.raises(DatasetError, match=message):
        read_meta(meta(text))


def test_a_table_in_another_encoding(meta):
    with pytest.raises(DatasetError, match="must be a CSV file in UTF-8"):
        read_meta(meta("stem\nKöln\n", "latin-1"))


def test_every_part_must_have_every_case():
    with pytest.raises(DatasetError, match=r"masks lacks b, c \(2 in all\); meta.csv lacks a"):
        check_complete({"images": {"a", "b", "c"}, "masks": {"a"}, "meta.csv": {"b", "c"}})
    with pytest.raises(DatasetError, match="must hold cases"):
        check_complete({"images": set(), "masks": set()})
    check_complete({"images": {"a"}, "masks": {"a"}})


CASES = pd.DataFrame({"stem": list("abcd"), "width": [1, 2, 3, 4]})


def test_the_first_domain_that_matches_wins():
    domains = [Domain("narrow", "width < 2"), Domain("small", "width < 3")]
    assert assign_domains(CASES, domains) == [
        "narrow",
        "small",
        "in_distribution",
        "in_distribution",
    ]
    held = hold_out(CASES, ["train"] * 4, domains)
    assert held["role"].tolist() == ["test", "test", "train", "train"]


def test_a_domain_without_cases_is_an_error():
    with pytest.raises(DatasetError, match="The domain 'none' must hold cases; none of 4"):
        assign_domains(CASES, [Domain("all", "width > 0"), Domain("none", "width > 3")])


@pytest.mark.parametrize("name", ["", "a/b", "..\\x", "in_distribution", "two words"])
def test_names_of_domains(name):
    with pytest.raises(SuiteError, match="A domain's name must"):
        Domain(name, "width > 1")


def test_domains_are_checked_before_any_data_are_read():
    with pytest.raises(SuiteError, match="cannot be read"):
        Domain("wide", "width >")
    with pytest.raises(SuiteError, match="different names; got wide"):
        check_domains([Domain("wide", "width > 1"), Domain("wide", "width > 2")])


def test_pixel_values_of_classes():
    assert class_by_value(("a", "b"), {"0": "a", "7": "b", "9": "b"}) == {0: 0, 7: 1, 9: 1}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"0": "a", "1": "bb"}, "Did you mean 'b'"),
        ({"0": "a"}, "b has none"),
        ({"0": "a", "-1": "b"}, "got '-1'"),
        ({"0": "a", "65536": "b"}, "got '65536'"),
        ({"0": "a", "²": "b"}, "whole numbers"),
    ],
)
def test_pixel_values_are_checked(values, message):
    with pytest.raises(SuiteError, match=message):
        class_by_value(("a", "b"), values)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ((767, 1022), (192, 256), True),
        ((192, 256), (767, 1022), True),
        ((767, 1022), (767, 1022), True),
        ((767, 1022), (256, 256), False),
        ((767, 1022), (1022, 767), False),
        ((1000, 1000), (500, 502), False),
        ((1000, 1001), (500, 501), True),
        ((1000, 1001), (500, 500), True),
    ],
)
def test_shapes_up_to_rounding(first, second, same):
    assert is_plain_resize(first, second) is same


def test_long_lists_are_counted():
    assert listed("abc") == "a, b, c"
    assert listed("abcdefgh") == "a, b, c, d, e and 3 more"
    raise_problems([], "Nothing", "happens.")
    with pytest.raises(DatasetError, match=r"7 found:\n  a\n  b\n  c\n  d\n  e\n  and 2 more\nDo"):
        raise_problems("abcdefg", "Rule:", "Do this.")

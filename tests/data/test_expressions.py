"""Expressions: against pandas where both accept one, and everything else refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicecast.data.expressions import check_expression, matches
from dicecast.data.syntax import MAX_LENGTH
from dicecast.errors import SuiteError

TABLE = pd.DataFrame(
    {
        "width": [576, 1022, 2048, 6748],
        "age": [30.0, np.nan, 55.0, 80.0],
        "class": ["benign", "normal", None, "malignant"],
        "two words": [1, 2, 3, 4],
        "fresh": [True, False, True, False],
        "known": [True, None, False, True],
        "nothing": [np.nan] * 4,
    }
)


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("width >= 2000 and age > 60", [3]),
        ("width < 1000 or width > 6000", [0, 3]),
        ("1000 <= width < 3000", [1, 2]),
        ('class in ["benign", "malignant"]', [0, 3]),
        ("`class` == 'normal'", [1]),
        ("class not in ('benign',)", [1, 3]),
        ("`two words` > 2", [2, 3]),
        ("not width > 2000", [0, 1]),
        ("age != 55", [0, 3]),
        ("not (age >= 0)", [1]),
        ("width > age", [0, 2, 3]),
        ("fresh", [0, 2]),
        ("not fresh and width > -1.5", [1, 3]),
        ("fresh == True", [0, 2]),
        ("known", [0, 3]),
        ("known == False", [2]),
        ("nothing == 'x' or nothing in ['x']", []),
        ("nothing < 5", []),
        ("class == 'a`b`c'", []),
        ("width in []", []),
        ("1 < 2 < width", [0, 1, 2, 3]),
    ],
)
def test_selects(expression, rows):
    assert np.flatnonzero(matches(expression, TABLE)).tolist() == rows


def test_works_on_a_table_without_rows():
    assert matches("width > 1 and class == 'a'", TABLE.iloc[:0]).shape == (0,)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "__import__('os')",
        "width.__class__ == 1",
        "class.__class__",
        "lambda: 1",
        "(width := 3) > 2",
        "width + 1 > 2",
        "width if width > 1 else age",
        "[x for x in width]",
        "width[0] > 1",
        "f'{width}' == 'a'",
        "b'a' == class",
        "width is 1",
        "width > None",
        "width > 1j",
        "width == ...",
        "width",
        "class",
        "1",
        "1 == 1",
        "width > 'a'",
        "class > 1",
        "class in 'benign'",
        "class in ['benign', 1]",
        "class in [width]",
        "'a' in class",
        "width > ~1",
        f"width > {10**30}",
        "width >",
        "width > 1; import os",
        "width > 1\nage > 1",
        "width > 1 # and so on\x00",
        "(" * 300 + "width > 1" + ")" * 300,
        "not " * 240 + "width > 1",
        "-" * 900 + "1 < width",
        "width > 1 or " * 200 + "width > 1",
        "width > '\ud800",
    ],
)
def test_refuses(expression):
    if expression.startswith("not "):
        assert matches(expression, TABLE).shape == (4,)  # An even number of them is harmless.
        return
    with pytest.raises(SuiteError, match="Write comparisons of columns"):
        matches(expression, TABLE)


def test_names_the_part_that_is_wrong():
    with pytest.raises(SuiteError, match=r"in `len\(`class`\)`, a column, a number or quoted text"):
        matches("width > 1 and len(class) > 2", TABLE)


def test_unknown_column_gets_a_suggestion():
    with pytest.raises(SuiteError, match=r"no column 'widht'\. Did you mean 'width'"):
        matches("widht > 1", TABLE)


def test_a_column_of_numbers_and_text_is_refused():
    with pytest.raises(SuiteError, match="mixes numbers with text"):
        matches("mixed == 1", pd.DataFrame({"mixed": [1, "a"]}))


def test_syntax_is_checked_without_a_table():
    check_expression("anything > 1")
    with pytest.raises(SuiteError, match=f"longer than {MAX_LENGTH}"):
        check_expression("a" * (MAX_LENGTH + 1))


NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([-0.5, 0.5, 1.5]))
WORDS = st.sampled_from(["a", "b", "c"])
SIGNS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
COMPARISONS = st.one_of(
    st.builds("{} {} {}".format, st.sampled_from(["x", "y"]), SIGNS, NUMBERS),
    st.builds("{} < {} <= {}".format, NUMBERS, st.sampled_from(["x", "y"]), NUMBERS),
    st.builds("x {} y".format, SIGNS),
    st.builds("word {} '{}'".format, st.sampled_from(["==", "!="]), WORDS),
    st.builds("word {} {}".format, st.sampled_from(["in", "not in"]), st.lists(WORDS, min_size=1)),
)
EXPRESSIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("(not {})".format, inner),
    ),
    max_leaves=6,
)
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, WORDS), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(EXPRESSIONS, ROWS)
def test_agrees_with_pandas_where_nothing_is_missing(expression, rows):
    table = pd.DataFrame(rows, columns=["x", "y", "word"])
    expected = table.query(expression, engine="python").index
    assert np.flatnonzero(matches(expression, table)).tolist() == expected.tolist()


@settings(deadline=None)
@given(COMPARISONS, ROWS)
def test_a_missing_value_matches_no_comparison(expression, rows):
    table = pd.DataFrame(rows, columns=["x", "y", "word"]).astype({"x": float, "y": float})
    table.loc[:, ["x", "y"]] = np.nan
    table["word"] = table["word"].where(table["word"] == "-")
    assert not matches(expression, table).any()

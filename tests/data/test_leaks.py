"""Nothing of a test set may be in another role: planted leaks are found, each by what it shares."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from dicecast.data.cases import Cases, SegmentationData
from dicecast.data.leaks import check_test_apart
from dicecast.errors import DatasetError


def named(cases: Cases, row: int, **values: str) -> Cases:
    table = cases.table.copy()
    for column, value in values.items():
        table.loc[row, column] = value
    return replace(cases, table=table)


def with_image(cases: Cases, row: int, image: np.ndarray) -> Cases:
    images = np.array(cases.images)
    images[row] = image
    return replace(cases, images=images)


def test_data_without_a_leak_pass(disc_data):
    check_test_apart(disc_data)


@pytest.mark.parametrize("role", ["train", "validation", "quality"])
@pytest.mark.parametrize("what", ["name", "patient", "pixels"])
def test_a_planted_leak_is_named(disc_data: SegmentationData, role: str, what: str):
    test = disc_data.test["in_distribution"]
    cases = getattr(disc_data, role)
    leaking = {
        "name": lambda: named(cases, 3, stem="test4"),
        "patient": lambda: named(cases, 3, group="test4"),
        "pixels": lambda: with_image(cases, 3, test.images[4]),
    }[what]()
    fitted = leaking.stems[3]
    with pytest.raises(DatasetError, match="Give both cases one group") as raised:
        check_test_apart(replace(disc_data, **{role: leaking}))
    assert f"1 found:\n  test4 (test/in_distribution) and {fitted} ({role}), the same {what}\n" in (
        str(raised.value)
    )


def test_fingerprints_are_those_of_the_pixels_also_in_files(disc_data, disc_cases, in_files):
    cases = disc_data.train
    expected = [hashlib.sha256(image.tobytes()).hexdigest() for image in cases.images]
    assert cases.fingerprints == expected
    assert disc_cases(24, 0, "other").fingerprints == expected
    rows = np.array([5, 2])
    assert cases.select(rows).fingerprints == [expected[5], expected[2]]

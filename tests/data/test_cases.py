"""Cases: what identifies them, in memory and in files."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pytest

from dicecast.data.cases import Cases
from dicecast.errors import DatasetError
from dicecast.scratch import ScratchFile


def moved_to_files(cases: Cases) -> Cases:
    """The same cases, every stack in a file."""
    moved = {}
    for name in ("images", "masks", "raters"):
        array = getattr(cases, name)
        if array is not None:
            moved[name] = ScratchFile(array.shape, array.dtype)
            moved[name][:] = array
    return dataclasses.replace(cases, **moved)


@pytest.fixture
def cases(disc_cases):
    cases = disc_cases(30, 0)
    return dataclasses.replace(cases, raters=np.stack([cases.masks, 1 - cases.masks], axis=1))


def hash_of(cases):
    digest = hashlib.sha256()
    cases.update_hash(digest)
    return digest.hexdigest()


def test_the_hash_is_of_all_bytes_and_names_and_does_not_depend_on_where_they_are(cases, in_files):
    expected = hashlib.sha256()
    for array in (cases.images, cases.masks, cases.raters):
        expected.update(str(array.shape).encode() + array.tobytes())
    lines = "".join(f"{name},{name},in_distribution\n" for name in cases.stems)
    expected.update(b"stem,group,domain\n" + lines.encode())
    assert hash_of(cases) == hash_of(moved_to_files(cases)) == expected.hexdigest()


def test_taken_cases_are_in_memory(cases):
    rows = np.array([5, 2, 2])
    taken = moved_to_files(cases).take(rows)
    assert taken.stems == [cases.stems[row] for row in rows]
    for name in ("images", "masks", "raters"):
        assert isinstance(getattr(taken, name), np.ndarray)
        np.testing.assert_array_equal(getattr(taken, name), getattr(cases, name)[rows])
    chosen = np.arange(len(cases)) % 7 == 3
    np.testing.assert_array_equal(cases.take(chosen).images, cases.images[chosen])


def test_the_last_class_is_found_wherever_it_is(cases, in_files):
    masks = np.zeros((30, 16, 16), np.uint8)
    masks[17, 3, 4] = 5
    many = moved_to_files(dataclasses.replace(cases, masks=masks))
    assert many.last_class == 5
    assert many.take(np.arange(0)).last_class == 0


def test_a_class_that_is_not_declared_is_an_error(disc_data, in_files):
    wrong = disc_data.quality.take(np.arange(20))
    wrong.masks[19, 0, 0] = 2
    with pytest.raises(DatasetError, match="role 'quality': a mask has class 2, but only 2"):
        dataclasses.replace(disc_data, quality=moved_to_files(wrong))

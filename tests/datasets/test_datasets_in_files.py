"""A dataset that is too large for memory holds the same cases, in files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dicecast import scratch
from dicecast.data import scenes
from dicecast.plugins import datasets
from dicecast.scratch import ScratchFile
from dicecast.stacks import ArrayFile

LESIONS = {"train": 60, "validation": 7, "quality": 9, "test": 51, "shifted": 12, "seed": 5}


def lesions(size):
    return datasets.create("lesions", LESIONS).load(None, size)


def assert_same_in_files(found, expected):
    assert found.content_hash == expected.content_hash
    assert found.split_hash == expected.split_hash
    for (_, cases), (_, others) in zip(found.roles(), expected.roles(), strict=True):
        assert isinstance(cases.images, ArrayFile)
        assert isinstance(cases.masks, ArrayFile)
        assert isinstance(cases.raters, ArrayFile) == (others.raters is not None)
        assert isinstance(others.images, np.ndarray)


def test_lesions(request):
    expected = lesions((32, 40))
    request.getfixturevalue("in_files")
    assert_same_in_files(lesions((32, 40)), expected)


@pytest.mark.parametrize("raters", [0, 2])
def test_a_folder(raters, tmp_path, request):
    rng = np.random.default_rng(0)
    for number in range(40):
        parts = {"images": (20, 16, 3), "masks": (20, 16)}
        parts |= {f"raters/{name}": (20, 16) for name in range(raters)}
        for part, shape in parts.items():
            (tmp_path / part).mkdir(parents=True, exist_ok=True)
            levels = (
                rng.integers(0, 256, shape) if part == "images" else 255 * rng.integers(0, 2, shape)
            )
            Image.fromarray(levels.astype(np.uint8)).save(tmp_path / part / f"case{number}.png")
    folder = datasets.create("folder", {})
    expected = folder.load(tmp_path, (8, 6))
    request.getfixturevalue("in_files")
    assert_same_in_files(folder.load(tmp_path, (8, 6)), expected)


def test_what_is_kept_where_depends_on_the_size_of_the_whole(monkeypatch):
    data = lesions((16, 16))
    total = sum(
        np.asarray(stack).nbytes for _, c in data.roles() for stack in (c.images, c.masks, c.raters)
    )
    for room, kind in ((total, np.ndarray), (total - 1, ScratchFile)):
        monkeypatch.setattr(scratch, "IN_MEMORY", room)
        assert all(isinstance(c.masks, kind) for _, c in lesions((16, 16)).roles())


@pytest.mark.parametrize("pixels", [1, 3 * 45 * 31, 2**30])
def test_how_many_are_drawn_at_once_changes_no_pixel(pixels, monkeypatch):
    expected = lesions((45, 31)).content_hash
    monkeypatch.setattr(scenes, "PIXELS_AT_ONCE", pixels)
    assert lesions((45, 31)).content_hash == expected

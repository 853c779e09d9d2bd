"""A dataset on trial: loaded, and loaded again with the folders listed the other way round."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

from dicecast.data.cases import SegmentationData
from dicecast.data.dataset import Dataset
from dicecast.testing.checks import Outcome
from dicecast.testing.global_state import Watch, watching

SIZE, OTHER_SIZE = (32, 32), (32, 48)


@dataclass(frozen=True)
class Loaded:
    """What came of one ``load``.

    Attributes:
        data: What it returned.
        watch: The process-wide state before and after.
    """

    data: Any
    watch: Watch


class DatasetTrial:
    """A dataset, and what was seen of it so far.

    Args:
        dataset: Any.
        title: What a report calls it.
        root: The folder that it reads, if it does.
    """

    def __init__(self, dataset: Dataset, title: str, root: Path | None = None) -> None:
        self.dataset, self.title, self.root = dataset, title, root
        self.outcomes: dict[str, Outcome] = {}
        self._loads = 0

    @property
    def data(self) -> SegmentationData:
        """The data of the first load."""
        data: SegmentationData = self.first.data
        return data

    @cached_property
    def first(self) -> Loaded:
        """The data at ``SIZE``."""
        return self.loaded(SIZE)

    @cached_property
    def again(self) -> Loaded:
        """The same once more."""
        return self.loaded(SIZE)

    @cached_property
    def listed_backwards(self) -> Loaded:
        """The same, where every folder lists its files in the opposite order."""
        with _listing_backwards():
            return self.loaded(SIZE)

    def loaded(self, size: tuple[int, int]) -> Loaded:
        """Load, and put back what that moved."""
        self._loads += 1
        with watching(self._loads) as watch:
            data = self.dataset.load(self.root, size)
        return Loaded(data, watch)


class _Backwards:
    """What ``os.scandir`` returns, the other way round."""

    def __init__(self, entries: Any) -> None:
        with entries:
            self._entries = iter(sorted(entries, key=lambda entry: str(entry.name), reverse=True))

    def __enter__(self) -> _Backwards:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __iter__(self) -> _Backwards:
        return self

    def __next__(self) -> Any:
        return next(self._entries)

    def close(self) -> None:
        """Do nothing: the folder is read already."""


@contextmanager
def _listing_backwards() -> Iterator[None]:
    """Let folders list their files from the last name to the first, as some file systems do."""
    listdir, scandir = os.listdir, os.scandir
    with (
        mock.patch("os.listdir", lambda *path: sorted(listdir(*path), reverse=True)),
        mock.patch("os.scandir", lambda *path: _Backwards(scandir(*path))),
    ):
        yield

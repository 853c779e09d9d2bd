"""The contract of a dataset plug-in."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from dicecast.data.cases import SegmentationData


class Dataset(Protocol):
    """A frozen dataclass whose fields are the dataset's settings, with one method."""

    def load(self, root: Path | None, size: tuple[int, int]) -> SegmentationData:
        """Return the data, every image resized to ``size``.

        Args:
            root: The folder the user named (``--data-root``), or None.
            size: Height and width in pixels.

        Raises:
            DatasetError: The data are missing or break a rule; the text names the file.
        """
        ...

"""The typed value every dataset produces: cases, cut into roles."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.errors import DatasetError
from dicecast.stacks import Stack, chunks, select
from dicecast.stopwatch import timed

IN_DISTRIBUTION = "in_distribution"
"""The domain of the cases that resemble the training cases."""


@dataclass(frozen=True)
class Cases:
    """Images with their masks, one row a case.

    The pixels are stacks: arrays, or files where they are many. Index the rows that are wanted.

    Attributes:
        table: One row a case, in the order of the arrays, with at least the text columns ``stem``
            (unique in the dataset), ``group`` (patient) and ``domain``; further columns as given.
        images: ``(cases, height, width, channels)``, uint8; networks see it divided by 255.
        masks: ``(cases, height, width)``, uint8, the index of the class of each pixel.
        raters: ``(cases, raters, height, width)``, uint8, or None where there is one truth only.
    """

    table: pd.DataFrame
    images: Stack[np.uint8]
    masks: Stack[np.uint8]
    raters: Stack[np.uint8] | None = None

    def __post_init__(self) -> None:
        missing = {"stem", "group", "domain"} - set(self.table.columns)
        if missing:
            raise DatasetError(f"The table of cases lacks the columns {sorted(missing)}.")
        images, shapes = self.images.shape, (len(self.table), *self.masks.shape[1:])
        if len(images) != 4 or images[:3] != shapes or self.masks.shape != shapes:
            raise DatasetError(
                "Images must be (cases, height, width, channels) and masks (cases, height, width) "
                f"for {len(self.table)} cases; got {images} and {self.masks.shape}."
            )
        if self.images.dtype != np.uint8 or self.masks.dtype != np.uint8:
            raise DatasetError(
                f"Images and masks must be uint8; got {self.images.dtype} and {self.masks.dtype}."
            )

    def __len__(self) -> int:
        return len(self.table)

    @property
    def last_class(self) -> int:
        """The highest class index in the masks; 0 where there is no case."""
        return max((int(self.masks[rows].max()) for rows in chunks(self.masks)), default=0)

    @property
    def stems(self) -> list[str]:
        """The names of the cases, in order."""
        return [str(stem) for stem in self.table["stem"]]

    @property
    def groups(self) -> list[str]:
        """The patients of the cases, in order."""
        return [str(group) for group in self.table["group"]]

    @cached_property
    def fingerprints(self) -> list[str]:
        """The SHA-256 of the pixels of each image, in order."""
        return [
            hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()
            for rows in chunks(self.images)
            for image in self.images[rows]
        ]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Cases:
        """Return the cases at ``rows`` (indices or a boolean mask), in that order, in memory."""
        places = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.intp, copy=False)
        return self._cases(places, lambda stack: stack[places])

    def select(self, rows: NDArray[np.intp]) -> Cases:
        """Return the cases at ``rows``, in that order; no pixel in a file is read."""
        return self._cases(rows, lambda stack: select(stack, rows))

    @timed("data")
    def update_hash(self, digest: hashlib._Hash) -> None:
        """Feed every array and the identifying columns to ``digest``."""
        for stack in (self.images, self.masks, self.raters):
            if stack is not None:
                digest.update(repr(stack.shape).encode())
                for rows in chunks(stack):
                    digest.update(np.ascontiguousarray(stack[rows]).data)
        digest.update(self.table[["stem", "group", "domain"]].to_csv(index=False).encode())

    def _cases(
        self, rows: NDArray[np.intp], part: Callable[[Stack[np.uint8]], Stack[np.uint8]]
    ) -> Cases:
        """Return the cases at ``rows``, whose pixels are what ``part`` gives of a stack."""
        return Cases(
            self.table.iloc[rows].reset_index(drop=True),
            part(self.images),
            part(self.masks),
            None if self.raters is None else part(self.raters),
        )


@dataclass(frozen=True)
class FittingData:
    """The part of a dataset that estimators are fitted on: no quality role, no test.

    Attributes:
        classes: Names of the classes; index 0 is the background.
        train: Trains backbones.
        validation: Chooses weights, temperatures and thresholds.
    """

    classes: tuple[str, ...]
    train: Cases
    validation: Cases

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        height, width, channels = self.train.images.shape[1:]
        return height, width, channels

    @property
    def num_classes(self) -> int:
        """How many classes, background included."""
        return len(self.classes)

    def content_hash(self) -> str:
        """Return the SHA-256 of pixels, masks and names of both roles."""
        digest = hashlib.sha256()
        for cases in (self.train, self.validation):
            cases.update_hash(digest)
        return digest.hexdigest()


@dataclass(frozen=True)
class SegmentationData:
    """A dataset cut into its roles.

    Attributes:
        name: The dataset's registered name.
        classes: Names of the classes; index 0 is the background.
        train: Trains backbones.
        validation: Chooses weights, temperatures and thresholds.
        quality: Fits quality heads.
        test: One set of cases a domain; read by metrics alone.
        citation: How to cite the data, empty where there is nothing to cite.
        terms: Under what terms the data may be used.
    """

    name: str
    classes: tuple[str, ...]
    train: Cases
    validation: Cases
    quality: Cases
    test: dict[str, Cases]
    citation: str = ""
    terms: str = ""

    def __post_init__(self) -> None:
        for role, cases in self.roles():
            if len(cases) == 0:
                raise DatasetError(
                    f"Dataset '{self.name}': the role '{role}' has no cases. Give it a larger "
                    "share of the split, or more data."
                )
            if cases.last_class >= len(self.classes):
                raise DatasetError(
                    f"Dataset '{self.name}', role '{role}': a mask has class "
                    f"{cases.last_class}, but only {len(self.classes)} classes "
                    f"({', '.join(self.classes)}) are declared."
                )
            if cases.images.shape[1:] != self.train.images.shape[1:]:
                raise DatasetError(
                    f"Dataset '{self.name}', role '{role}': images are {cases.images.shape[1:]} "
                    f"but the training images are {self.train.images.shape[1:]}."
                )

    def for_fitting(self) -> FittingData:
        """Return what estimators may read."""
        return FittingData(self.classes, self.train, self.validation)

    def roles(self) -> Iterator[tuple[str, Cases]]:
        """Yield every role with its cases; test sets as ``test/<domain>``."""
        yield "train", self.train
        yield "validation", self.validation
        yield "quality", self.quality
        for domain, cases in self.test.items():
            yield f"test/{domain}", cases

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of every image."""
        return self.for_fitting().image_shape

    @property
    def num_classes(self) -> int:
        """How many classes, background included."""
        return self.for_fitting().num_classes

    def role_hash(self, *roles: str) -> str:
        """Return the SHA-256 of the pixels, masks and names of the named roles."""
        digest = hashlib.sha256()
        for role, cases in self.roles():
            if role in roles or role.split("/")[0] in roles:
                digest.update(role.encode())
                cases.update_hash(digest)
        return digest.hexdigest()

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the pixels, masks and names of all roles."""
        return self.role_hash("train", "validation", "quality", "test")

    @cached_property
    def split_hash(self) -> str:
        """SHA-256 of which case is in which role."""
        lines = sorted(f"{role}\t{stem}" for role, cases in self.roles() for stem in cases.stems)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

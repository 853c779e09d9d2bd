"""The manifest of exported predictions, ``export.toml``, as checked values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dicecast.errors import DatasetError, did_you_mean
from dicecast.registry import explain
from dicecast.suite import Bootstrap, Name, Part, Quality
from dicecast.toml_file import read_toml

MANIFEST = "export.toml"

COLUMN_HEADS = tuple(Part(name=name) for name in ("constant", "volume", "isotonic", "forest"))
"""The heads unless the manifest names some: two controls, and two that need no network."""


class Manifest(BaseModel):
    """What the files of an export mean.

    Attributes:
        name: What the leaderboard calls the model.
        suite: The folder of its results. Exports of the same cases that share it share a table.
        description: One line for people.
        classes: Names of the classes, in the order of the last axis; the background first.
        seed: Tells several trainings of one model apart; seeds the heads.
        values: What ``draws/`` or ``probabilities/`` hold.
        ordered_draws: Whether the order of the draws means something, as that of depths does.
        own_map: The map that quality heads read: a folder of ``maps/``, or a measure. Empty: the
            first of ``maps/`` where there are masks alone, else ``predictive_entropy``.
        mask_values: The pixel value of each class in masks; empty: its index.
        parameters: Trainable weights of the model, for the record; 0 where unknown.
        failure_threshold: A segmentation whose quality is below this has failed.
        quality: The measure of quality; the mean Dice unless it says otherwise.
        bootstrap: The intervals of the leaderboard.
        heads: Quality heads, fitted on the role ``quality``.
    """

    # Strict, but for a list where a tuple is meant: TOML has lists alone.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    name: Name
    suite: Name
    description: str = ""
    classes: tuple[Name, ...] = Field(min_length=2, max_length=255, strict=False)
    seed: int = Field(0, ge=0, lt=2**30)
    values: Literal["probabilities", "logits"] = "probabilities"
    ordered_draws: bool = False
    own_map: str = ""
    mask_values: tuple[Annotated[int, Field(ge=0, le=65535)], ...] = Field((), strict=False)
    parameters: int = Field(0, ge=0)
    failure_threshold: float = Field(0.8, gt=0, le=1)
    quality: Quality = Quality()
    bootstrap: Bootstrap = Bootstrap()
    heads: tuple[Part, ...] = Field(COLUMN_HEADS, strict=False)

    @model_validator(mode="after")
    def _agrees(self) -> Manifest:
        if self.mask_values and len(self.mask_values) != len(self.classes):
            raise ValueError(
                f"mask_values must give one value a class, {len(self.classes)}; it gives "
                f"{len(self.mask_values)}"
            )
        lists: dict[str, Sequence[Any]] = {
            "classes": self.classes,
            "mask_values": self.mask_values,
            "heads": [(part.title, str(part.settings)) for part in self.heads],
        }
        for kind, found in lists.items():
            twice = sorted({str(value) for value in found if list(found).count(value) > 1})
            if twice:
                raise ValueError(f"{kind} has {', '.join(twice)} twice; each must be there once")
        return self

    @property
    def class_of_value(self) -> dict[int, int]:
        """The index of the class by pixel value of a mask."""
        values = self.mask_values or range(len(self.classes))
        return {value: index for index, value in enumerate(values)}


def read_manifest(root: Path) -> Manifest:
    """Read ``export.toml`` in the folder of an export.

    Raises:
        DatasetError: It is missing, no TOML, has an unknown key or a wrong value.
    """
    path = root / MANIFEST
    table = read_toml(path, "manifest", DatasetError)
    for key in table:
        if key not in Manifest.model_fields:
            raise DatasetError(
                f"{path}: unknown key {key!r}. {did_you_mean(key, Manifest.model_fields)}"
            )
    try:
        return Manifest.model_validate(table)
    except ValidationError as error:
        raise DatasetError(
            f"{path} is not valid: {explain(error)}. Correct the value; "
            "docs/bring-your-own-predictions.md lists all keys."
        ) from error

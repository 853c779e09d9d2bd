"""Datasets that break one rule of the contract each."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from dicecast.data.cases import IN_DISTRIBUTION, Cases, SegmentationData

BROKEN = {}
"""The class by the check that names its rule."""


def breaks(check):
    def decorate(cls):
        BROKEN[check] = cls
        return cls

    return decorate


def squares(role, cases, size, seed=0):
    """Return bright squares on noise."""
    rng = np.random.default_rng([seed, *role.encode()])
    masks = np.zeros((cases, *size), np.uint8)
    masks[:, 4:12, 4:12] = 1
    images = rng.integers(0, 99, (*masks.shape, 3)) + 100 * masks[..., None]
    names = [f"{role}{number}" for number in range(cases)]
    table = pd.DataFrame({"stem": names, "group": names, "domain": IN_DISTRIBUTION})
    return Cases(table, images.astype(np.uint8), masks)


@dataclass(frozen=True)
class Good:
    """Squares; what subclasses do wrong is in ``spoilt``."""

    def load(self, root, size):
        parts = {role: squares(role, 6, size) for role in ("train", "validation", "quality")}
        test = {IN_DISTRIBUTION: squares("test", 6, size)}
        return self.spoilt(SegmentationData("squares", ("ground", "square"), **parts, test=test))

    def spoilt(self, data):
        return data


@breaks("stems_unique")
class TwoNames(Good):
    """Calls two cases alike."""

    def spoilt(self, data):
        table = data.train.table.assign(stem=["same"] * 2 + data.train.stems[2:])
        return replace(data, train=replace(data.train, table=table))


@breaks("test_apart")
class SharedPatient(Good):
    """Trains on a patient that it tests on."""

    def spoilt(self, data):
        test = data.test[IN_DISTRIBUTION]
        table = test.table.assign(group=data.train.groups)
        return replace(data, test={IN_DISTRIBUTION: replace(test, table=table)})


@breaks("roles")
class WrongDomain(Good):
    """Calls its shifted test set by another name than its cases."""

    def spoilt(self, data):
        return replace(data, test={"blurred": data.test[IN_DISTRIBUTION]})


@breaks("sizes")
class OneSize(Good):
    """Has a size of its own."""

    def load(self, root, size):
        return super().load(root, (32, 32))


@breaks("classes")
class NoSquare(Good):
    """Names a class that no mask has."""

    def spoilt(self, data):
        return replace(data, classes=(*data.classes, "circle"))


@breaks("load_again")
class ByChance(Good):
    """Draws other images every time."""

    def spoilt(self, data):
        other = squares("train", 6, data.image_shape[:2], seed=int.from_bytes(os.urandom(4)))
        return replace(data, train=other)


@breaks("listing_order")
class AsListed(Good):
    """Takes the cases as the folder lists its files."""

    def spoilt(self, data):
        names = [path.name for path in Path(__file__).parent.iterdir() if path.suffix == ".py"]
        order = np.argsort(np.argsort(names))
        return replace(data, train=data.train.take(order))


@breaks("global_state_untouched")
class LeavesTheFolder(Good):
    """Changes the working directory."""

    def load(self, root, size):
        os.chdir("/")
        return super().load(root, size)

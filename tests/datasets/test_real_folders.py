"""The folder dataset on real images, where copies of them are at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dicecast.errors import DatasetError
from dicecast.plugins import datasets

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"


def real(name):
    return pytest.mark.skipif(not (DATA / name).exists(), reason=f"no copy of {name} is at hand")


def load(name, size=(32, 32), **fields):
    return datasets.create("folder", fields).load(DATA / name, size)


@real("isic2017")
def test_isic2017_by_camera():
    data = load(
        "isic2017",
        domains=[
            {"name": "camera_below_1000px", "where": "native_width < 1000"},
            {"name": "camera_above_6000px", "where": "native_width >= 6000"},
        ],
    )
    assert sum(len(cases) for _, cases in data.roles()) == 2150
    assert (data.test["camera_below_1000px"].table["native_width"] < 1000).all()
    assert (data.test["camera_above_6000px"].table["native_width"] >= 6000).all()
    covered = np.concatenate([cases.masks.mean(axis=(1, 2)) for _, cases in data.roles()])
    stated = np.concatenate([cases.table["fg_fraction"] for _, cases in data.roles()])
    np.testing.assert_allclose(covered, stated, atol=0.02)


@real("isic2017")
def test_isic2017_has_one_image_in_both_official_parts():
    split = {"train": "hash", "val": "validation"}
    shares = {"train": 0.5, "quality": 0.2, "test": 0.3}
    with pytest.raises(DatasetError, match=r"1 found:\n.*ISIC_0012127.*ISIC_0012970"):
        load("isic2017", (8, 8), split=split, fractions=shares)


@real("lidc")
def test_lidc_keeps_patients_together_and_reads_four_raters():
    data = load("lidc", channels=1)
    groups = [set(cases.table["group"]) for _, cases in data.roles()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 539
    for _, cases in data.roles():
        assert cases.raters.shape == (len(cases), 4, 32, 32)
        majority = cases.raters.sum(axis=1) >= 2
        assert (majority == cases.masks).mean() > 0.99


@real("busi")
def test_busi_has_empty_masks():
    domains = [{"name": "malignant", "where": 'class == "malignant"'}]
    data = load("busi", domains=domains)
    empty = sum(int((~cases.masks.any(axis=(1, 2))).sum()) for _, cases in data.roles())
    assert empty == 50
    assert data.test["malignant"].masks.any(axis=(1, 2)).all()

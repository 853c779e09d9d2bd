"""The official layout of ISIC 2017, in miniature."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from dicecast.errors import DatasetError, SuiteError
from dicecast.plugins import datasets

STEMS = {
    "Training": [f"ISIC_{number:07}" for number in range(24)],
    "Validation": [f"ISIC_{number:07}" for number in range(100, 104)],
    "Test_v2": [f"ISIC_{number:07}" for number in range(200, 206)],
}
WIDE = [{"name": "wide", "where": "native_width >= 30"}]


def write_part(root, part):
    images = root / f"ISIC-2017_{part}_Data"
    masks = root / f"ISIC-2017_{part}_Part1_GroundTruth"
    images.mkdir(parents=True)
    masks.mkdir()
    rows = []
    for number, stem in enumerate(STEMS[part]):
        shape = (15, 30) if number == 1 else (18, 24)
        noise = np.random.default_rng(int(stem[5:])).integers(0, 256, (*shape, 3), dtype=np.uint8)
        Image.fromarray(noise).save(images / f"{stem}.jpg")
        Image.fromarray(noise).save(images / f"{stem}_superpixels.png")
        ending = "Segmentation" if number % 2 else "segmentation"
        truth = np.zeros(shape, np.uint8)
        truth[5:10, 8:16] = 255
        Image.fromarray(truth).save(masks / f"{stem}_{ending}.png")
        rows.append(f"{stem},{'unknown' if number == 2 else 40 + number},male")
    table = images / f"ISIC-2017_{part}_Data_metadata.csv"
    table.write_text("\n".join(["image_id,age_approximate,sex", *rows]))


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    root = tmp_path_factory.mktemp("isic")
    for part in STEMS:
        write_part(root, part)
    return root


@pytest.fixture
def root(release, tmp_path):
    return shutil.copytree(release, tmp_path / "isic")


def load(root, **fields):
    return datasets.create("isic2017", fields).load(root, (9, 12))


def test_official_parts_become_roles(root):
    data = load(root)
    assert data.validation.stems == STEMS["Validation"]
    assert data.test["in_distribution"].stems == STEMS["Test_v2"]
    assert sorted(data.train.stems + data.quality.stems) == STEMS["Training"]
    assert 0 < len(data.quality) < len(data.train)
    assert data.classes == ("background", "lesion")
    assert "1710.05006" in data.citation
    assert "CC0" in data.terms
    assert all(cases.masks.any(axis=(1, 2)).all() for _, cases in data.roles())


def test_columns_come_from_headers_and_tables(root):
    part3 = ["image_id,melanoma", *(f"{stem},{stem[-1]}" for stem in STEMS["Validation"])]
    (root / "ISIC-2017_Validation_Part3_GroundTruth.csv").write_text("\n".join(part3))
    table = load(root).validation.table
    assert table["native_width"].tolist() == [24, 30, 24, 24]
    assert table["native_height"].tolist() == [18, 15, 18, 18]
    assert table["age_approximate"].tolist() == ["40", "41", "unknown", "43"]
    assert table["melanoma"].tolist() == [0, 1, 2, 3]
    assert set(table["split"]) == {"validation"}


def test_cameras_are_held_out_of_every_part(root):
    data = load(root, domains=WIDE)
    assert data.test["wide"].stems == [stems[1] for stems in STEMS.values()]
    assert data.test["in_distribution"].stems == [s for s in STEMS["Test_v2"] if s[-1] != "1"]


def test_without_the_official_test_only_domains_are_tested(root):
    shutil.rmtree(root / "ISIC-2017_Test_v2_Data")
    with pytest.raises(DatasetError, match=r"lacks ISIC-2017_Test_v2_Data\. Download"):
        load(root, domains=WIDE)
    shutil.rmtree(root / "ISIC-2017_Test_v2_Part1_GroundTruth")
    assert list(load(root, domains=WIDE).test) == ["wide"]
    with pytest.raises(DatasetError, match="must have cases to test on"):
        load(root)


def test_missing_folders_are_named_with_the_layout(root):
    shutil.rmtree(root / "ISIC-2017_Training_Part1_GroundTruth")
    shutil.rmtree(root / "ISIC-2017_Validation_Data")
    expected = r"ISIC-2017_Training_Part1_GroundTruth, ISIC-2017_Validation_Data\. Download"
    with pytest.raises(DatasetError, match=expected) as caught:
        load(root)
    assert "ISIC-2017_Test_v2_Data" in str(caught.value)


def test_the_root_must_be_named():
    with pytest.raises(DatasetError, match=r"'isic2017' must have a folder.*--data-root"):
        load(None)


def test_images_without_masks_are_named(root):
    (root / "ISIC-2017_Training_Part1_GroundTruth" / "ISIC_0000004_segmentation.png").unlink()
    expected = r"ISIC-2017_Training_Part1_GroundTruth lacks ISIC_0000004 \(1 in all\)"
    with pytest.raises(DatasetError, match=expected):
        load(root)
    load(root, exclude="stem == 'ISIC_0000004'")


def test_broken_images_are_named_though_their_header_is_read_first(root):
    (root / "ISIC-2017_Training_Data" / "ISIC_0000006.jpg").write_text("broken")
    with pytest.raises(DatasetError, match=r"ISIC_0000006\.jpg must be an image"):
        load(root)
    load(root, exclude="stem == 'ISIC_0000006'")


def test_the_same_image_in_two_parts_is_a_leak(root):
    shutil.copy(
        root / "ISIC-2017_Training_Data" / "ISIC_0000000.jpg",
        root / "ISIC-2017_Test_v2_Data" / "ISIC_0000200.jpg",
    )
    with pytest.raises(DatasetError, match=r"ISIC_0000000\.jpg \(.*ISIC_0000200\.jpg \(test\)"):
        load(root)


def test_the_known_repetition_is_left_out(root):
    for folder, ending in [("Data", ".jpg"), ("Part1_GroundTruth", "_segmentation.png")]:
        (root / f"ISIC-2017_Training_{folder}" / f"ISIC_0012970{ending}").write_text("unread")
    assert "ISIC_0012970" not in [stem for _, cases in load(root).roles() for stem in cases.stems]


def test_parts_can_be_excluded(root):
    data = load(root, exclude="split == 'test' and native_width < 30")
    assert data.test["in_distribution"].stems == ["ISIC_0000201"]
    with pytest.raises(DatasetError, match="role 'test/in_distribution' has no cases"):
        load(root, exclude="split == 'test'")
    with pytest.raises(DatasetError, match="must hold cases; all are excluded"):
        load(root, exclude="native_width > 0")


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5])
def test_settings_are_checked(fraction):
    with pytest.raises(SuiteError, match="quality_fraction must lie between 0 and 1"):
        datasets.create("isic2017", {"quality_fraction": fraction})
    with pytest.raises(SuiteError, match="channels"):
        datasets.create("isic2017", {"channels": 4})

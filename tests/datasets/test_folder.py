"""A folder of tiny images: how it is cut, and every way in which it can be broken."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from dicecast.errors import DatasetError, PluginError, SuiteError
from dicecast.plugins import datasets

SIZE = (8, 6)
STEMS = [f"case{number:02}" for number in range(40)]


def write_case(root, stem, shape=(16, 12), seed=None, mask=None):
    pixels = np.random.default_rng(seed or list(stem.encode()))
    (root / "images").mkdir(parents=True, exist_ok=True)
    (root / "masks").mkdir(exist_ok=True)
    image = pixels.integers(0, 256, (*shape, 3), dtype=np.uint8)
    Image.fromarray(image).save(root / "images" / f"{stem}.png")
    if mask is None:
        mask = np.zeros(shape, np.uint8)
        mask[4:12, 2:10] = 255
    Image.fromarray(mask).save(root / "masks" / f"{stem}.png")


@pytest.fixture(scope="session")
def pristine(tmp_path_factory):
    root = tmp_path_factory.mktemp("pristine") / "data"
    for stem in STEMS:
        write_case(root, stem)
    return root


@pytest.fixture
def root(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "data")


def load(root, **fields):
    return datasets.create("folder", fields).load(root, SIZE)


def role_by_stem(data):
    return {stem: role for role, cases in data.roles() for stem in cases.stems}


def write_meta(root, header, row_of, stems=STEMS):
    lines = [header, *(f"{stem},{row_of(number)}" for number, stem in enumerate(stems))]
    (root / "meta.csv").write_text("\n".join(lines))


def test_reads_every_case_once_sorted_by_stem(root):
    data = load(root, citation="Nobody 2000", terms="CC0")
    assert sorted(role_by_stem(data)) == STEMS
    assert (data.citation, data.terms) == ("Nobody 2000", "CC0")
    assert data.image_shape == (*SIZE, 3)
    assert list(data.test) == ["in_distribution"]
    for _, cases in data.roles():
        assert cases.stems == sorted(cases.stems)
        assert cases.table["group"].tolist() == cases.stems
        assert set(cases.table["domain"]) == {"in_distribution"}
        assert cases.raters is None
        assert (cases.masks.sum(axis=(1, 2)) == 16).all()


def test_pixels_belong_to_their_stem(root):
    write_case(root, "white", mask=np.full((16, 12), 255, np.uint8))
    Image.new("RGB", (12, 16), "white").save(root / "images" / "white.png")
    cases = next(cases for _, cases in load(root).roles() if "white" in cases.stems)
    row = cases.stems.index("white")
    assert (cases.images[row] == 255).all()
    assert (cases.masks[row] == 1).all()
    assert not (np.delete(cases.images, row, axis=0) == 255).all(axis=(1, 2, 3)).any()


def test_is_the_same_twice_and_changes_with_the_salt(root):
    first, second = load(root), load(root)
    assert first.content_hash == second.content_hash
    assert first.split_hash != load(root, salt="another").split_hash


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sets(st.text("xyz", min_size=1, max_size=3), min_size=1, max_size=4))
def test_more_cases_change_no_role(root, tmp_path, more):
    before = role_by_stem(load(root))
    grown = shutil.copytree(root, tmp_path / "grown", dirs_exist_ok=True)
    for stem in more:
        write_case(grown, stem)
    after = role_by_stem(load(grown))
    assert {stem: after[stem] for stem in before} == before
    shutil.rmtree(grown)


def test_patients_stay_together(root):
    write_meta(root, "stem,group", lambda number: f"patient{number // 2}")
    data = load(root)
    groups = [set(cases.table["group"]) for _, cases in data.roles()]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 20


def test_domains_are_held_out_and_columns_are_kept(root):
    write_meta(root, "stem,width,class", lambda number: f"{number * 100},{'ab'[number % 2]}")
    domains = [
        {"name": "wide", "where": "width >= 3500"},
        {"name": "b", "where": "width >= 3000 and class == 'b'"},
    ]
    data = load(root, domains=domains, exclude="width == 3100")
    assert list(data.test) == ["in_distribution", "wide", "b"]
    assert data.test["wide"].stems == STEMS[35:]
    assert data.test["b"].stems == [STEMS[33]]
    assert data.test["b"].table["width"].tolist() == [3300]
    assert STEMS[31] not in role_by_stem(data)
    assert role_by_stem(load(root))[STEMS[0]] == role_by_stem(data)[STEMS[0]]


def test_split_column(root):
    names = ["tr", "va", "qu", "te"]
    write_meta(root, "stem,split", lambda number: names[number // 10])
    split = dict(zip(names, ["train", "validation", "quality", "test"], strict=True))
    data = load(root, split=split)
    assert [len(cases) for _, cases in data.roles()] == [10, 10, 10, 10]
    assert data.quality.stems == STEMS[20:30]
    mixed = load(root, split=split | {"te": "hash"}, fractions={"quality": 0.5, "test": 0.5})
    assert set(data.train.stems) == set(mixed.train.stems)
    assert len(mixed.quality) > 10
    with pytest.raises(DatasetError, match="lacks 'te'"):
        load(root, split={"tr": "train", "va": "validation", "qu": "quality"})


def test_raters(root):
    for rater in ("0", "1"):
        shutil.copytree(root / "masks", root / "raters" / rater)
    Image.new("1", (12, 16)).save(root / "raters" / "1" / f"{STEMS[0]}.png")
    data = load(root)
    assert data.train.raters.shape == (len(data.train), 2, *SIZE)
    cases = next(cases for _, cases in data.roles() if STEMS[0] in cases.stems)
    row = cases.stems.index(STEMS[0])
    assert cases.raters[row, 0].any()
    assert not cases.raters[row, 1].any()
    (root / "raters" / "1" / f"{STEMS[3]}.png").unlink()
    with pytest.raises(DatasetError, match=r"raters/1 lacks case03 \(1 in all\)"):
        load(root)


def test_several_classes_and_grey_images(root):
    for stem in STEMS:
        mask = np.repeat(np.array([[0, 10, 20, 20]], np.uint8), 3, axis=1)
        Image.fromarray(np.repeat(mask, 16, axis=0)).save(root / "masks" / f"{stem}.png")
    data = load(
        root,
        channels=1,
        classes=["nothing", "edge", "core"],
        mask_values={"0": "nothing", "10": "edge", "20": "core"},
    )
    assert data.image_shape == (*SIZE, 1)
    assert data.num_classes == 3
    assert np.unique(data.train.masks).tolist() == [0, 1, 2]


def test_empty_masks_and_hidden_files_are_fine(root):
    write_case(root, "empty", mask=np.zeros((16, 12), np.uint8))
    (root / "images" / ".DS_Store").write_bytes(b"x")
    (root / "masks" / "Thumbs.db").write_bytes(b"x")
    assert "empty" in role_by_stem(load(root))


@pytest.mark.parametrize("root", [None, "nowhere"])
def test_the_root_must_be_named(root, tmp_path):
    with pytest.raises(DatasetError, match=r"--data-root DIR, where DIR holds:\n  images/STEM"):
        load(root and tmp_path / root)


def test_folders_must_be_there_and_hold_cases(tmp_path):
    with pytest.raises(DatasetError, match="must hold a folder images"):
        load(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(DatasetError, match="must hold a folder masks"):
        load(tmp_path)
    (tmp_path / "masks").mkdir()
    with pytest.raises(DatasetError, match="The dataset must hold cases"):
        load(tmp_path)


def test_excluding_everybody(root):
    with pytest.raises(DatasetError, match="hold none that is not excluded"):
        load(root, exclude="stem != ''")


def test_missing_and_extra_files_are_listed(root):
    for stem in STEMS[:7]:
        (root / "masks" / f"{stem}.png").unlink()
    (root / "images" / "case20.png").unlink()
    expected = r"images lacks case20 \(1 in all\); masks lacks case00, .* and 2 more \(7 in all\)"
    with pytest.raises(DatasetError, match=expected):
        load(root)
    (root / "images" / "case20.png").touch()
    assert len(role_by_stem(load(root, exclude="stem < 'case07' or stem == 'case20'"))) == 32


def test_rows_and_files_must_agree(root):
    write_meta(root, "stem,x", str, stems=[*STEMS[1:], "ghost"])
    expected = r"images lacks ghost .*; masks lacks ghost .*; meta\.csv lacks case00 "
    with pytest.raises(DatasetError, match=expected):
        load(root)


def test_broken_meta_is_named(root):
    (root / "meta.csv").write_text("name\na")
    with pytest.raises(DatasetError, match=r"meta\.csv must have a column 'stem'"):
        load(root)
    write_meta(root, "stem,x", str, stems=[*STEMS, STEMS[4]])
    with pytest.raises(DatasetError, match=r"one row a stem.*'case04'"):
        load(root)


def test_two_images_of_one_stem(root):
    shutil.copy(root / "images" / "case05.png", root / "images" / "case05.bmp")
    with pytest.raises(DatasetError, match=r"images/case05\.bmp and images/case05\.png"):
        load(root)


def test_folders_among_images(root):
    (root / "images" / "more.of.it").mkdir()
    with pytest.raises(DatasetError, match=r"images must hold files only.*\n  images/more\.of\.it"):
        load(root)


def test_all_unusable_files_are_reported_at_once(root):
    whole = (root / "images" / "case01.png").read_bytes()
    (root / "images" / "case01.png").write_bytes(whole[:200])
    (root / "masks" / "case02.png").write_text("not an image")
    strange = np.full((16, 12), 9, np.uint8)
    Image.fromarray(strange).save(root / "masks" / "case03.png")
    write_case(root, "case04", mask=np.zeros((16, 16), np.uint8))
    with pytest.raises(DatasetError) as caught:
        load(root)
    lines = str(caught.value).splitlines()
    assert "4 found" in lines[0]
    for name, problem in [
        ("images/case01.png", "read to its end"),
        ("masks/case02.png", "read to its end"),
        ("masks/case03.png", "9 (192 pixels)"),
        ("masks/case04.png", "16 x 16 pixels (width x height), the image 12 x 16"),
    ]:
        assert any(str(root / name) in line and problem in line for line in lines), name
    assert "exclude" in lines[-1]


def test_many_unusable_files_are_counted(root):
    for stem in STEMS[:9]:
        (root / "images" / f"{stem}.png").write_text("broken")
    with pytest.raises(DatasetError, match=r"9 found:(\n  .*case\d\d\.png.*){5}\n  and 4 more\n"):
        load(root)


def test_a_mask_of_another_resolution_is_fine(root):
    mask = np.zeros((8, 6), np.uint8)
    mask[2:6, 1:4] = 255
    write_case(root, "coarse", mask=mask)
    write_case(root, "coarse2", shape=(16, 12), mask=np.zeros((33, 24), np.uint8))
    assert {"coarse", "coarse2"} <= set(role_by_stem(load(root)))


def test_nan_in_an_image_is_named(root):
    (root / "images" / "case06.png").unlink()
    values = np.full((16, 12), np.nan, np.float32)
    Image.fromarray(values).save(root / "images" / "case06.tif")
    with pytest.raises(DatasetError, match=r"case06\.tif must hold finite pixel values"):
        load(root)


def test_a_group_in_two_roles(root):
    write_meta(root, "stem,group,width", lambda number: f"p{number // 2},{number}")
    with pytest.raises(DatasetError, match=r"'p10' \((quality and test|test and \w+)\)"):
        load(root, domains=[{"name": "d", "where": "width == 20"}], fractions=NO_TEST)


NO_TEST = {"train": 0.6, "validation": 0.2, "quality": 0.2}


def test_the_same_image_in_two_roles_is_a_leak(root):
    roles = role_by_stem(load(root))
    train, other = (stem for stem in STEMS if roles[stem] == "train"), "test/in_distribution"
    first, second = next(train), next(train)
    shutil.copy(root / "images" / f"{first}.png", root / "images" / f"{second}.png")
    load(root)
    tested = next(stem for stem in STEMS if roles[stem] == other)
    shutil.copy(root / "images" / f"{first}.png", root / "images" / f"{tested}.png")
    expected = rf"{first}\.png \(train\) and .*{tested}\.png \(test\)"
    with pytest.raises(DatasetError, match=expected):
        load(root)
    load(root, exclude=f"stem == '{tested}'")


@pytest.mark.parametrize("place", ["images/case00.png", "masks/case00.png", "images", "meta.csv"])
def test_links_must_not_leave_the_root(root, tmp_path, place):
    write_meta(root, "stem,x", str)
    outside = tmp_path / "outside"
    (root / place).rename(outside)
    (root / place).symlink_to(outside)
    with pytest.raises(DatasetError, match=rf"{place} is a link to {outside}\. Copy"):
        load(root)


def test_links_inside_the_root_are_followed(root):
    (root / "images" / "case00.png").rename(root / "kept.png")
    (root / "images" / "case00.png").symlink_to(root / "kept.png")
    assert "case00" in role_by_stem(load(root))


def test_a_role_without_cases_is_an_error(root):
    with pytest.raises(DatasetError, match="the role 'validation' has no cases"):
        load(root, fractions={"train": 0.5, "quality": 0.25, "test": 0.25})
    with pytest.raises(DatasetError, match="must have cases to test on"):
        load(root, fractions=NO_TEST)


def test_domains_alone_can_be_the_test(root):
    domains = [{"name": "first", "where": "stem < 'case05'"}]
    assert list(load(root, fractions=NO_TEST, domains=domains).test) == ["first"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"channels": 2}, "channels must be 3"),
        ({"fractions": {"train": 1, "test": 1}}, "must sum to 1"),
        ({"split": {"a": "tset"}}, "Did you mean 'test'"),
        ({"classes": ["background", "lesion"]}, "'foreground' of pixel value 1 is none"),
        ({"exclude": "import os"}, "cannot be read"),
        ({"domains": [{"name": "d", "where": "a >"}]}, "cannot be read"),
        ({"domains": [{"name": "d", "where": "a > 1"}] * 2}, "different names"),
    ],
)
def test_settings_are_checked_before_any_file(fields, message):
    with pytest.raises(SuiteError, match=message):
        datasets.create("folder", fields)


def test_types_of_settings_are_checked():
    with pytest.raises(PluginError, match="domains"):
        datasets.create("folder", {"domains": [{"name": "d"}]})

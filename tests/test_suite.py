from __future__ import annotations

from pathlib import Path

import pytest

from dicecast.errors import SuiteError
from dicecast.plugins import REGISTRIES, heads
from dicecast.suite import Part, Suite, load_suite, shipped_suites

SMALLEST = """
name = "tiny"
[dataset]
name = "lesions"
[[estimators]]
name = "softmax"
"""

LARGER = """
name = "larger"
image_size = [32, 48]
seeds = [3, 4]
[dataset]
name = "lesions"
train = 10
[training]
epochs = 5
[[estimators]]
name = "mc_dropout"
draws = 5
[[estimators]]
name = "mc_dropout"
label = "strong"
rate = 0.5
[[heads]]
name = "two_stage"
[[heads]]
name = "two_stage"
inputs = "image"
[[heads]]
name = "forest"
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "suite.toml"
    path.write_text(LARGER)
    return path


def load(tmp_path: Path, text: str, *changes: str) -> Suite:
    path = tmp_path / "suite.toml"
    path.write_text(text)
    return load_suite(str(path), changes)


def test_what_a_file_leaves_out_has_its_default(tmp_path: Path) -> None:
    suite = load(tmp_path, SMALLEST)
    assert suite.name == "tiny"
    assert suite.backbone == Part(name="unet")
    assert suite.seeds == (0, 1, 2)
    assert suite.image_size == (64, 64)
    assert suite.compute.precision == "float32"
    assert suite.heads == ()


def test_every_other_key_of_a_part_is_a_setting(written: Path) -> None:
    suite = load_suite(str(written))
    assert suite.dataset.settings == {"train": 10}
    assert [part.title for part in suite.estimators] == ["mc_dropout", "strong"]
    assert suite.estimators[1].settings == {"rate": 0.5}
    assert suite.image_size == (32, 48)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name =", "nam =", r"unknown key 'nam'. Did you mean 'name'"),
        ("seeds =", "sedes =", r"unknown key 'sedes'. Did you mean 'seeds'"),
        ("epochs =", "epoch =", r"\[training\]: unknown key 'epoch'. Did you mean 'epochs'"),
        ("epochs = 5", 'epochs = "5"', r"training\.epochs.*received '5'"),
        ("epochs = 5", "epochs = 0", r"training\.epochs.*received 0"),
        ("epochs = 5", "epochs = 2.5", r"training\.epochs.*received 2\.5"),
        ("epochs = 5", "epochs = true", r"training\.epochs.*received True"),
        ("epochs = 5", "learning_rate = 0", r"training\.learning_rate"),
        ("epochs = 5", "learning_rate = nan", r"training\.learning_rate"),
        ("epochs = 5", "learning_rate = inf", r"training\.learning_rate"),
        ("[32, 48]", "[32]", r"image_size"),
        ("[32, 48]", "[4, 48]", r"image_size\.0.*received 4"),
        ("[32, 48]", "32", r"image_size"),
        ("[3, 4]", "[]", r"seeds"),
        ("[3, 4]", "[3, 3]", r"seeds has 3 twice"),
        ("[3, 4]", "[-1]", r"seeds\.0.*received -1"),
        ("[3, 4]", "[1073741824]", r"seeds\.0"),
        ("[3, 4]", "[0.5]", r"seeds\.0"),
        ('"larger"', '"../up"', r"name.*received '\.\./up'"),
        ('"larger"', '""', r"name"),
        ('label = "strong"', 'label = "a/b"', r"estimators\.1\.label"),
        ('label = "strong"', "", r"estimators has mc_dropout twice.*label"),
        ("[dataset]", "[compute]\nprecision = 'float8'\n[dataset]", r"compute\.precision"),
        ("[dataset]", "[compute]\naccelerat = 'xla'\n[dataset]", r"Did you mean 'accelerate'"),
        ("[dataset]", "[bootstrap]\nlevel = 1.0\n[dataset]", r"bootstrap\.level"),
        ("[dataset]", "[bootstrap]\nresamples = 10\n[dataset]", r"bootstrap\.resamples"),
        ("[dataset]", "failure_threshold = 1.5\n[dataset]", r"failure_threshold"),
        ('[dataset]\nname = "lesions"', "[dataset]", r"dataset\.name.*required"),
        ("[[estimators]]", "[estimators]", r"not valid TOML"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_key_and_file(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in LARGER
    with pytest.raises(SuiteError, match=message) as caught:
        load(tmp_path, LARGER.replace(old, new, 1))
    assert str(tmp_path / "suite.toml") in str(caught.value)


@pytest.mark.parametrize("missing", ["name", "dataset", "estimators"])
def test_a_missing_part_is_named(tmp_path: Path, missing: str) -> None:
    texts = {
        "name": SMALLEST.replace('name = "tiny"', ""),
        "dataset": SMALLEST.replace('[dataset]\nname = "lesions"', ""),
        "estimators": SMALLEST.replace('[[estimators]]\nname = "softmax"', ""),
    }
    with pytest.raises(SuiteError, match=rf"{missing}: Field required"):
        load(tmp_path, texts[missing])


@pytest.mark.parametrize("value", ['dataset = "lesions"', "dataset = 3", "dataset = []"])
def test_a_part_that_is_no_table_is_named(tmp_path: Path, value: str) -> None:
    text = f'name = "x"\n{value}\n[[estimators]]\nname = "softmax"'
    with pytest.raises(SuiteError, match="dataset"):
        load(tmp_path, text)


def test_changes_reach_every_depth(written: Path) -> None:
    suite = load_suite(
        str(written),
        [
            "training.epochs=7",
            "training.augment = false",
            "compute.precision=bfloat16",
            'description="two words"',
            "description=two words",
            "seeds=[9]",
            "dataset.train=20",
            "dataset.shifts=['blur']",
            "estimators.mc_dropout.draws=50",
            "estimators.strong.rate=0.25",
            "heads.forest.trees=10",
            "bootstrap.seed=4",
        ],
    )
    assert (suite.training.epochs, suite.training.augment) == (7, False)
    assert suite.compute.precision == "bfloat16"
    assert suite.description == "two words"
    assert suite.seeds == (9,)
    assert suite.dataset.settings == {"train": 20, "shifts": ["blur"]}
    assert suite.estimators[0].settings == {"draws": 50}
    assert suite.estimators[1].settings == {"rate": 0.25}
    assert suite.heads[2].settings == {"trees": 10}
    assert suite.bootstrap.seed == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epochs", r"takes key=value.*got 'training\.epochs'"),
        ("=5", "takes key=value"),
        ("training..epochs=5", "takes key=value"),
        ("training.epochs=[", r"neither a TOML value nor a plain word"),
        ("training.epochs=ten", r"training\.epochs.*received 'ten'"),
        ("training.epoch=5", r"unknown key 'epoch'. Did you mean 'epochs'"),
        ("trainin.epochs=5", r"unknown key 'trainin'. Did you mean 'training'"),
        ("estimators.mc_dropuot.rate=1", r"no 'mc_dropuot'. Did you mean 'mc_dropout'"),
        ("training.epochs.more=5", r"'epochs'"),
        ("training.epochs.more.still=5", r"'more'|'epochs'"),
        ("estimators.mc_dropout=5", r"'mc_dropout'|'estimators'"),
        ("heads.two_stage.epochs=5", r"2 .*'two_stage'"),
    ],
)
def test_a_wrong_change_says_what_is_wrong(written: Path, change: str, message: str) -> None:
    with pytest.raises(SuiteError, match=message):
        load_suite(str(written), [change])


def test_estimators_can_be_chosen_and_unknown_ones_added(written: Path) -> None:
    suite = load_suite(str(written)).with_estimators(["strong", "mine"])
    assert [part.title for part in suite.estimators] == ["strong", "mine"]
    assert suite.estimators[0].settings == {"rate": 0.5}


def test_what_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"no suite 'quickstrat'. Did you mean 'quickstart'"):
        load_suite("quickstrat")
    with pytest.raises(SuiteError, match=r"no suite file .*absent\.toml"):
        load_suite(str(tmp_path / "absent.toml"))
    with pytest.raises(SuiteError, match=r"it is a folder"):
        (tmp_path / "folder.toml").mkdir()
        load_suite(str(tmp_path / "folder.toml"))


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", b"name = 'a'\nname = 'b'"])
def test_what_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "suite.toml"
    path.write_bytes(content)
    with pytest.raises(SuiteError, match=r"suite\.toml is not valid TOML"):
        load_suite(str(path))


@pytest.mark.parametrize("name", shipped_suites())
def test_shipped_suites_name_plug_ins_and_settings_that_exist(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name
    kinds = [("datasets", suite.dataset), ("backbones", suite.backbone)]
    kinds += [("estimators", part) for part in suite.estimators]
    kinds += [("heads", part) for part in suite.heads]
    for kind, part in kinds:
        REGISTRIES[kind].create(part.name, part.settings)
    assert {"random", "softmax"} <= {part.name for part in suite.estimators}
    assert {"constant", "volume"} <= {part.name for part in suite.heads}
    rows = [part.label or heads.create(part.name, part.settings).score_name for part in suite.heads]
    assert len(set(rows)) == len(rows)

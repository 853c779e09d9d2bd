"""From a folder to a record and a leaderboard, and what is not loaded or held on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_exports import save

from dicecast.cli import main as command
from dicecast.data.images import read_mask
from dicecast.errors import DicecastError
from dicecast.exported.export import open_export
from dicecast.exported.scoring import ExportRun
from dicecast.records import read_record
from dicecast.store import Store

RECORD = Path("theirs") / "records" / "their-model" / "seed-0.json"


def score(monkeypatch, root: Path, results: Path, *options: str) -> None:
    store = str(results.parent / "store")
    arguments = ["dicecast", "score", str(root), "--results", str(results), "--store", store]
    monkeypatch.setattr(sys, "argv", [*arguments, *options])
    with pytest.raises(SystemExit) as left:
        command.main()
    if left.value.code:
        raise AssertionError(left.value.code)


def scored(root: Path, tmp_path: Path) -> ExportRun:
    return ExportRun(open_export(root), Store(tmp_path / "store"))


def maps_of(root: Path, name: str) -> None:
    """Write a map for each case."""
    rng = np.random.default_rng(0)
    for path in sorted((root / "draws").iterdir()):
        save(root / "maps" / name, path.stem, rng.random((16, 16)), ".npy")


def test_a_record_and_a_leaderboard_are_written(export, tmp_path, monkeypatch, capsys):
    results = tmp_path / "results"
    score(monkeypatch, export, results)
    record = read_record(results / RECORD)
    assert record.sidecar.draws == 3 and record.sidecar.seed == 0
    heads = {name for name, info in record.sidecar.scores.items() if info.kind == "head"}
    assert heads == {"constant", "volume", "isotonic", "forest"}
    assert record.cases["stem"].tolist() == [f"test{number}" for number in range(8)]
    assert not record.cases[list(heads)].isna().any(axis=None)
    table = pd.read_csv(results / "theirs" / "leaderboard.csv")
    assert set(table["estimator"]) == {"their-model"} and table["chosen_rank"].notna().sum() == 1
    assert max(len(line) for line in capsys.readouterr().out.splitlines() if "/" not in line) <= 80


def test_nothing_is_written_where_a_file_is_wrong(export, tmp_path, monkeypatch, capsys):
    with np.load(export / "draws" / "test7.npz") as held:
        save(export / "draws", "test7", held["array"] * 2)
    with pytest.raises(AssertionError, match="2"):
        score(monkeypatch, export, tmp_path / "results")
    assert not (tmp_path / "results").exists()
    message = capsys.readouterr().err
    assert message.startswith("Error: ") and "test7.npz" in message.replace("\n", "")


def test_two_models_share_a_table_and_other_cases_are_refused(
    export, export_in, tmp_path, monkeypatch, capsys
):
    results = tmp_path / "results"
    score(monkeypatch, export, results)
    manifest = export / "export.toml"
    manifest.write_text(manifest.read_text().replace("their-model", "another"))
    score(monkeypatch, export, results)
    table = pd.read_csv(results / "theirs" / "leaderboard.csv")
    assert set(table["estimator"]) == {"their-model", "another"}
    others = export_in(tmp_path / "others", test=9)
    manifest = others / "export.toml"
    manifest.write_text(manifest.read_text().replace("their-model", "of-other-cases"))
    before = sorted(results.rglob("*"))
    with pytest.raises(AssertionError, match="2"):
        score(monkeypatch, others, results)
    assert "data hash" in capsys.readouterr().err and sorted(results.rglob("*")) == before


def test_without_a_quality_role_there_are_aggregations_and_no_heads(export_in, tmp_path):
    root = export_in(tmp_path / "export", quality=0)
    record = scored(root, tmp_path).finished().record
    infos = record.sidecar.scores
    assert "no cases of the role quality" in infos["forest"].undefined
    assert not infos["forest"].failed and "predictive_entropy/mean" in record.cases


def test_without_a_validation_role_the_quality_role_gives_the_thresholds(export_in, tmp_path):
    run = scored(export_in(tmp_path / "export", validation=0), tmp_path)
    assert run.export.data.validation is run.export.data.quality
    assert run.predict().info["thresholds"]["predictive_entropy"] > 0


def test_maps_of_its_own_become_measures_and_masks_alone_need_one(export, tmp_path):
    maps_of(export, "surprise")
    artifact = scored(export, tmp_path).predict()
    assert {"score:surprise/mean", "score:mutual_information/mean"} <= set(artifact.tables["cases"])
    values = [np.load(export / "maps" / "surprise" / f"test{row}.npy").mean() for row in range(8)]
    of_test = artifact.tables["cases"].query("role == 'test/in_distribution'")
    np.testing.assert_allclose(of_test["score:surprise/mean"], -np.array(values), rtol=1e-6)
    for path in sorted((export / "draws").iterdir()):
        with np.load(path) as held:
            save(export / "masks", path.stem, held["array"].mean(0).argmax(-1).astype(np.uint8))
        path.unlink()
    (export / "draws").rmdir()
    alone = scored(export, tmp_path).predict()
    pd.testing.assert_series_equal(
        alone.tables["cases"]["dice"], artifact.tables["cases"]["dice"], check_exact=True
    )
    assert alone.info["own_map"] == "surprise" and "mutual_information" in alone.info["undefined"]


def test_a_map_of_its_own_must_not_hide_a_measure(export, tmp_path):
    maps_of(export, "variance")
    with pytest.raises(DicecastError, match="maps/variance/ must not have the name of a measure"):
        scored(export, tmp_path)


def test_an_own_map_that_there_is_not(export, tmp_path):
    manifest = export / "export.toml"
    manifest.write_text('own_map = "mutual_informatoin"\n' + manifest.read_text())
    with pytest.raises(DicecastError, match="Did you mean 'mutual_information'"):
        scored(export, tmp_path)


def test_mean_probabilities_have_no_measures_of_several_draws(export, tmp_path):
    for path in sorted((export / "draws").iterdir()):
        with np.load(path) as held:
            save(export / "probabilities", path.stem, held["array"].mean(0).astype(np.float16))
        path.unlink()
    (export / "draws").rmdir()
    info = scored(export, tmp_path).predict().info
    assert info["draws"] == 1 and info["undefined"]["variance"] == "needs at least 2 draws"


def test_heads_that_read_what_was_not_exported_are_undefined(export, tmp_path):
    manifest = export / "export.toml"
    heads = '[[heads]]\nname = "two_stage"\n[[heads]]\nname = "vae_alarm"\n'
    manifest.write_text(manifest.read_text() + heads)
    finished = scored(export, tmp_path).finished()
    infos = finished.record.sidecar.scores
    assert finished.failures == []
    assert "Add a folder images/" in infos["two_stage/image+mask+map"].undefined
    assert "an export does not hold" in infos["vae_alarm"].undefined


def test_nifti_holds_what_npz_holds(export, tmp_path):
    nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed (extra: nifti)")
    expected = scored(export, tmp_path).predict()
    for path in sorted((export / "draws").iterdir()):
        with np.load(path) as held:
            image = nibabel.Nifti1Image(held["array"], np.eye(4))
        nibabel.save(image, path.with_name(f"{path.stem}.nii.gz"))
        path.unlink()
    (export / "truth" / "test0.png").rename(tmp_path / "test0.png")
    truth = read_mask(tmp_path / "test0.png", {0: 0, 1: 1})
    nibabel.save(nibabel.Nifti1Image(truth, np.eye(4)), export / "truth" / "test0.nii")
    found = scored(export, tmp_path).predict()
    assert found.info["key"] != expected.info["key"]
    pd.testing.assert_frame_equal(found.tables["cases"], expected.tables["cases"])


def test_tensorflow_is_not_loaded(export, tmp_path):
    program = (
        "import sys\nfrom dicecast.cli.main import main\n"
        "try:\n    main()\nfinally:\n    assert 'tensorflow' not in sys.modules\n    print('light')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "score", str(export)],
        env={name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("light\n") and (tmp_path / "results" / RECORD).is_file()


@pytest.mark.usefixtures("in_files")
def test_eight_times_the_cases_need_no_more_memory(export_in, tmp_path):
    def peak(count: int) -> int:
        export = open_export(export_in(tmp_path / str(count), quality=4, test=count, size=32))
        run = ExportRun(export, Store(tmp_path / f"store{count}"))
        tracemalloc.start()
        run.predict()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(8)  # what is loaded or traced once
    few, many = peak(50), peak(400)
    held = 350 * 3 * 2 * 32 * 32 * 4
    assert many - few < held / 4

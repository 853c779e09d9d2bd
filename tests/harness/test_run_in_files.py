"""A suite whose data are too large for memory gives the same tables."""

from __future__ import annotations

import shutil
from pathlib import Path

from dicecast.plugins import add_plugin_file

PLUGINS = Path(__file__).parent.parent / "plugins"


def test_pixels_in_files_change_no_number(
    finished, tiny, run_suite, tmp_path, in_files, monkeypatch
):
    monkeypatch.setattr("dicecast.harness.predicting.TABLES_AT_MOST", 2)
    suite = tiny.with_estimators(["random", "mc_dropout"])
    failures, _ = run_suite(suite, tmp_path)
    assert failures == []
    for estimator in ("random", "mc_dropout"):
        record = f"results/tiny/records/{estimator}/seed-0.parquet"
        assert (tmp_path / record).read_bytes() == (finished / record).read_bytes()


def test_a_plugin_that_takes_all_pixels_at_once_runs(tiny, run_suite, tmp_path, in_files):
    # A copy: the file itself is imported but once, and other tests add it too.
    add_plugin_file(Path(shutil.copy(PLUGINS / "tempered.py", tmp_path / "takes_all.py")))
    suite = tiny.model_copy(update={"heads": ()}).with_estimators(["tempered"])
    assert run_suite(suite, tmp_path)[0] == []

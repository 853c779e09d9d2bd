"""A suite whose data are too large for memory gives the same tables."""

from __future__ import annotations


def test_pixels_in_files_change_no_number(finished, tiny, run_suite, tmp_path, in_files):
    suite = tiny.with_estimators(["random", "mc_dropout"])
    failures, _ = run_suite(suite, tmp_path)
    assert failures == []
    for estimator in ("random", "mc_dropout"):
        record = f"results/tiny/records/{estimator}/seed-0.parquet"
        assert (tmp_path / record).read_bytes() == (finished / record).read_bytes()

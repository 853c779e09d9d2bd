"""The page about speed is made from its JSON, which shows what it must."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import speed_page

ROOT = Path(__file__).parent.parent
COMPARED = ROOT / "results" / "speed" / "side_by_side.json"

RESULT = {
    "ratio": 2.0,
    "n": 5,
    "ours": {"seconds": 1.0, "images_per_second": 1234.5},
    "peer": {"seconds": 2.0, "images_per_second": 61.7, "mode": "eager"},
    "work": "train",
    "peer_is": "PyTorch",
    "command": "python side_by_side.py",
    "commit": "abc",
    "machine": {"processor": "CPU", "cores": 2, "threads": 2},
    "versions": {"ours": {"keras": "3"}, "peer": {"torch": "2"}},
}
DEVICE_ROW = {
    "work": "sample",
    "height": 64,
    "width": 128,
    "precision": "bfloat16",
    "accelerate": "xla",
    "batch": 32,
    "draws": 20,
}
DEVICE = {
    "device": "A GPU",
    "backend": "jax",
    "rates": {"float32": 5e13, "bfloat16": 4e14},
    "versions": {"jax": "0.9"},
    "command": "gpu.py",
    "commit": "abc",
    "rows": [
        DEVICE_ROW
        | {"images_per_second": 5000.0, "peak_device_mib": 812.3, "share_of_bfloat16_rate": 0.25},
        DEVICE_ROW | {"failed": "out of memory"},
    ],
}


def test_the_committed_page_is_what_the_json_gives():
    assert (ROOT / "docs" / "speed.md").read_text() == speed_page.page(ROOT)


@pytest.mark.skipif(not COMPARED.exists(), reason="nothing is compared yet")
def test_the_committed_ratios_keep_what_they_must():
    found = json.loads(COMPARED.read_text())
    assert not speed_page.misses(found)
    skipped = {key: result["skipped"] for key, result in found.items() if "skipped" in result}
    assert not skipped
    assert found.keys() >= speed_page.FLOORS.keys() | speed_page.CEILINGS.keys()
    assert all(result["n"] >= 5 for key, result in found.items() if key in speed_page.FLOORS)


@pytest.mark.parametrize(
    ("ratio", "share", "missed"), [(1.39, 1.0, 1), (1.4, 1.0, 0), (0.7, 0.5, 0)]
)
def test_a_ratio_below_its_floor_is_a_miss(ratio, share, missed):
    assert len(speed_page.misses({"train_float32": {"ratio": ratio}}, share)) == missed


def test_a_ratio_above_its_ceiling_is_a_miss_whatever_the_share():
    found = {"memory_200_draws": {"ratio": 1.2}, "scoring": {"skipped": "no SciPy"}}
    assert list(speed_page.misses(found, 0.5)) == ["memory_200_draws"]


def test_a_table_shows_figures_bounds_and_reasons():
    found = {"train_float32": RESULT, "scoring": {"skipped": "no module"}}
    first, second = speed_page.table(found).splitlines()[2:]
    assert first == (
        "| `train_float32` | train | PyTorch; eager | 61.7 images/s | 1,234 images/s | **2** "
        "| ≥ 1.4 | 5 |"
    )
    assert "skipped: no module" in second
    assert first.count("|") == second.count("|") == 9


def test_comparisons_of_one_run_share_a_line_of_provenance():
    found = {"train_float32": RESULT, "scoring": RESULT, "aggregations": RESULT | {"commit": "def"}}
    lines = speed_page.provenance(found).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("- `train_float32`, `scoring`: `python side_by_side.py` at abc; CPU")
    assert lines[0].endswith("keras 3, torch 2.")


def test_a_device_has_a_row_for_each_measurement_and_failure():
    text = speed_page.device_table(DEVICE).splitlines()
    assert "400 (bfloat16) TFLOP/s" in text[0]
    assert text[-2] == ("| sample | 64x128 | bfloat16 | yes | 32 | 20 | 5,000 | 812 MiB | 25.0% |")
    assert "out of memory" in text[-1]
    assert {line.count("|") for line in text[2:]} == {10}


def test_the_tables_say_what_is_not_measured(tmp_path):
    assert "Not measured yet" in speed_page.tables(tmp_path)
    assert "No GPU was to be had" in speed_page.tables(tmp_path)
    (tmp_path / "side_by_side.json").write_text(json.dumps({"scoring": RESULT}))
    (tmp_path / "gpu-a.json").write_text(json.dumps(DEVICE))
    text = speed_page.tables(tmp_path)
    assert "| `scoring` |" in text
    assert "| sample |" in text
    assert "Not measured" not in text

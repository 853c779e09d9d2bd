"""The page about time and memory is made from its JSON, and its exponent is one of growth."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "results" / "speed" / "scale.json"


@pytest.fixture
def scale_page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "benchmarks"))
    import scale_page  # noqa: PLC0415  found on the path set above

    yield scale_page
    del sys.modules["scale_page"]


def axis(field, seconds_of, sizes=(10, 100, 1000)):
    points = [
        {"size": size, "seconds": seconds_of(size), "data_mb": size, "peak_mb": 900.0}
        for size in sizes
    ]
    return {
        "field": field,
        "points": points,
        "command": "c",
        "commit": "x",
        "machine": {"cores": 2},
    }


@pytest.mark.parametrize("power", [0.5, 1, 2])
def test_the_exponent_is_that_of_growth_beyond_the_smallest_run(scale_page, power):
    found = axis("test", lambda size: 12 + 0.01 * (size - 10) ** power)
    assert scale_page.exponent(found) == pytest.approx(power)


def test_time_linear_in_pixels_has_exponent_1_though_the_side_is_given(scale_page):
    found = axis("side", lambda side: 5 + 1e-4 * side**2, sizes=(32, 64, 128))
    assert scale_page.exponent(found) == pytest.approx(1)


def test_the_page_and_the_figure_are_made_of_every_axis(scale_page, tmp_path):
    result = {"axes": {"test cases": axis("test", lambda n: 3 + n), "draws": axis("draws", float)}}
    scale_page.write_page(result, tmp_path)
    text = (tmp_path / "scale.md").read_text()
    assert "### Test cases" in text
    assert "### Draws" in text
    assert "| 1,000 | 1003.0 | 1,000 | 1,000 | 900 |" in text
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(not RESULT.exists(), reason="nothing was measured yet")
def test_the_committed_page_is_what_the_committed_figures_give(scale_page):
    result = json.loads(RESULT.read_text())
    assert (ROOT / "docs" / "scale.md").read_text() == scale_page.page(result)

"""A quick look at every comparison: half of each floor, so that a busy machine does not fail it."""

from __future__ import annotations

import pytest

import side_by_side
import speed_page


@pytest.mark.parametrize("key", speed_page.FLOORS | speed_page.CEILINGS)
def test_a_quick_run_keeps_half_of_each_floor(key):
    found = side_by_side.measure(key, quick=True)
    if "skipped" in found:
        pytest.skip(found["skipped"])
    assert not speed_page.misses({key: found}, share=0.5)

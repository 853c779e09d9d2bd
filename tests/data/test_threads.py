from __future__ import annotations

import threading
import time

import pytest

from dicecast.data import threads
from dicecast.data.threads import in_threads


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(threads, "_cores", lambda: 2)


def test_results_keep_the_order_of_the_items(two_cores):
    first_waits = threading.Event()

    def work(item):
        if item == 0:
            # Goes on when the last item is begun: so several are under way at a time.
            assert first_waits.wait(20)
        if item == 9:
            first_waits.set()
        return 10 * item

    assert list(in_threads(work, range(10))) == list(range(0, 100, 10))


def test_what_is_raised_comes_out_and_stops_what_was_not_begun(two_cores):
    begun = []

    def work(item):
        begun.append(item)
        if item == 3:
            raise ValueError("item 3")
        time.sleep(0.001)

    with pytest.raises(ValueError, match="item 3"):
        list(in_threads(work, range(100_000)))
    assert len(begun) < 100_000


def test_no_item_is_no_result(two_cores):
    assert list(in_threads(str, [])) == []

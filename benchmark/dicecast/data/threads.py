"""Work on many cases at once, in threads: Pillow and NumPy leave Python's lock to others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")

# A thread may hold a photograph of 100 MB.
MOST_THREADS = 8


def in_threads(work: Callable[[In], Out], items: Sequence[In]) -> Iterator[Out]:
    """Yield ``work(item)`` of each item, in order; several are under way at a time.

    Raises:
        Exception: What ``work`` raises; what was not begun is then left.
    """
    with ThreadPoolExecutor(min(MOST_THREADS, _cores())) as pool:
        yield from pool.map(work, items)


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

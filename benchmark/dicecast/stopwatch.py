"""A stopwatch that any layer speaks to in one line, free of cost while nobody reads it.

A section's time is its own: what is spent in a section inside it counts there alone, so all
sections together are the wall time that is accounted for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

Path = tuple[str, ...]


class Spent(NamedTuple):
    """What was spent in a section.

    Attributes:
        seconds: Wall time, without that of sections inside.
        images: How many images it was spent on.
        operations: Counted floating-point operations.
    """

    seconds: float = 0.0
    images: int = 0
    operations: int = 0

    def plus(self, other: Spent) -> Spent:
        """Return the sum of both."""
        return Spent(
            self.seconds + other.seconds,
            self.images + other.images,
            self.operations + other.operations,
        )


@dataclass
class Stopwatch:
    """Adds up what is spent between ``with watch.listening():`` and its end.

    Attributes:
        spent: By the names of the open sections, the outermost first.
    """

    spent: dict[Path, Spent] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def listening(self) -> Iterator[Stopwatch]:
        """Receive what is timed inside, in this context: a thread of its own is not heard.

        Its work goes on beside what is timed, so that it adds nothing to the wall time.
        """
        token = _open.set(_Section(self, ()))
        try:
            yield self
        finally:
            _open.reset(token)

    def add(self, path: Path, spent: Spent) -> None:
        """Add to a section."""
        with self._lock:
            self.spent[path] = self.spent.get(path, Spent()).plus(spent)


@dataclass
class _Section:
    """An open section, with the seconds of those inside it that are closed."""

    watch: Stopwatch
    path: Path
    inner: float = 0.0


_open: ContextVar[_Section | None] = ContextVar("open section", default=None)


@contextmanager
def timed(
    section: str, images: int = 0, operations: Callable[[], int] | None = None
) -> Iterator[None]:
    """Time what is inside as ``section``; also a decorator.

    Not around a ``yield``: what the reader of a generator does would count too.

    Args:
        section: Its name; sections may lie in each other.
        images: How many images are worked on.
        operations: Returns the floating-point operations inside; asked where somebody listens and
            what is inside did not raise.
    """
    around = _open.get()
    if around is None:
        yield
        return
    here = _Section(around.watch, (*around.path, section))
    token = _open.set(here)
    spent, started = Spent(), time.perf_counter()
    try:
        yield
        spent = Spent(0.0, images, operations() if operations is not None else 0)
    finally:
        _open.reset(token)
        passed = time.perf_counter() - started
        around.inner += passed
        here.watch.add(here.path, spent._replace(seconds=passed - here.inner))

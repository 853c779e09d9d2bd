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
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
Names = tuple[str, ...]
"""Of a section and of those around it, the outermost first."""


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
        spent: By the names of the sections that were open.
    """

    spent: dict[Names, Spent] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def listening(self) -> Iterator[Stopwatch]:
        """Receive what is timed inside, in this context: a thread of its own is not heard.

        Its work goes on beside what is timed, so that it adds nothing to the wall time.
        """
        token = _open.set(Section(self, ()))
        try:
            yield self
        finally:
            _open.reset(token)

    def add(self, names: Names, spent: Spent) -> None:
        """Add to a section."""
        with self._lock:
            self.spent[names] = self.spent.get(names, Spent()).plus(spent)


@dataclass
class Section:
    """An open section.

    Attributes:
        watch: Whose it is.
        names: Its own, the last, and those around it.
        inner: Seconds of the sections inside it that are closed.
    """

    watch: Stopwatch
    names: Names
    inner: float = 0.0

    def move(self, seconds: float, name: str) -> None:
        """Count some of its seconds as those of a section inside it."""
        self.watch.add(self.names, Spent(-seconds))
        self.watch.add((*self.names, name), Spent(seconds))


_open: ContextVar[Section | None] = ContextVar("open section", default=None)


@contextmanager
def timed(
    section: str, images: int = 0, operations: Callable[[], int] | None = None
) -> Iterator[None]:
    """Time what is inside as ``section``; also a decorator.

    Not around a ``yield``: what the reader of a generator does would count too.

    Args:
        section: Its name; sections may lie in each other.
        images: How many images are worked on.
        operations: Returns the floating-point operations of one image; asked where somebody listens
            and what is inside did not raise.
    """
    around = _open.get()
    if around is None:
        yield
        return
    here = Section(around.watch, (*around.names, section))
    token = _open.set(here)
    spent, started = Spent(), time.perf_counter()
    try:
        yield
        spent = Spent(0.0, images, images * operations() if operations is not None else 0)
    finally:
        _open.reset(token)
        passed = time.perf_counter() - started
        around.inner += passed
        here.watch.add(here.names, spent._replace(seconds=passed - here.inner))


def first_calls_apart(graph: Callable[..., T]) -> Callable[..., T]:
    """Let what the first call of a compiled function takes beyond the second count as "trace".

    A graph is optimised, and perhaps compiled, in its first call, together with the work that it
    was called for; the same work again says how long that took. Tracing itself must be timed, in a
    section inside the call: so a first call is known.
    """
    first: list[tuple[Section, float]] = []

    def call(*arguments: Any) -> T:
        section = _open.get()
        if section is None:
            return graph(*arguments)
        inner, started = section.inner, time.perf_counter()
        result = graph(*arguments)
        traced = section.inner - inner
        seconds = time.perf_counter() - started - traced
        if traced:
            first.append((section, seconds))
        elif first:
            begun, slow = first.pop()
            begun.move(max(slow - seconds, 0.0), "trace")
        return result

    return call

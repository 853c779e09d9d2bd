import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicecast import stopwatch
from dicecast.stopwatch import Spent, Stopwatch, first_calls_apart, timed


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    monkeypatch.setattr(stopwatch, "time", made)
    yield made


def test_what_is_inside_a_section_counts_there_alone(clock):
    with Stopwatch().listening() as watch, timed("run"):
        clock.now += 1
        for seconds in (2, 3):
            with timed("train", images=10, operations=lambda: 7):
                clock.now += seconds
                with timed("trace"):
                    clock.now += 10
        clock.now += 4
    assert watch.spent == {
        ("run", "train", "trace"): Spent(20.0),
        ("run", "train"): Spent(5.0, 20, 140),
        ("run",): Spent(5.0),
    }


# A tree of sections: seconds spent, then the sections inside.
TREES = st.recursive(
    st.tuples(st.integers(0, 9), st.just(())),
    lambda inner: st.tuples(st.integers(0, 9), st.lists(inner, max_size=4)),
    max_leaves=20,
)


def walk(tree, clock) -> int:
    seconds, inner = tree
    with timed(f"section {len(inner)}"):
        clock.now += seconds
        return seconds + sum(walk(branch, clock) for branch in inner)


@given(TREES)
def test_all_sections_together_are_the_time_that_passed(tree):
    made = Clock()
    with pytest.MonkeyPatch.context() as patch, Stopwatch().listening() as watch:
        patch.setattr(stopwatch, "time", made)
        total = walk(tree, made)
    assert sum(spent.seconds for spent in watch.spent.values()) == total == made.now


def test_a_decorated_function_is_timed_at_each_call_also_when_it_calls_itself(clock):
    @timed("count")
    def count(number: int) -> None:
        clock.now += 1
        if number:
            count(number - 1)

    with Stopwatch().listening() as watch:
        count(1)
        count(0)
    assert watch.spent == {("count",): Spent(2.0), ("count", "count"): Spent(1.0)}


def test_nobody_listens_before_and_after(clock):
    def refused() -> int:
        raise AssertionError("asked though nobody listens")

    watch = Stopwatch()
    for _ in range(2):
        with timed("outside", operations=refused):
            clock.now += 1
        with watch.listening():
            pass
    assert watch.spent == {}


def test_a_section_that_raises_counts_its_time_and_not_its_work(clock):
    watch = Stopwatch()
    with pytest.raises(KeyError), watch.listening(), timed("outer"), timed("a", 5, lambda: 5):
        clock.now += 2
        raise KeyError
    assert watch.spent == {("outer", "a"): Spent(2.0), ("outer",): Spent(0.0)}


def inside_a_thread(call: Callable[[], None]) -> None:
    with ThreadPoolExecutor(1) as thread:
        thread.submit(call).result()


def test_a_thread_is_heard_in_a_copy_of_the_context_alone(clock):
    def work() -> None:
        with timed("work", images=1):
            clock.now += 1

    with Stopwatch().listening() as watch:
        inside_a_thread(work)
        assert watch.spent == {}
        context = copy_context()
        inside_a_thread(lambda: context.run(work))
    assert watch.spent == {("work",): Spent(1.0, 1)}


def test_seconds_are_those_of_the_wall():
    with Stopwatch().listening() as watch:
        started = time.perf_counter()
        with timed("sleep"):
            time.sleep(0.02)
        passed = time.perf_counter() - started
    assert 0.02 <= watch.spent["sleep",].seconds <= passed


def graph_on(clock: Clock, traced: float, optimised: float, work: float) -> Callable[[str], str]:
    """Behaves as a compiled function does: slow when it meets a new kind of argument."""
    known = set[str]()

    def graph(argument: str) -> str:
        if argument not in known:
            with timed("trace"):
                clock.now += traced
            clock.now += optimised
            known.add(argument)
        clock.now += work
        return argument

    return first_calls_apart(graph)


def test_what_a_first_call_takes_beyond_the_second_is_trace(clock):
    graph = graph_on(clock, traced=3, optimised=4, work=5)
    with Stopwatch().listening() as watch:
        for _ in range(3):
            with timed("train", images=10):
                assert graph("a") == "a"
        with timed("sample"):
            graph("a")
    assert watch.spent == {
        ("train",): Spent(15.0, 30),
        ("train", "trace"): Spent(7.0),
        ("sample",): Spent(5.0),
    }


def test_a_graph_that_is_called_once_counts_its_tracing_alone_as_trace(clock):
    graph = graph_on(clock, traced=3, optimised=4, work=5)
    graph("unheard")
    with Stopwatch().listening() as watch, timed("sample"):
        graph("a")
    assert watch.spent == {("sample",): Spent(9.0), ("sample", "trace"): Spent(3.0)}


def test_a_second_call_that_is_slower_than_the_first_moves_nothing(clock):
    graph = graph_on(clock, traced=3, optimised=0, work=5)
    with Stopwatch().listening() as watch, timed("sample"):
        graph("a")
        with timed("pause"):
            clock.now += 100
        graph("a")
    assert watch.spent["sample",] == Spent(10.0)
    assert watch.spent["sample", "trace"] == Spent(3.0)

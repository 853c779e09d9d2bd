from collections import Counter
from pathlib import Path

import pytest

from dicecast.cluster.watching import Watcher
from dicecast.suite import Suite, load_suite

TINY = Path(__file__).parent.parent / "suites" / "tiny.toml"


class Recording(Watcher):
    """Remembers which stages were begun and ended how often, and by which workers."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.workers_seen: set[str] = set()
        self.messages: list[str] = []

    def note(self, stage: str, worker: str, text: str) -> None:
        self.workers_seen.add(worker)
        self.begun[stage] += text == ""

    def ended(self, stage, outcome) -> None:
        self.done[str(stage)] += 1

    def finished(self, finished) -> None:
        self.messages.append(str(finished))


@pytest.fixture
def recording() -> Recording:
    return Recording()


@pytest.fixture
def recording_of() -> type[Recording]:
    return Recording


@pytest.fixture(scope="session")
def small() -> Suite:
    """Four backbones for three estimators, and heads of several kinds."""
    suite = load_suite(str(TINY), ["training.epochs=3"])
    suite = suite.with_estimators(["random", "deep_ensemble", "mc_dropout"])
    return suite.model_copy(update={"heads": (*suite.heads[:1], *suite.heads[2:5])})


@pytest.fixture(scope="session")
def tables():
    def read(folder: Path) -> dict[str, bytes]:
        return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.parquet")}

    return read

from collections.abc import Callable
from pathlib import Path

import pytest

from dicecast.harness.outcome import Failure
from dicecast.harness.reporting import Reporter
from dicecast.harness.run import SuiteRun
from dicecast.store import Store
from dicecast.suite import Suite, load_suite

TINY = Path(__file__).parent.parent / "suites" / "tiny.toml"
PLUGINS = Path(__file__).parent.parent / "plugins"


class Recording(Reporter):
    """Remembers which stages began."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.messages: list[str] = []

    def stage(self, name: str, total: int = 0, unit: str = "images") -> None:
        self.stages.append(name)

    def done(self, message: str) -> None:
        self.messages.append(message)


@pytest.fixture(scope="session")
def tiny() -> Suite:
    return load_suite(str(TINY))


@pytest.fixture(scope="session")
def run_suite() -> Callable[..., tuple[list[Failure], Recording]]:
    def run(
        suite: Suite, folder: Path, results: str = "results"
    ) -> tuple[list[Failure], Recording]:
        recording = Recording()
        run = SuiteRun(suite, Store(folder / "store"), folder / results, reporter=recording)
        return run.run(), recording

    return run


@pytest.fixture(scope="session")
def finished(tiny, run_suite, tmp_path_factory) -> Path:
    """A folder in which the tiny suite was run without a failure."""
    folder = tmp_path_factory.mktemp("finished")
    failures, _ = run_suite(tiny, folder)
    assert failures == []
    return folder

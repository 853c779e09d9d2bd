"""What is to be run and where its files are, as one value that any process can start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dicecast.harness.outcome import RunKey
from dicecast.plugins import add_plugin_file
from dicecast.suite import Suite


@dataclass(frozen=True)
class Work:
    """A suite about to be run.

    Attributes:
        suite: What to run.
        store: Where results of stages are kept.
        results: The folder of all results.
        data_root: The dataset's folder, for datasets that read one.
        plugins: Files with plug-ins that are not installed.
        debug: Whether the first failure stops the run.
    """

    suite: Suite
    store: Path
    results: Path
    data_root: Path | None = None
    plugins: tuple[Path, ...] = ()
    debug: bool = False

    def run_keys(self) -> list[RunKey]:
        """Return every run of the suite, in the order in which they are computed."""
        return [
            RunKey(part.title, seed) for seed in self.suite.seeds for part in self.suite.estimators
        ]

    def load_plugins(self) -> list[str]:
        """Import the plug-in files and return the names of the estimators they add."""
        return [
            name for path in self.plugins for name in add_plugin_file(path).get("estimators", [])
        ]

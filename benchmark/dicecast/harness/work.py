"""What is to be run and where its files are, as one value that any process can start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dicecast.errors import DicecastError
from dicecast.harness.outcome import RunKey
from dicecast.plugins import add_plugin_file
from dicecast.suite import Suite

if TYPE_CHECKING:
    from dicecast.store import Store


@dataclass(frozen=True)
class Work:
    """A suite about to be run.

    Attributes:
        suite: What to run.
        store: Where results of stages are kept: a folder, or the URL of one as text.
        results: The folder of all results.
        data_root: The dataset's folder, for datasets that read one.
        plugins: Files with plug-ins that are not installed.
        debug: Whether the first failure stops the run.
    """

    suite: Suite
    store: Path | str
    results: Path
    data_root: Path | None = None
    plugins: tuple[Path, ...] = ()
    debug: bool = False

    def run_keys(self) -> list[RunKey]:
        """Return every run of the suite, in the order in which they are computed."""
        return [
            RunKey(part.title, seed) for seed in self.suite.seeds for part in self.suite.estimators
        ]

    def open_store(self) -> Store:
        """Return the store.

        Raises:
            DicecastError: It is a URL, and fsspec or what it needs for it is not installed.
        """
        from dicecast.store import Store  # noqa: PLC0415  pandas takes its time

        if isinstance(self.store, Path):
            return Store(self.store)
        try:
            from dicecast.remote_store import RemoteStore  # noqa: PLC0415
        except ModuleNotFoundError as error:
            raise DicecastError(
                f"The store {self.store} is a URL, which needs {error.name}. Install it with: pip "
                "install 'dicecast[cluster]'"
            ) from error
        return RemoteStore(self.store)

    def load_plugins(self) -> list[str]:
        """Import the plug-in files and return the names of the estimators they add."""
        return [
            name for path in self.plugins for name in add_plugin_file(path).get("estimators", [])
        ]

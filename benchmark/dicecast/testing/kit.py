"""Whole contracts on one plug-in: at once, or as parameters of a test."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicecast.errors import PluginError
from dicecast.plugins import REGISTRIES, add_plugin_file
from dicecast.testing.checks import Contract, Report

if TYPE_CHECKING:
    from dicecast.testing.ground import Ground

KINDS = ("estimator", "head", "dataset")


def check_estimator(estimator: Any, ground: Ground | None = None, **settings: Any) -> Report:
    """Run the whole contract on an estimator and return the report.

    Args:
        estimator: A registered name, the path of a plug-in file, or an instance.
        ground: What it is tried on; by default a small dataset made for the purpose.
        **settings: Values of its fields, unless it is an instance.

    Raises:
        ContractError: It breaks a rule; the text says which, what was seen and what to do.
        PluginError: There is no such plug-in, or a setting is wrong.
    """
    with ExitStack() as kept:
        return _report(_Subject("estimator", estimator, settings, ground), kept)


def check_head(head: Any, **settings: Any) -> Report:
    """Run the whole contract on a quality head; see ``check_estimator``."""
    with ExitStack() as kept:
        return _report(_Subject("head", head, settings), kept)


def check_dataset(dataset: Any, root: Path | None = None, **settings: Any) -> Report:
    """Run the whole contract on a dataset; see ``check_estimator``.

    Args:
        dataset: A registered name, the path of a plug-in file, or an instance.
        root: The folder that it reads, for datasets that read one.
        **settings: Values of its fields, unless it is an instance.
    """
    with ExitStack() as kept:
        return _report(_Subject("dataset", dataset, settings, root), kept)


def estimator_checks(estimator: Any, ground: Ground | None = None, **settings: Any) -> list[Any]:
    """Return one pytest parameter a check, each a function without arguments.

    What the checks look at is made by the first one that needs it, and shared.

    Args:
        estimator: As for ``check_estimator``.
        ground: Likewise.
        **settings: Likewise.
    """
    return _parameters(_Subject("estimator", estimator, settings, ground))


def head_checks(head: Any, **settings: Any) -> list[Any]:
    """Return one pytest parameter a check of a quality head; see ``estimator_checks``."""
    return _parameters(_Subject("head", head, settings))


def dataset_checks(dataset: Any, root: Path | None = None, **settings: Any) -> list[Any]:
    """Return one pytest parameter a check of a dataset; see ``estimator_checks``."""
    return _parameters(_Subject("dataset", dataset, settings, root))


def contract_of(kind: str) -> Contract[Any]:
    """Return the checks of a kind of plug-in."""
    if kind == "estimator":
        from dicecast.testing.estimators import ESTIMATOR_CONTRACT  # noqa: PLC0415  TensorFlow

        return ESTIMATOR_CONTRACT
    if kind == "head":
        from dicecast.testing.heads import HEAD_CONTRACT  # noqa: PLC0415  pandas

        return HEAD_CONTRACT
    from dicecast.testing.datasets import DATASET_CONTRACT  # noqa: PLC0415  pandas

    return DATASET_CONTRACT


def trial_of(kind: str, plugin: Any, title: str, on: Any, kept: ExitStack) -> Any:
    """Return a plug-in on trial.

    Args:
        kind: One of ``KINDS``.
        plugin: The instance.
        title: What a report calls it.
        on: The ground of an estimator, or the folder of a dataset; None for the usual one.
        kept: Closes what the trial keeps on disk.
    """
    if kind == "head":
        from dicecast.testing.head_trial import HeadTrial  # noqa: PLC0415  pandas

        return HeadTrial(plugin, title)
    if kind == "dataset":
        from dicecast.testing.dataset_trial import DatasetTrial  # noqa: PLC0415  pandas

        return DatasetTrial(plugin, title, on)
    from dicecast.testing.estimator_trial import EstimatorTrial  # noqa: PLC0415  TensorFlow
    from dicecast.testing.ground import Ground  # noqa: PLC0415  TensorFlow

    if on is None:
        on = Ground.embedded(Path(kept.enter_context(tempfile.TemporaryDirectory())))
    return EstimatorTrial(plugin, title, on)


def instance_of(kind: str, plugin: Any, settings: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the instance of a plug-in, and its title.

    Args:
        kind: One of ``KINDS``.
        plugin: A registered name, the path of a plug-in file, or an instance.
        settings: Values of its fields, unless it is an instance.

    Raises:
        PluginError: No such plug-in, a file with none or several of the kind, a wrong setting, or
            settings for an instance.
    """
    if isinstance(plugin, Path):
        names = add_plugin_file(plugin).get(f"{kind}s", [])
        if len(names) != 1:
            found = ", ".join(names) or "none"
            raise PluginError(
                f"{plugin} must register one {kind} to be checked by its path; it registers "
                f"{found}. Name the one that is meant."
            )
        plugin = names[0]
    if isinstance(plugin, str):
        return REGISTRIES[f"{kind}s"].create(plugin, settings), f"The {kind} '{plugin}'"
    if settings:
        raise PluginError(
            f"Settings are given to a name or a file; {type(plugin).__name__} is made already. "
            "Make it with these settings."
        )
    return plugin, f"The {kind} {type(plugin).__name__}"


@dataclass(frozen=True)
class _Subject:
    """Which plug-in is checked, and on what."""

    kind: str
    plugin: Any
    settings: Mapping[str, Any]
    on: Any = None

    def trial(self, kept: ExitStack) -> Any:
        """Return it on trial."""
        return trial_of(
            self.kind, *instance_of(self.kind, self.plugin, self.settings), self.on, kept
        )


def _report(subject: _Subject, kept: ExitStack) -> Report:
    return contract_of(subject.kind).report(subject.trial(kept)).raise_if_failed()


def _parameters(subject: _Subject) -> list[Any]:
    import pytest  # noqa: PLC0415  a dependency of tests alone

    # Open until the interpreter ends, with the tests that share it.
    kept, made = ExitStack(), list[Any]()
    contract = contract_of(subject.kind)

    def check_of(name: str) -> Callable[[], None]:
        def check() -> None:
            if not made:
                made.append(subject.trial(kept))
            outcome = contract.outcome(made[0], name)
            if outcome.status in ("not applicable", "not run"):
                pytest.skip(outcome.seen)
            Report(made[0].title, (outcome,)).raise_if_failed()

        return check

    return [pytest.param(check_of(name), id=name) for name in contract.checks]

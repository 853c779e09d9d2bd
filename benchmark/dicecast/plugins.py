"""The registries of this package, and the decorators that fill them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicecast.errors import PluginError
from dicecast.registry import Registry, import_file

if TYPE_CHECKING:
    from dicecast.data.dataset import Dataset
    from dicecast.estimation.contract import Estimator
    from dicecast.heads.contract import QualityHead
    from dicecast.networks.contract import BackboneArchitecture

datasets: Registry[Dataset] = Registry("dataset", "datasets")
backbones: Registry[BackboneArchitecture] = Registry("backbone", "networks")
estimators: Registry[Estimator] = Registry("estimator", "baselines.estimators")
heads: Registry[QualityHead] = Registry("head", "baselines.heads")

REGISTRIES: dict[str, Registry[Any]] = {
    "datasets": datasets,
    "backbones": backbones,
    "estimators": estimators,
    "heads": heads,
}

register_dataset = datasets.register
register_backbone = backbones.register
register_estimator = estimators.register
register_head = heads.register


def add_plugin_file(path: Path) -> dict[str, list[str]]:
    """Import a ``--plugin`` file and return the names it adds, by kind.

    Raises:
        PluginError: The file cannot be read or run, or registers nothing.
    """
    added = {kind: registry.add_file(path) for kind, registry in REGISTRIES.items()}
    if not any(added.values()):
        import_file(path)
        raise PluginError(
            f"The plug-in {path} registers nothing. Decorate a dataclass in it with "
            "@register_estimator('name') (or _head, _dataset, _backbone)."
        )
    return {kind: names for kind, names in added.items() if names}

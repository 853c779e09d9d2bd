"""Aggregations of uncertainty maps, a theme a file. Importing this package registers all of them.

Each reads maps ``(cases, height, width)`` and a ``MapContext``, and returns ``(cases,)``, high
where unsure. The masks are the predicted ones: a region that one lacks is replaced by the whole
image.
"""

from importlib import import_module
from pkgutil import iter_modules

from dicecast.scores.map_aggregation import MAP_AGGREGATIONS, MapContext

__all__ = ["MAP_AGGREGATIONS", "MapContext"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")

"""The metrics of pixels of a suite: one row a domain, estimator and map, from the records alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.errors import DicecastError
from dicecast.leaderboard.collect import Domain, domains, in_order
from dicecast.metrics.bootstrap import interval, resample_counts
from dicecast.metrics.pixels.catalogue import PIXEL_METRICS, PixelMetric, column_of
from dicecast.records import PIXELS, POOLED_PIXELS, Record

Floats = NDArray[np.float64]
Cells = dict[str, object]


def _columns(name: str, metric: PixelMetric) -> list[str]:
    ends = [name, f"{name}_low", f"{name}_high"]
    images = [f"{name}_images"] if metric.undefined else []
    return [*ends, *images, *([f"{name}_pooled"] if metric.pooled_from else [])]


COLUMNS = (
    *("suite", "domain", "estimator", "map", "own_map", "seeds", "n"),
    *(column for item in PIXEL_METRICS.items() for column in _columns(*item)),
    *("status", "reason"),
)
"""The columns of the table, in order."""

NO_TABLE = "the record was written before there were metrics of pixels; run the suite again"


class _Seed(NamedTuple):
    """One record in one domain.

    Attributes:
        columns: Where each column of the table of images is in ``means``.
        means: ``(1 + resamples, columns)``, over the images that have a number.
        images: ``(columns,)``, how many images have one.
        pooled: Numbers of all pixels, by map and name.
    """

    columns: dict[str, int]
    means: Floats
    images: NDArray[np.int64]
    pooled: dict[tuple[str, str], float]


def pixel_table(records: Sequence[Record]) -> pd.DataFrame:
    """Return the metrics of pixels, each a mean over the images of a domain, then over the seeds.

    The row with an empty map is of the probabilities; the others are of one map each. ``*_low`` and
    ``*_high`` are the ends of the percentile interval over resamples of groups, the same for all
    rows of a domain; ``*_images`` is how many images have the metric, mean over the seeds;
    ``*_pooled`` is of all pixels of the domain at once. A metric that is undefined in one seed is
    NaN, and ``reason`` says why.

    Args:
        records: Of one suite.

    Returns:
        The ``COLUMNS``; empty where no record has such metrics. Its ``attrs`` are the settings of
        the bootstrap.

    Raises:
        DicecastError: The records do not belong in one table, or a table of pixels is of other
            cases than the record.
    """
    ordered = in_order(records)
    settings = ordered[0].sidecar.bootstrap
    rows: list[Cells] = []
    for domain in domains(ordered) if any(PIXELS in r.further for r in ordered) else ():
        groups = domain.groups.tolist()
        drawn = resample_counts(groups, int(settings["resamples"]), int(settings["seed"]))
        counts = np.concatenate([np.ones((1, len(groups))), drawn])
        for estimator in sorted({record.sidecar.estimator for record in ordered}):
            held = [record for record in ordered if record.sidecar.estimator == estimator]
            shared = {"domain": domain.name, "seeds": len(held), "n": len(groups)}
            found = _estimator_rows(held, domain, counts, float(settings["level"]))
            rows += [{"estimator": estimator, **shared, **row} for row in found]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).assign(suite=ordered[0].sidecar.suite)
    table.attrs = {"resamples": settings["resamples"], "level": settings["level"]}
    return table


def _estimator_rows(
    records: Sequence[Record], domain: Domain, counts: Floats, level: float
) -> Iterator[Cells]:
    """Yield the row of the probabilities and one a map, the own map first."""
    for record in records:
        if PIXELS not in record.further:
            error = " ".join((record.sidecar.error or NO_TABLE).split())
            yield {"map": "", "own_map": False, "status": "failed", "reason": error}
            return
    seeds = [_seed(record, domain, counts) for record in records]
    own, undefined = records[0].sidecar.own_map, records[0].sidecar.undefined_pixels
    shared = set.intersection(*(set(seed.columns) for seed in seeds))
    maps = sorted({column.rpartition("/")[0] for column in shared} - {""})
    for of_map in ["", *sorted(maps, key=lambda name: name != own)]:
        why: dict[str, str] = {}
        cells: Cells = {"map": of_map, "own_map": of_map == own, "status": "ok"}
        for name, metric in PIXEL_METRICS.items():
            if metric.of_map != bool(of_map):
                continue
            if column_of(name, of_map) in shared:
                cells |= _cells(name, of_map, seeds, level)
                if np.isnan(float(str(cells[name]))):
                    why[name] = f"in no image of a seed: {metric.undefined}"
            elif name in undefined:
                why[name] = undefined[name]
        yield cells | {"reason": "; ".join(f"{name}: {text}" for name, text in why.items())}


def _cells(name: str, of_map: str, seeds: Sequence[_Seed], level: float) -> Cells:
    """Return the columns of one metric: means over the seeds."""
    places = [seed.columns[column_of(name, of_map)] for seed in seeds]
    means = np.mean(
        [seed.means[:, place] for seed, place in zip(seeds, places, strict=True)], axis=0
    )
    low, high, _ = interval(means[1:], level)
    images = np.mean([seed.images[place] for seed, place in zip(seeds, places, strict=True)])
    pooled = np.mean([seed.pooled.get((of_map, f"{name}_pooled"), np.nan) for seed in seeds])
    columns = _columns(name, PIXEL_METRICS[name])
    values = dict(zip(columns, [means[0], low, high], strict=False))
    values |= {f"{name}_images": images, f"{name}_pooled": pooled}
    return {column: float(values[column]) for column in columns}


def _seed(record: Record, domain: Domain, counts: Floats) -> _Seed:
    images = _of_domain(record, PIXELS, domain).sort_values("stem", kind="stable")
    assert record.cases is not None
    stems = record.cases["stem"][record.cases["domain"] == domain.name]
    if sorted(stems) != list(images["stem"]):
        sidecar = record.sidecar
        raise DicecastError(
            f"The table of pixels of the record {sidecar.estimator}/seed-{sidecar.seed} must be of "
            f"the cases of the domain '{domain.name}', but holds others. Run the suite again."
        )
    values = images.drop(columns=["domain", "stem"]).astype(np.float64)
    numbers, defined = values.to_numpy(), values.notna().to_numpy(np.float64)
    weights = counts @ defined
    means = np.where(weights > 0, counts @ np.nan_to_num(numbers), np.nan) / np.maximum(weights, 1)
    pooled = _of_domain(record, POOLED_PIXELS, domain)
    scalars = pooled[pooled["x"].isna()]
    keys = zip(scalars["map"], scalars["name"], strict=True)
    return _Seed(
        {str(name): place for place, name in enumerate(values.columns)},
        means,
        defined.sum(axis=0).astype(np.int64),
        dict(zip(keys, scalars["value"].tolist(), strict=True)),
    )


def _of_domain(record: Record, name: str, domain: Domain) -> pd.DataFrame:
    table = record.further[name]
    return table[table["domain"] == domain.name]

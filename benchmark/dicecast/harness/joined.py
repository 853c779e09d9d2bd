"""Out-of-fold predictions of the training role, put together as what heads are fitted on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dicecast.heads.contract import Evidence, Examples
from dicecast.scratch import new_stack
from dicecast.stacks import Stack, chunks

Rows = Sequence[NDArray[np.intp]]


def joined(folds: Sequence[Examples], rows: Rows, whole: Examples) -> Examples:
    """Return the examples of all folds in the order of the training role.

    Args:
        folds: The examples of each fold.
        rows: Where in the training role the cases of each fold are; together, all of it.
        whole: Those of the quality role, whose reference is the training role.
    """
    train = whole.reference
    parts = [fold.evidence for fold in folds]
    shape = train.masks.shape
    total = 5 * math.prod(shape)
    evidence = Evidence(
        train.images,
        _filled(new_stack(shape, np.uint8, total), [part.masks for part in parts], rows),
        _filled(new_stack(shape, np.float32, total), [part.uncertainty for part in parts], rows),
        _in_order([part.scores for part in parts], rows),
        _in_order([part.mask_shape for part in parts], rows),
        parts[0].num_classes,
    )
    quality = _filled(np.empty(len(train)), [fold.quality for fold in folds], rows)
    return replace(
        whole,
        evidence=evidence,
        quality=quality,
        truth=train.masks,
        groups=train.groups,
        folds=tuple(folds),
    )


def _filled(stack: Any, parts: Sequence[Stack[Any]], rows: Rows) -> Any:
    for part, places in zip(parts, rows, strict=True):
        for some in chunks(part):
            stack[places[some]] = part[some]
    return stack


def _in_order(tables: Sequence[pd.DataFrame], rows: Rows) -> pd.DataFrame:
    table = pd.concat(tables, ignore_index=True)
    return table.iloc[np.argsort(np.concatenate(rows))].reset_index(drop=True)

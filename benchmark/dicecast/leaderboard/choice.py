"""The aggregation that stands for an estimator, chosen on the quality role and never on ``test``.

An estimator has some hundred aggregations. The best of them on the test sets would be chosen by
what it is judged by, and be the better the more there are.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

CHOSEN_BY = "spearman_on_quality"
"""The column by which an aggregation is chosen: the mean over the seeds, on the quality role."""


def choose(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows stand for their estimators, ``(rows,)``: one each, or none.

    The aggregation with the highest rank correlation on the quality role; of equal ones, the first
    by name. Heads were fitted on that role, so they are not among those to choose from.

    Args:
        rows: Of one domain, with the columns of the leaderboard.

    Example:
        >>> scores = {"score": ["a", "b"], "spearman_on_quality": [0.3, 0.5]}
        >>> choose(pd.DataFrame({"estimator": "softmax", "kind": "aggregation", **scores})).tolist()
        [False, True]
    """
    # Rounded, so that numbers that differ by rounding alone are equal.
    order = pd.DataFrame({"by": -rows[CHOSEN_BY].round(9), "score": rows["score"]})
    offered = (rows["kind"] == "aggregation") & rows[CHOSEN_BY].notna()
    ordered = rows[offered].loc[order[offered].sort_values(["by", "score"]).index]
    first = ordered.drop_duplicates("estimator").index
    return rows.index.isin(first)


def chosen_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a domain that stand for their estimators, by their rank among these."""
    chosen = rows[rows["chosen_rank"].notna()]
    # Rows are in the order of falling correlation within a rank.
    return chosen.sort_values("chosen_rank", kind="stable")


def has_choice(table: pd.DataFrame) -> bool:
    """Return whether an aggregation is chosen for any estimator."""
    return bool(table["chosen_rank"].notna().any())


def without_choice(table: pd.DataFrame) -> str:
    """Return which estimators have no chosen aggregation, and what to do; empty if all have one."""
    runs = table[table["status"] != "failed"]
    lacking = sorted(set(runs["estimator"]) - set(runs[runs["chosen_rank"].notna()]["estimator"]))
    if not lacking:
        return ""
    names = ", ".join(lacking) if has_choice(table) else "any estimator"
    return (
        f"No aggregation is chosen for {names}: the records do not say how theirs do on the "
        "quality role. Run the suite again with this version to have one chosen."
    )

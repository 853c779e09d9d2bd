"""The leaderboard in short, for a README: estimators by a few scores that are fixed in advance.

Beside these, the score that is chosen for each estimator on the quality role; never the best on the
test set.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dicecast.errors import DicecastError
from dicecast.leaderboard.choice import has_choice
from dicecast.leaderboard.render import fixed, pipe_table, read_as
from dicecast.leaderboard.short import pair_cell
from dicecast.plain_file import read_plain_file

HEADLINES = {
    "predictive_entropy/mean": "mean entropy",
    "pairwise_dice": "pairwise Dice",
    "expected_dice": "expected Dice",
    "isotonic": "isotonic",
    "forest": "forest",
    "two_stage/image+mask+map": "two-stage",
    "volume": "volume (control)",
}


def as_excerpt(table: pd.DataFrame) -> str:
    """Return a Markdown table of the first domain: Spearman / failure AUROC of some scores."""
    rows = table[table["domain"] == table["domain"].iloc[0]]
    scores = {s: title for s, title in HEADLINES.items() if (rows["score"] == s).any()}
    choice = has_choice(rows)
    mean_dice = rows.groupby("estimator")["mean_dice"].first().sort_values(ascending=False)
    lines = []
    for estimator, dice in mean_dice.items():
        held = rows[rows["estimator"] == estimator].set_index("score")
        cells = [pair_cell(held, score) for score in scores]
        if choice:
            [chosen] = [*held.index[held["chosen_rank"].notna()], ""][:1]
            cells.insert(0, pair_cell(held, chosen))
        lines.append([f"`{estimator}`", fixed(float(dice)), *cells])
    failures, seeds = rows["n_failures"], rows["seeds"].max()
    caption = (
        f"**{table['suite'].iloc[0]}**, {rows['n'].iloc[0]} test cases of the domain "
        f"`{rows['domain'].iloc[0]}`, {failures.min():.0f} to {failures.max():.0f} of them with "
        f"Dice below {table.attrs['failure_threshold']:g}, "
        f"{'mean over ' if seeds > 1 else ''}{seeds} seed{'s' if seeds > 1 else ''}. "
        "Each cell: Spearman correlation with the true Dice / AUROC of finding the failures."
    )
    if table.attrs["target"]:
        caption += " " + read_as(table)
    if choice:
        caption += " Chosen: the aggregation that does best on the quality role."
    titles = ["estimator", "mean Dice", *(["chosen"] if choice else []), *scores.values()]
    return f"{caption}\n\n{pipe_table(titles, lines, texts=1)}\n"


def with_excerpt(path: Path, suite: str, text: str) -> str:
    """Return a file's text with ``text`` between the markers of a suite.

    Raises:
        DicecastError: The file cannot be read, or lacks the markers.
    """
    begin, end = f"<!-- dicecast:begin {suite} -->", f"<!-- dicecast:end {suite} -->"
    try:
        whole = read_plain_file(path, 2**26).decode()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it is not in UTF-8: {error}"
        raise DicecastError(
            f"{path} cannot be read: {why}. Name a text file that has the markers."
        ) from error
    before, found, rest = whole.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise DicecastError(
            f"{path} must have the lines '{begin}' and '{end}', between which the leaderboard is "
            "written; it lacks them. Add both."
        )
    return f"{before}{begin}\n{text}{end}{after}"

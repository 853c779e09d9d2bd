"""What moved, for people: as Markdown for a pull request, or for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from dicecast.errors import shown
from dicecast.leaderboard.render import code, pipe_table
from dicecast.revisions.moves import Kind, Move

MOST = 40
"""Lines of each kind."""

_LONGEST = 120


def as_markdown(found: Sequence[Move], old: str, new: str) -> str:
    """Return a section; names and values are code, in which nothing is Markdown's or HTML's."""
    parts = [f"## What moved from {_code(old)} to {_code(new)}", f"**{summary(found)}**"]
    for kind, held in _by_kind(found):
        rows = [[_code(cell) for cell in move[1:]] for move in held[:MOST]]
        table = pipe_table(["where", "what", "old", "new"], rows, texts=4)
        parts += [f"### {kind.capitalize()} ({len(held)})", table, *_more(held)]
    return "\n\n".join(parts) + "\n"


def as_text(found: Sequence[Move]) -> str:
    """Return it for a terminal."""
    lines = []
    for kind, held in _by_kind(found):
        lines.append(f"{kind.capitalize()} ({len(held)}):")
        for move in held[:MOST]:
            values = f": {_cut(move.old)} -> {_cut(move.new)}" if move.old or move.new else ""
            lines.append(f"  {shown(move.where)}, {_cut(move.what)}{values}")
        lines += _more(held)
    return "\n".join([*lines, summary(found)])


def summary(found: Sequence[Move]) -> str:
    """Return a sentence that counts what moved."""
    if not found:
        return "Nothing moved."
    counts = [f"{len(held)} {kind}" for kind, held in _by_kind(found)]
    refused = any(move.kind is not Kind.ADDED for move in found)
    return f"{', '.join(counts)}{'' if refused else ': only additions'}."


def _by_kind(found: Sequence[Move]) -> list[tuple[Kind, list[Move]]]:
    held = ((kind, [move for move in found if move.kind is kind]) for kind in Kind)
    return [(kind, moves) for kind, moves in held if moves]


def _more(held: Sequence[Move]) -> list[str]:
    return [f"... and {len(held) - MOST} more."] if len(held) > MOST else []


def _cut(text: str) -> str:
    text = shown(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _code(text: str) -> str:
    return code(_cut(text))

"""Cuts cases into roles by a rule that a new case never upsets."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping

import pandas as pd

from dicecast.data.problems import listed
from dicecast.errors import DatasetError, SuiteError, did_you_mean

ROLES = ("train", "validation", "quality", "test")
"""The roles, in the order in which shares are laid out between 0 and 1."""

BY_HASH = "hash"
"""In a mapping of split values: cut these cases by the hash rule."""


def position(group: str, salt: str = "") -> float:
    """Return the place of a group in [0, 1), which depends on its name and the salt alone."""
    digest = hashlib.sha256(f"{salt}\0{group}".encode("utf-8", "surrogatepass")).digest()
    # 53 bits are what a float holds: more could round up to 1.
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def role_of(group: str, fractions: Mapping[str, float], salt: str = "") -> str:
    """Return the role of a group of cases, whichever other groups there are.

    Args:
        group: The group's name, such as a patient.
        fractions: The share of each role; together 1.
        salt: Another salt gives another, equally fixed, cut.

    Example:
        >>> role_of("patient-1", {"train": 0.5, "test": 0.5})
        'train'
    """
    place = position(group, salt)
    edge = 0.0
    chosen = ROLES[0]
    for role in ROLES:
        share = fractions.get(role, 0.0)
        edge += share
        if share > 0:
            chosen = role
            if place < edge:
                break
    return chosen


def check_fractions(fractions: Mapping[str, float]) -> None:
    """Raise SuiteError unless the shares are of known roles, none negative, together 1."""
    for role, share in fractions.items():
        if role not in ROLES:
            raise SuiteError(
                f"fractions must give shares to {', '.join(ROLES)}; got '{role}'. "
                f"{did_you_mean(role, ROLES)}"
            )
        if not 0 <= share <= 1:
            raise SuiteError(
                f"The share of '{role}' in fractions must lie between 0 and 1; got {share}. "
                "Write shares such as 0.5."
            )
    total = math.fsum(fractions.values())
    if abs(total - 1) > 1e-9:
        raise SuiteError(
            f"The shares in fractions must sum to 1; {dict(fractions)} sums to {total:.6g}. "
            "Change one of them."
        )


def check_split(split: Mapping[str, str]) -> None:
    """Raise SuiteError unless every split value is mapped to a role or to ``"hash"``."""
    known = (*ROLES, BY_HASH)
    for value, role in split.items():
        if role not in known:
            raise SuiteError(
                f"split must map each value to one of {', '.join(known)}; got "
                f"'{role}' for '{value}'. {did_you_mean(role, known)}"
            )


def assign_roles(
    table: pd.DataFrame,
    fractions: Mapping[str, float],
    split: Mapping[str, str] | None = None,
    salt: str = "",
) -> list[str]:
    """Return the role of every row.

    Args:
        table: With a column ``group``, and ``split`` where that argument is given.
        fractions: The share of each role, for the rows that are cut by hash.
        split: Role, or ``"hash"``, by value of the column ``split``; empty cuts all by hash.
        salt: See ``role_of``.

    Raises:
        DatasetError: The table lacks the column ``split``, or has a value that is not mapped.
    """
    if not split:
        return [role_of(str(group), fractions, salt) for group in table["group"]]
    _check_values(table, split)
    roles = []
    for group, value in zip(table["group"], table["split"], strict=True):
        role = split[str(value)]
        roles.append(role_of(str(group), fractions, salt) if role == BY_HASH else role)
    return roles


def _check_values(table: pd.DataFrame, split: Mapping[str, str]) -> None:
    if "split" not in table.columns:
        raise DatasetError(
            "With the setting split, meta.csv must have a column 'split'; it has "
            f"{', '.join(map(str, table.columns))}. Add the column, or remove the setting to cut "
            "the cases by hash."
        )
    strangers = table[~table["split"].isin(list(split))]
    if len(strangers):
        raise DatasetError(
            "The setting split must map every value of the column 'split'; it lacks "
            f"{listed(sorted({repr(str(value)) for value in strangers['split']}))} "
            f"(stems {listed(strangers['stem'])}). Add these values to it, each with a role or "
            f"'{BY_HASH}'."
        )


def check_groups(table: pd.DataFrame) -> None:
    """Raise DatasetError where a group (patient) has cases in two roles.

    Args:
        table: With the columns ``stem``, ``group`` and ``role``.
    """
    roles = table.groupby("group", sort=True)["role"].agg(lambda column: sorted(set(column)))
    torn = [f"'{group}' ({' and '.join(found)})" for group, found in roles.items() if found[1:]]
    if torn:
        raise DatasetError(
            "All cases of a group (patient) must be in one role, or what is tested was trained "
            f"on; these are in more: {listed(torn)}. Give them one split value, widen the domain "
            "that takes only some of their cases, or leave cases out with the setting exclude."
        )

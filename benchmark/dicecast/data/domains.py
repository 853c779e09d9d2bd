"""Shifts: cases held out of every role to test what happens away from the training cases."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dicecast.data.cases import IN_DISTRIBUTION
from dicecast.data.expressions import check_expression, matches
from dicecast.errors import DatasetError, SuiteError


@dataclass(frozen=True)
class Domain:
    """Cases that are tested on and never trained on.

    Attributes:
        name: Letters, digits, ``_``, ``-`` and ``.``; names the test set.
        where: An expression on the columns of the table of cases, see ``expressions.matches``.
    """

    name: str
    where: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", self.name) or self.name == IN_DISTRIBUTION:
            raise SuiteError(
                "A domain's name must be made of letters, digits, _, - and ., and not be "
                f"'{IN_DISTRIBUTION}'; got {self.name!r}. Rename it."
            )
        check_expression(self.where)


def check_domains(domains: Sequence[Domain]) -> None:
    """Raise SuiteError where two domains share a name."""
    names = [domain.name for domain in domains]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SuiteError(
            f"Domains must have different names; got {', '.join(twice)} more than once. Rename one."
        )


def assign_domains(table: pd.DataFrame, domains: Sequence[Domain]) -> list[str]:
    """Return the domain of every row: the first that matches, else in-distribution.

    Raises:
        SuiteError: An expression names a column that the table lacks.
        DatasetError: A domain is left without a case.
    """
    found = np.full(len(table), IN_DISTRIBUTION, dtype=object)
    for domain in domains:
        rows = matches(domain.where, table) & (found == IN_DISTRIBUTION)
        if not rows.any():
            raise DatasetError(
                f"The domain '{domain.name}' must hold cases; none of {len(table)} matches "
                f"{domain.where!r} that no earlier domain took. Change the expression, or remove "
                "the domain."
            )
        found[rows] = domain.name
    return [str(name) for name in found]


def leave_out(table: pd.DataFrame, exclude: str) -> pd.DataFrame:
    """Return the rows that ``exclude`` does not match; an empty expression keeps all."""
    if not exclude:
        return table
    return table[~matches(exclude, table)].reset_index(drop=True)


def hold_out(table: pd.DataFrame, roles: Sequence[str], domains: Sequence[Domain]) -> pd.DataFrame:
    """Return the table with the columns ``role`` and ``domain``.

    Args:
        table: One row a case.
        roles: The role of each row, kept unless a domain takes the case for testing.
        domains: See ``assign_domains``.
    """
    domain = assign_domains(table, domains)
    role = [
        mine if name == IN_DISTRIBUTION else "test"
        for mine, name in zip(roles, domain, strict=True)
    ]
    return table.assign(role=role, domain=domain)

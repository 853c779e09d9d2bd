"""A folder of results, written as the program does."""

from __future__ import annotations

import pytest
from leaderboard_records import make_records

from dicecast.records import write_record


@pytest.fixture
def results(tmp_path):
    """The folder of results of the suite ``tiny``."""
    for record in make_records():
        write_record(tmp_path, record)
    return tmp_path

from __future__ import annotations

import pytest
from complete_records import RUNS, complete, write_suite


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """The folder of results, written once; nobody changes it."""
    return write_suite(tmp_path_factory.mktemp("written"), [complete(*run) for run in RUNS])

"""The contracts of plug-ins as named checks: for ``dicecast check``, and for anyone's tests.

    @pytest.mark.parametrize("check", estimator_checks("my_estimator"))
    def test_my_estimator(check):
        check()

A plug-in is given by its registered name, by the path of its file, or as an instance. Importing
this module imports neither TensorFlow nor pytest; using it may.
"""

from dicecast.testing.checks import ContractError, Outcome, Report
from dicecast.testing.kit import (
    check_dataset,
    check_estimator,
    check_head,
    dataset_checks,
    estimator_checks,
    head_checks,
)

__all__ = [
    "ContractError",
    "Outcome",
    "Report",
    "check_dataset",
    "check_estimator",
    "check_head",
    "dataset_checks",
    "estimator_checks",
    "head_checks",
]

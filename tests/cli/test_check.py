from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dicecast.cli.main import app
from dicecast.errors import PluginError

HEAD = """
from dataclasses import dataclass
import numpy as np
from dicecast import register_head

@register_head("{name}")
@dataclass(frozen=True)
class Head:
    \"\"\"Predicts a number.\"\"\"

    score_name = "mine"

    def fit(self, examples, seed):
        return self

    def predict(self, evidence):
        return np.full(len(evidence), {value})
"""


def test_a_head_that_breaks_a_rule_and_a_file_that_does_not_import_stop_no_other(
    tmp_path: Path,
) -> None:
    bad, broken = tmp_path / "bad_head.py", tmp_path / "no_import.py"
    bad.write_text(HEAD.format(name="bad_head", value="np.nan"))
    broken.write_text("import no_such_package\n" + HEAD.format(name="no_import", value=0.5))
    done = CliRunner().invoke(app, ["check", str(broken), str(bad), "constant"])
    assert done.exit_code == 1
    said = " ".join(done.output.split())
    assert "no_such_package" in said
    assert "'bad_head' breaks 1 rule" in said
    assert "Seen: 48 of 48 numbers are not finite." in said
    assert "'constant' keeps its contract" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["constan"], "Did you mean 'constant'"),
        (["absent.py"], "no file absent.py"),
        (["constant", "--kind", "heads"], "Did you mean 'head'"),
        (["constant", "--set", "rate"], "field=value"),
    ],
)
def test_what_cannot_be_checked_is_named(arguments: list[str], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        CliRunner().invoke(app, ["check", *arguments], catch_exceptions=False)

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dicecast.cli import main as command_line
from dicecast.listing import KINDS, listed
from dicecast.metrics.catalogue import METRICS
from dicecast.metrics.intervals import METRICS_OF_INTERVALS
from dicecast.metrics.pixels.catalogue import PIXEL_METRICS

TINY = str(Path(__file__).parent.parent / "suites" / "tiny.toml")


@pytest.fixture
def dicecast(monkeypatch, capfd):
    """Run the command in this process and return exit status, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["dicecast", *arguments])
        monkeypatch.setenv("COLUMNS", "80")
        with pytest.raises(SystemExit) as stopped:
            command_line.main()
        out, err = capfd.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["list", "estimators", "--json"]])
def test_help_and_list_import_neither_keras_nor_pandas(arguments):
    code = (
        "import sys; from dicecast.cli.main import main\n"
        f"sys.argv = ['dicecast', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'keras', 'scipy', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_kind_lists_names_with_a_sentence():
    for kind in KINDS:
        items = listed(kind)
        assert items, kind
        assert all(summary.endswith((".", ";")) for summary in items.values()), (kind, items)


def test_listed_metrics_are_those_that_are_computed():
    assert list(listed("metrics")) == [*METRICS, *METRICS_OF_INTERVALS, *PIXEL_METRICS]
    assert all(len(summary) > len("of pixels: ") for summary in listed("metrics").values())


def test_listed_measures_are_those_that_are_computed():
    from dicecast.estimation.measures import (  # noqa: PLC0415  imports TensorFlow
        LOGIT_MEASURES,
        MEASURES,
    )

    assert list(listed("measures")) == [*MEASURES, *LOGIT_MEASURES]


def test_list_as_json_is_json(dicecast):
    status, out, _ = dicecast("list", "heads", "--json")
    assert status == 0
    assert {"isotonic", "forest", "two_stage", "constant", "volume"} <= set(
        json.loads(out)["heads"]
    )


@pytest.mark.parametrize("arguments", [["list"], ["--help"], ["run", "--help"], ["show", "--help"]])
def test_output_fits_80_columns(dicecast, arguments):
    _, out, _ = dicecast(*arguments)
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "quickstrat"], "Did you mean 'quickstart'?"),
        (["run", "missing.toml"], "no suite file missing.toml"),
        (["run", TINY, "--estimators", "sofmax"], "Did you mean 'softmax'?"),
        (["run", TINY, "--set", "training.epochs=ten"], "epochs"),
        (["run", TINY, "--set", "training.epoch=3"], "Did you mean 'epochs'?"),
        (["run", TINY, "--set", "estimators.mc_dropout.rat=0.1"], "Did you mean 'rate'?"),
        (["run", TINY, "--set", "backbone.width=x"], "width"),
        (["run", TINY, "--set", "dataset.shifts=['blurr']"], "blur"),
        (["run", TINY, "--seeds", "one"], "numbers"),
        (["run", TINY, "--plugin", "nowhere.py"], "nowhere.py"),
        (["run", "isic2017-64"], "--data-root"),
        (["run", "isic2017-64", "--data-root", "nowhere"], "nowhere"),
        (["list", "estimator"], "Did you mean 'estimators'?"),
        (["leaderboard", "quickstart", "--results", "nowhere"], "nowhere"),
        (["show", "quickstart", "worst", "--results", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(dicecast, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    status, out, err = dicecast(*arguments)
    assert status == 2
    assert said in " ".join(err.split())
    assert "Traceback" not in out + err
    assert list(tmp_path.rglob("*.json")) == []


def test_run_leaderboard_and_show_on_a_tiny_suite(dicecast, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    broken = tmp_path / "broken.py"
    broken.write_text(
        "from dataclasses import dataclass\n"
        "from dicecast import register_estimator\n"
        "@register_estimator('broken')\n"
        "@dataclass(frozen=True)\n"
        "class Broken:\n"
        "    def fit(self, data, train_backbone, seed):\n"
        "        raise RuntimeError('by design')\n"
    )
    small = ["--set", "training.epochs=2", "--set", "heads=[]"]
    status, out, err = dicecast(
        "run", TINY, "--estimators", "softmax", "--plugin", str(broken), *small
    )
    assert status == 1
    assert "FAILED broken seed 0: RuntimeError: by design" in out
    assert "Traceback" not in out + err
    assert "failed" in (tmp_path / "results" / "tiny" / "leaderboard.md").read_text()

    status, _, err = dicecast("leaderboard", TINY, "--check")
    assert status == 0, err
    status, out, _ = dicecast("leaderboard", TINY, "--format", "csv")
    assert status == 0
    assert out.startswith("suite,domain,estimator,score,")

    status, out, err = dicecast("show", TINY, "worst", "--estimator", "softmax", *small)
    assert status == 0, err
    [picture] = tmp_path.glob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")

    status, _, err = dicecast("show", TINY, "nobody", "--estimator", "softmax", *small)
    assert (status, "There is no test case 'nobody'" in err) == (2, True)

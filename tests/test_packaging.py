"""What the wheel holds is what the folders hold."""

import configparser
import tomllib
from pathlib import Path

from dicecast.suite import shipped_suites

ROOT = Path(__file__).parent.parent


def test_every_package_is_named_in_setup_cfg():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    named = set(settings["options"]["packages"].split())
    source = ROOT / "benchmark"
    found = {
        ".".join(path.parent.relative_to(source).parts)
        for path in (source / "dicecast").rglob("__init__.py")
    }
    plugins = {"dicecast.baselines.estimators", "dicecast.baselines.heads", "dicecast.datasets"}
    assert named == found | plugins


def test_every_shipped_suite_has_the_name_of_its_file():
    for name, path in shipped_suites().items():
        assert tomllib.loads(path.read_text())["name"] == name

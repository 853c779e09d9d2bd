"""Imports what every command needs, once: the processes of the cases are forked from this one."""

import dicecast.cli.main
import dicecast.cluster.settings
import dicecast.harness.matrix
import dicecast.harness.run
import dicecast.leaderboard.curve_figures
import dicecast.leaderboard.files
import dicecast.leaderboard.terminal  # noqa: F401
from dicecast.identity import code_version, package_versions
from dicecast.plugins import backbones, datasets, estimators

# What these return is kept for the rest of the process.
code_version(".")
package_versions()
for registry, name in ((backbones, "unet"), (datasets, "folder"), (estimators, "softmax")):
    registry.get(name)

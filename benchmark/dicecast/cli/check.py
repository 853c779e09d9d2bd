"""``dicecast check``."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dicecast.errors import PluginError, did_you_mean
from dicecast.harness.quiet import quiet_start
from dicecast.plugins import REGISTRIES, add_plugin_file
from dicecast.registry import BrokenPluginError
from dicecast.testing.kit import KINDS, contract_of, instance_of, trial_of

if TYPE_CHECKING:
    from dicecast.testing.checks import Outcome, Report

STYLES = {"passed": "green", "failed": "bold red", "not run": "yellow", "not applicable": "dim"}


def check(
    plugins: Annotated[
        list[str], typer.Argument(help="Registered names, or paths of plug-in files.")
    ],
    kind: Annotated[
        str, typer.Option(help=f"Which is meant, if a name is of several: {', '.join(KINDS)}.")
    ] = "",
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the plug-in, e.g. --set draws=4."),
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder of a dataset that reads one.")
    ] = None,
) -> None:
    """Check that estimators, heads and datasets keep their contract.

    An estimator is fitted, drawn from and asked again on small made-up images, with a small
    network: some tens of seconds. Whatever does not hold is said in sentences, with both possible
    fixes. Exit status 1 if a plug-in breaks a rule.

    Examples:
      dicecast check mc_dropout --set draws=4

      dicecast check my_estimator.py

      dicecast check forest volume lesions
    """
    if kind and kind not in KINDS:
        raise PluginError(f"There is no kind '{kind}'. {did_you_mean(kind, KINDS)}")
    settings = dict(_setting(text) for text in change or ())
    console = Console()
    # Of every name first: a misspelt one must not wait for what others take.
    wanted = [found for given in plugins for found in _found(given, kind, console)]
    ok = [_checked(which, name, settings, data_root, console) for which, name in wanted]
    if not all(ok) or len(wanted) < len(plugins):
        raise typer.Exit(1)


def _setting(text: str) -> tuple[str, Any]:
    """Return the name and the value of ``field=value``; the value is JSON, or else text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise PluginError(f"--set takes field=value; got '{text}'.")
    try:
        return name, TypeAdapter(Any).validate_json(value)
    except ValidationError:
        return name, value


def _found(given: str, kind: str, console: Console) -> list[tuple[str, str]]:
    """Return the kind and name of what was given: of a file, all that it registers.

    A file that fails to import is told, and stops no other.

    Raises:
        PluginError: There is no such name or file, or the name is of several kinds.
    """
    if given.endswith(".py"):
        if not Path(given).is_file():
            raise PluginError(f"There is no file {given}.")
        try:
            added = add_plugin_file(Path(given))
        except PluginError as error:
            console.print(f"{error}\n", markup=False, highlight=False, soft_wrap=True)
            return []
        kinds = {f"{known}s": known for known in KINDS}
        return [(kinds[k], name) for k, names in added.items() if k in kinds for name in names]
    candidates = [kind] if kind else KINDS
    found = [one for one in candidates if given in REGISTRIES[f"{one}s"].declared()]
    if len(found) > 1:
        raise PluginError(f"'{given}' is a {' and a '.join(found)}. Say which, with --kind.")
    if not found:
        known = [name for one in candidates for name in REGISTRIES[f"{one}s"].declared()]
        raise PluginError(f"There is no plug-in '{given}'. {did_you_mean(given, known)}")
    return [(found[0], given)]


def _checked(
    kind: str, name: str, settings: dict[str, Any], data_root: Path | None, console: Console
) -> bool:
    """Check one plug-in, print what was found and return whether all is well."""
    started = time.perf_counter()
    with ExitStack() as kept, console.status(f"{name}: starting ...") as status:
        try:
            with quiet_start():
                contract = contract_of(kind)
                plugin, title = instance_of(kind, name, settings)
                on = data_root if kind == "dataset" else None
                trial = trial_of(kind, plugin, title, on, kept)
        except BrokenPluginError as error:
            console.print(f"{error}\n", markup=False, highlight=False, soft_wrap=True)
            return False
        done: list[Outcome] = []

        def tell(outcome: Outcome) -> None:
            done.append(outcome)
            status.update(f"{name}: {len(done)} of {len(contract.checks)} checks ...")

        report = contract.report(trial, on_outcome=tell)
    _print(report, time.perf_counter() - started, console)
    return not report.failed


def _print(report: Report, seconds: float, console: Console) -> None:
    passed, failed = len(report.names("passed")), len(report.failed)
    verdict = f"breaks {failed} rule{'s' * (failed > 1)}" if failed else "keeps its contract"
    console.print(
        Text(f"{report.title} {verdict}: {passed} checks passed, {seconds:.0f} s", style="bold")
    )
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column()
    for outcome in report.outcomes:
        said = outcome.seen if outcome.status in ("not applicable", "not run") else outcome.rule
        style = STYLES[outcome.status]
        table.add_row(Text(outcome.name), Text(outcome.status, style=style), Text(said))
    console.print(table)
    for outcome in report.failed:
        console.print(Text(f"\n{outcome.name}", style="bold red"))
        for title, text in (
            ("Must hold:", outcome.rule),
            ("Seen:", outcome.seen),
            ("Fix the code:", outcome.in_code),
            ("Or the declaration:", outcome.in_declaration),
        ):
            console.print(Padding(Text(f"{title} {text}"), (0, 0, 0, 2)))
    console.print()

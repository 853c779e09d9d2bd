"""``dicecast show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dicecast.cli.places import check_file, check_folder
from dicecast.errors import DicecastError, briefly, did_you_mean
from dicecast.harness.quiet import quiet_start
from dicecast.plugins import add_plugin_file
from dicecast.suite import load_suite

if TYPE_CHECKING:
    from dicecast.harness.run import SuiteRun
    from dicecast.records import Record

PREDICTED = ("two_stage/image+mask+map", "forest", "isotonic", "pairwise_dice", "expected_dice")
"""Estimates of the Dice that the picture names, where the record has them."""


def show(  # noqa: PLR0913  one parameter an option
    suite: Annotated[str, typer.Argument(help="Name of a shipped suite, or path of a .toml file.")],
    case: Annotated[
        str, typer.Argument(help="Stem of a test case, or worst, median or best (by true Dice).")
    ],
    estimator: Annotated[str, typer.Option(help="Label of the estimator.")] = "deep_ensemble",
    seed: Annotated[int | None, typer.Option(help="Seed; the suite's first by default.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="PNG to write; <case>.png by default.")
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the dataset.")] = None,
    change: Annotated[list[str] | None, typer.Option("--set", help="As for run.")] = None,
    store: Annotated[Path, typer.Option(help="As for run.")] = Path(".dicecast"),
    results: Annotated[Path, typer.Option(help="As for run.")] = Path("results"),
    plugin: Annotated[list[Path] | None, typer.Option(help="As for run.")] = None,
) -> None:
    """Draw one test case: image, truth, mask, uncertainty maps, true and predicted Dice.

    Needs the record of 'dicecast run' and its weights in the store.

    Such as: dicecast show quickstart worst --estimator mc_dropout
    """
    from dicecast.records import read_record, record_path  # noqa: PLC0415  pandas is slow

    chosen = load_suite(suite, change or ())
    for path in plugin or ():
        add_plugin_file(path)
    chosen = chosen.with_estimators([estimator])
    number = chosen.seeds[0] if seed is None else seed
    check_folder(store, "--store")
    if output is not None:
        check_file(output, "--output")
    record = read_record(record_path(results, chosen.name, estimator, number))
    stem = _stem(record, case)
    console = Console()
    with console.status("Loading TensorFlow, the data and the weights ..."), quiet_start():
        from dicecast.harness.run import SuiteRun  # noqa: PLC0415  imports TensorFlow
        from dicecast.store import Store  # noqa: PLC0415

        run = SuiteRun(chosen, Store(store), results, data_root)
        written = _draw(run, record, stem, output or Path(f"{stem}.png"))
    console.print(f"Written: {written}", markup=False, soft_wrap=True)


def _stem(record: Record, case: str) -> str:
    if record.cases is None:
        raise DicecastError(
            f"{record.sidecar.estimator} failed under seed {record.sidecar.seed}: "
            f"{record.sidecar.error}"
        )
    by_dice = record.cases.sort_values(["dice", "stem"])["stem"].tolist()
    places = {"worst": 0, "median": len(by_dice) // 2, "best": len(by_dice) - 1}
    if case in places:
        return str(by_dice[places[case]])
    if case not in set(by_dice):
        raise DicecastError(f"There is no test case {briefly(case)}. {did_you_mean(case, by_dice)}")
    return case


def _draw(run: SuiteRun, record: Record, stem: str, path: Path) -> Path:
    import numpy as np  # noqa: PLC0415

    from dicecast.figures import CasePicture, draw_case  # noqa: PLC0415

    sidecar = record.sidecar
    if run.data.content_hash != sidecar.hashes["data"]:
        raise DicecastError(
            f"The record of {sidecar.estimator} was made from other data than are loaded now. Give "
            "the options of the run (--data-root, --set), or run the suite again."
        )
    part, estimator = run.estimators[0]
    if isinstance(estimator, str):
        raise DicecastError(estimator)
    cases = next(c for c in run.data.test.values() if stem in c.stems)
    row = cases.take(np.array([cases.stems.index(stem)]))
    predictive = estimator.fit(run.data.for_fitting(), run.trainer, sidecar.seed)
    prediction = next(run.sampler.predict(predictive, row.images, sidecar.seed))
    assert record.cases is not None
    known = record.cases.set_index("stem").loc[stem]
    facts = [f"true Dice {known['dice']:.3f}"]
    facts += [f"{name} {known[name]:.3f}" for name in PREDICTED if name in known.index]
    picture = CasePicture(
        f"{stem} ({known['domain']}) by {part.title}, seed {sidecar.seed}",
        row.images[0],
        row.masks[0],
        prediction.mask[0],
        {name: values[0] for name, values in prediction.maps.items()},
        facts,
    )
    draw_case(picture, path)
    return path

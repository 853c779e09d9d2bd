"""Suite files: what is run, as checked values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dicecast.errors import SuiteError, briefly, did_you_mean
from dicecast.registry import explain
from dicecast.toml_file import MAX_DEPTH, parse_toml, read_toml

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)]


Side = Annotated[int, Field(ge=8, le=8192)]
"""Of an image, in pixels."""


class _Table(BaseModel):
    # Strict, but for a list where a tuple is meant: TOML has lists alone.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Part(_Table):
    """A plug-in with its settings; every key but ``name`` and ``label`` is a setting.

    Beside other settings, ``settings`` is one of them: that of a plug-in made of another one.

    Attributes:
        name: The registered name.
        label: What the leaderboard calls it; the name where empty, so that one estimator can be in
            a suite twice with different settings.
        settings: Values for the plug-in's fields.
    """

    name: Name
    label: Name | Literal[""] = ""
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, table: Any) -> Any:
        if not isinstance(table, dict) or set(table) <= set(cls.model_fields):
            return table
        kept = {key: value for key, value in table.items() if key in ("name", "label")}
        return kept | {"settings": {k: v for k, v in table.items() if k not in kept}}

    @property
    def title(self) -> str:
        """The label, or the name."""
        return self.label or self.name


class Training(_Table):
    """The ``[training]`` table; see ``dicecast.training.trainer.Schedule``."""

    epochs: int = Field(30, ge=1, le=100_000)
    batch_size: int = Field(16, ge=1, le=65_536)
    learning_rate: float = Field(2e-3, gt=0, le=10)
    patience: int = Field(10, ge=0, le=100_000)
    augment: bool = True


class Compute(_Table):
    """The ``[compute]`` table: how the numbers are computed, not which."""

    accelerate: Literal["auto", "xla", "none"] = "auto"
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    data_parallel: bool = False
    sampling_batch_size: int = Field(32, ge=1, le=65_536)


class QualityFit(_Table):
    """The ``[quality_fit]`` table: which segmentations quality heads are fitted on.

    Attributes:
        protocol: ``held_out``: those of the quality role. ``out_of_fold``: those of the training
            role, each fold of it segmented by an estimator that was fitted on the other folds.
        folds: How many; a patient is in one.
    """

    protocol: Literal["held_out", "out_of_fold"] = "held_out"
    folds: int = Field(5, ge=2, le=1000)

    @property
    def folds_used(self) -> int:
        """How many folds are made: none where heads are fitted on the quality role."""
        return self.folds if self.protocol == "out_of_fold" else 0


class Bootstrap(_Table):
    """The ``[bootstrap]`` table: the leaderboard's intervals."""

    resamples: int = Field(1000, ge=100, le=100_000)
    seed: int = Field(0, ge=0, lt=2**31)
    level: float = Field(0.95, gt=0, lt=1)


class Quality(_Table):
    """The ``[quality]`` table: what heads predict, and what every score is compared with.

    Attributes:
        target: What is measured of a mask, in [0, 1], 1 being perfect; ``hausdorff_95`` is 1 -
            distance / diagonal of the image.
        class_name: The one class that counts; the mean over all but the background where empty.
        tolerance: Of ``normalised_surface_dice``, in pixels.
    """

    target: Literal["dice", "jaccard", "normalised_surface_dice", "hausdorff_95"] = "dice"
    class_name: str = ""
    tolerance: float = Field(2.0, ge=0, le=8192)

    def __str__(self) -> str:
        """Return it in words; empty for the mean Dice, which needs none."""
        names = {
            "dice": "the Dice",
            "jaccard": "the Jaccard index",
            "normalised_surface_dice": f"the surface Dice within {self.tolerance:g} pixels",
            "hausdorff_95": "1 - 95 % Hausdorff distance / diagonal of the image",
        }
        if self.target == "dice" and not self.class_name:
            return ""
        return names[self.target] + (f" of '{self.class_name}'" if self.class_name else "")


class Comparison(_Table):
    """One of the ``[[comparisons]]``: a question that the leaderboard answers.

    A score alone is compared within every estimator that has both; ``estimator:score`` on both
    sides compares these two. For instance, a behaviour that the literature reports::

        [[comparisons]]
        question = "Does the ensemble's pairwise Dice leave less risk than its mean entropy?"
        score = "deep_ensemble:pairwise_dice"
        against = "deep_ensemble:predictive_entropy/mean"
        metrics = ["aurc"]
        expect = "lower"

    Attributes:
        question: In words; no two are alike.
        score: The score that may be better, such as ``two_stage/image+mask+map``.
        against: The score it is compared with.
        metrics: Names of metrics, or ``ood_auroc``: the AUROC of telling a shifted domain from the
            in-distribution test set. The usual ones where empty.
        change: Compare how much the metrics change from the in-distribution test set to each
            shifted domain, instead of what they are.
        expect: What ``score - against`` is expected to be, which gives the answer a verdict:
            "higher" or "lower" than 0, or "equal" to 0.
        within: How far from 0 still counts as equal.
    """

    question: str
    score: str
    against: str
    metrics: tuple[str, ...] = Field((), strict=False)
    change: bool = False
    expect: Literal["", "higher", "lower", "equal"] = ""
    within: float = Field(0.0, ge=0, le=1000)

    @property
    def sides(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Estimator and score of both sides; the estimator is empty where it may be any."""
        score, against = (side.rpartition(":") for side in (self.score, self.against))
        return (score[0], score[2]), (against[0], against[2])

    @model_validator(mode="after")
    def _answerable(self) -> Comparison:
        (first, _), (second, _) = self.sides
        if bool(first) != bool(second):
            raise ValueError(
                f"the comparison of '{self.score}' with '{self.against}' must name an estimator "
                "(estimator:score) on both sides or on neither"
            )
        if self.expect and not self.metrics:
            raise ValueError(
                f"the comparison '{self.question}' expects something, so it must name its metrics, "
                'such as metrics = ["aurc"]'
            )
        if (self.expect == "equal") != (self.within > 0):
            raise ValueError(
                f"the comparison '{self.question}' must say how near is equal: expect = \"equal\" "
                "and within = 0.05 go together"
            )
        return self


class Suite(_Table):
    """A benchmark: one dataset, one backbone, estimators, heads and seeds.

    Attributes:
        name: The folder of its results.
        description: One line for people.
        image_size: Height and width to which all images are resized, in pixels.
        failure_threshold: A segmentation whose quality is below this has failed.
        seeds: Every estimator is run once under each.
        dataset: The dataset and its settings.
        backbone: The segmentation network and its settings.
        training: How backbones are trained.
        compute: Precision and compilation.
        quality_fit: What quality heads are fitted on.
        bootstrap: The intervals of the leaderboard.
        quality: The measure of quality; the mean Dice unless it says otherwise.
        estimators: In the order in which they are run.
        heads: Quality heads, fitted for each estimator.
        comparisons: Pairs of scores whose difference the leaderboard tests.
    """

    name: Name
    description: str = ""
    image_size: tuple[Side, Side] = Field((64, 64), strict=False)
    failure_threshold: float = Field(0.8, gt=0, le=1)
    # Half of int32: estimators of several networks count up from here.
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**30)], ...] = Field(
        (0, 1, 2), min_length=1, strict=False
    )
    dataset: Part
    backbone: Part = Part(name="unet")
    training: Training = Training()
    compute: Compute = Compute()
    quality_fit: QualityFit = QualityFit()
    bootstrap: Bootstrap = Bootstrap()
    quality: Quality = Quality()
    estimators: tuple[Part, ...] = Field(min_length=1, strict=False)
    heads: tuple[Part, ...] = Field((), strict=False)
    comparisons: tuple[Comparison, ...] = Field((), strict=False)

    @model_validator(mode="after")
    def _unique(self) -> Suite:
        titled: dict[str, list[Any]] = {
            "estimators": [part.title for part in self.estimators],
            "seeds": list(self.seeds),
            "heads": [(part.title, str(part.settings)) for part in self.heads],
            "comparisons": [comparison.question for comparison in self.comparisons],
        }
        for kind, titles in titled.items():
            twice = {title for title in titles if titles.count(title) > 1}
            if twice:
                raise ValueError(
                    f"{kind} has {', '.join(map(str, sorted(twice)))} twice; "
                    "give one of them another label"
                )
        return self

    def with_seeds(self, seeds: Sequence[int]) -> Suite:
        """Return the suite with these seeds alone.

        Raises:
            SuiteError: One is out of range, or there twice.
        """
        return _validated(self.model_dump() | {"seeds": list(seeds)}, f"Suite '{self.name}'")

    def with_estimators(self, titles: Sequence[str]) -> Suite:
        """Return the suite with the named estimators alone; unknown ones are added by name.

        So an estimator of a plug-in file needs no edit of the suite.

        Raises:
            SuiteError: A name is there twice, or cannot be one.
        """
        known = {part.title: part.model_dump() for part in self.estimators}
        parts = [known.get(title, {"name": title}) for title in titles]
        return _validated(self.model_dump() | {"estimators": parts}, f"Suite '{self.name}'")


def shipped_suites() -> dict[str, Path]:
    """Return the suites inside the package by name."""
    folder = Path(str(files("dicecast") / "suites"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_suite(name_or_path: str, changes: Iterable[str] = ()) -> Suite:
    """Read a shipped suite by its name, or a TOML file, with ``key=value`` changes.

    Args:
        name_or_path: ``quickstart`` or ``path/to/suite.toml``.
        changes: Such as ``training.epochs=5`` or ``estimators.mc_dropout.draws=50``.

    Raises:
        SuiteError: No such suite, no TOML, an unknown key or a wrong value.
    """
    path = _find(name_or_path)
    table = read_toml(path, "suite", SuiteError)
    for change in changes:
        _apply(table, change)
    _check_keys(table, Suite, str(path))
    return _validated(table, f"The suite {path}")


def _validated(table: dict[str, Any], what: str) -> Suite:
    try:
        return Suite.model_validate(table)
    except ValidationError as error:
        raise SuiteError(
            f"{what} is not valid: {explain(error)}. Correct the value, there or with --set."
        ) from error


def _find(name_or_path: str) -> Path:
    shipped = shipped_suites()
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    if path.suffix == ".toml":
        return path
    raise SuiteError(
        f"There is no suite {briefly(name_or_path)}. {did_you_mean(name_or_path, shipped)} "
        "A suite of your own is given as the path of a .toml file."
    )


def _check_keys(table: dict[str, Any], model: type[BaseModel], place: str) -> None:
    """Name unknown keys with their nearest known one, which pydantic does not do."""
    for key, value in table.items():
        if key not in model.model_fields:
            raise SuiteError(
                f"{place}: unknown key {briefly(key)}. {did_you_mean(key, model.model_fields)}"
            )
        inner = model.model_fields[key].annotation
        checked = isinstance(inner, type) and issubclass(inner, _Table) and inner is not Part
        if isinstance(value, dict) and checked:
            _check_keys(value, cast(type[BaseModel], inner), f"{place}: [{key}]")


def _apply(table: dict[str, Any], change: str) -> None:
    """Set one ``a.b.c=value`` in the raw table; a list of tables is entered by label or name."""
    key, equals, text = change.partition("=")
    steps = key.strip().split(".")
    if not equals or not all(steps):
        raise SuiteError(
            f"--set takes key=value, such as training.epochs=5; got {briefly(change)}."
        )
    if len(steps) > MAX_DEPTH:
        raise SuiteError(
            f"--set takes keys of at most {MAX_DEPTH} parts, such as training.epochs; got "
            f"{len(steps)}."
        )
    place: Any = table
    for step in steps[:-1]:
        place = _enter(place, step, change)
    if not isinstance(place, dict):
        raise SuiteError(f"--set {change}: '{steps[-2]}' is a value, it has no keys.")
    place[steps[-1]] = _parse(text.strip(), key)


def _enter(place: Any, step: str, change: str) -> Any:
    if isinstance(place, list):
        named = [(str(p.get("label") or p.get("name")), p) for p in place if isinstance(p, dict)]
        found = [part for title, part in named if title == step]
        if not found:
            known = [title for title, _ in named]
            raise SuiteError(f"--set {change}: there is no '{step}'. {did_you_mean(step, known)}")
        if len(found) > 1:
            raise SuiteError(
                f"--set {change}: there are {len(found)} parts called '{step}'. Give each a label "
                "of its own in the suite file."
            )
        return found[0]
    if not isinstance(place, dict):
        raise SuiteError(f"--set {change}: '{step}' lies below a value, which has no keys.")
    return place.setdefault(step, {})


def _parse(text: str, key: str) -> Any:
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError as error:
        # A bare word is meant as text: --set compute.precision=bfloat16.
        if re.fullmatch(r"[\w./ +-]*", text):
            return text
        raise SuiteError(
            f"--set {key}: {briefly(text)} is neither a TOML value nor a plain word ({error}). "
            "Write text in quotes."
        ) from None

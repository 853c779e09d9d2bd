"""Named checks of a contract, and the report of what each found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

Status = Literal["passed", "failed", "not applicable", "not run"]


class NotApplicableError(Exception):
    """Raised by a check whose rule says nothing about this plug-in; the text says why."""


class ContractError(AssertionError):
    """A plug-in breaks its contract; the text is the report's, in sentences."""


@dataclass(frozen=True)
class Outcome:
    """What one check found.

    Attributes:
        name: Of the check.
        rule: What must hold, as a sentence.
        status: ``not run`` where another rule that it builds on does not hold.
        seen: What was seen, or why the check did not apply or run; empty where it passed.
        in_code: How the plug-in's code could be put right.
        in_declaration: How what it declares could be put right instead.
    """

    name: str
    rule: str
    status: Status
    seen: str = ""
    in_code: str = ""
    in_declaration: str = ""

    @property
    def sentences(self) -> str:
        """The rule, what was seen and both possible fixes."""
        return (
            f"{self.rule} Seen: {self.seen} To put it right in the code: {self.in_code} Or in what "
            f"it declares: {self.in_declaration}"
        )


@dataclass(frozen=True)
class Report:
    """What all checks found of one plug-in.

    Attributes:
        title: Which plug-in.
        outcomes: One a check, in their order.
    """

    title: str
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> list[Outcome]:
        """The checks that failed; those that could not run for that are not among them."""
        return [outcome for outcome in self.outcomes if outcome.status == "failed"]

    def names(self, status: Status) -> set[str]:
        """Return the names of the checks that ended so."""
        return {outcome.name for outcome in self.outcomes if outcome.status == status}

    def __str__(self) -> str:
        """Return a sentence if all is well, else a paragraph for each check that failed."""
        if not self.failed:
            return f"{self.title} keeps its contract ({len(self.names('passed'))} checks)."
        broken = [f"{outcome.name}: {outcome.sentences}" for outcome in self.failed]
        return "\n\n".join([f"{self.title} breaks its contract.", *broken])

    def raise_if_failed(self) -> Report:
        """Return the report.

        Raises:
            ContractError: A check failed.
        """
        if self.failed:
            raise ContractError(str(self))
        return self


class Trial(Protocol):
    """A plug-in on trial: whatever checks look at is made once and kept.

    Attributes:
        title: What a report calls the plug-in.
        outcomes: Of the checks so far, by name.
    """

    title: str
    outcomes: dict[str, Outcome]


T = TypeVar("T", bound=Trial)


@dataclass(frozen=True)
class Check(Generic[T]):
    """One rule of a contract.

    Attributes:
        name: Unique in its contract.
        rule: What must hold, as a sentence.
        look: Returns what was seen where the rule is broken, as a sentence; else an empty text.
        in_code: How the plug-in's code could be put right.
        in_declaration: How what it declares could be put right instead.
        needs: Checks without which this one means nothing.
    """

    name: str
    rule: str
    look: Callable[[T], str]
    in_code: str
    in_declaration: str
    needs: tuple[str, ...]

    def outcome(self, trial: T) -> Outcome:
        """Look, and say what was found; whatever the plug-in raises meanwhile is a finding."""
        try:
            seen = self.look(trial)
        except NotApplicableError as reason:
            return Outcome(self.name, self.rule, "not applicable", str(reason))
        except Exception as error:  # noqa: BLE001  it is a stranger's code
            seen = f"it raised {type(error).__name__}: {' '.join(str(error).split())}"
        if not seen:
            return Outcome(self.name, self.rule, "passed")
        fixes = (self.in_code, self.in_declaration)
        return Outcome(self.name, self.rule, "failed", seen, *fixes)


@dataclass(frozen=True)
class Contract(Generic[T]):
    """The checks of one kind of plug-in, in the order in which they run."""

    checks: dict[str, Check[T]] = field(default_factory=dict)

    def rule(
        self, *, in_code: str, in_declaration: str, needs: Iterable[str] = ()
    ) -> Callable[[Callable[[T], str]], Callable[[T], str]]:
        """Return a decorator that adds a check, named as the function; its docstring is the rule.

        Args:
            in_code: How the plug-in's code could be put right.
            in_declaration: How what it declares could be put right instead.
            needs: Names of checks, added before, without which this one means nothing.
        """

        def decorate(look: Callable[[T], str]) -> Callable[[T], str]:
            rule = " ".join((look.__doc__ or "").split())
            name = look.__name__
            self.checks[name] = Check(name, rule, look, in_code, in_declaration, tuple(needs))
            return look

        return decorate

    def outcome(self, trial: T, name: str) -> Outcome:
        """Return what the check of this name finds, after those that it needs; each runs once."""
        if name not in trial.outcomes:
            check = self.checks[name]
            unmet = [need for need in check.needs if not self._holds(trial, need)]
            trial.outcomes[name] = (
                Outcome(name, check.rule, "not run", f"it needs that '{unmet[0]}' holds.")
                if unmet
                else check.outcome(trial)
            )
        return trial.outcomes[name]

    def report(
        self,
        trial: T,
        names: Iterable[str] | None = None,
        on_outcome: Callable[[Outcome], None] = lambda outcome: None,
    ) -> Report:
        """Run the checks and return what they found.

        Args:
            trial: The plug-in.
            names: Which checks; all by default.
            on_outcome: Told of each as it ends.
        """
        outcomes = []
        for name in self.checks if names is None else names:
            outcomes.append(self.outcome(trial, name))
            on_outcome(outcomes[-1])
        return Report(trial.title, tuple(outcomes))

    def _holds(self, trial: T, name: str) -> bool:
        return self.outcome(trial, name).status in ("passed", "not applicable")

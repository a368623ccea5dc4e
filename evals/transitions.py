"""The error ledger: what each iteration fixed and broke, from the class of every piece of code.

A *trajectory* is the sequence of classes of one (task, replicate): first what was generated, then each
refinement. A class is `passed`, `wrong answer`, or what `error_class` says ("NameError", "timeout", …). For
"what would refining on do", score the code of *every* iteration of forced trajectories (no early stop) on
the hidden tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..errors import UsageError
from .statistics import Interval, holm, wilson
from .statistics.units import p_text

PASSED = "passed"
WRONG_ANSWER = "wrong answer"


def error_class(outcome: str, error_type: str = "") -> str:
    """The class of an execution: its exception's type where there is one, else its outcome in words.

    Args:
        outcome: As in `Execution.outcome`.
        error_type: Name of the exception, or empty. An AssertionError of a test is a wrong answer.

    Example:
        >>> error_class("error", "NameError"), error_class("failed", "AssertionError")
        ('NameError', 'wrong answer')
    """
    if outcome == "failed":
        return WRONG_ANSWER
    if outcome == "syntax_error":
        return "SyntaxError"
    if outcome == "error" and error_type:
        return error_type
    return outcome.replace("_", " ")


@dataclass(frozen=True, slots=True)
class ClassRate:
    """How often code of one class was fixed.

    Attributes:
        name: The class.
        n: Pieces of code of the class.
        fixed: How many were followed by code that passed.
        interval: Wilson interval of fixed / n. It takes pieces as independent: several replicates or
            iterations of one task are not, and then it is too short.
        p: Fisher's exact test: is this class fixed as often as all others together? 1 with no other class.
        p_adjusted: The same, adjusted over the classes by Holm's method.
    """

    name: str
    n: int
    fixed: int
    interval: Interval
    p: float
    p_adjusted: float

    def __str__(self) -> str:
        low, high = 100 * self.interval.low, 100 * self.interval.high
        return (
            f"{self.name}: {self.fixed}/{self.n} fixed ({low:.0f} to {high:.0f} %, "
            f"against the others {p_text(self.p_adjusted)} after Holm)"
        )


@dataclass(frozen=True, slots=True)
class Step:
    """One iteration: from the code before it to the code after it.

    Attributes:
        iteration: 1 for the first refinement.
        n: Trajectories that made it.
        matrix: (class before, class after) → how many.
        fixed: Failing before, passing after.
        first_time_fixed: Of these, those that had never passed.
        broken: Passing before, failing after.
        unchanged: The same class before and after.
        fix_rate: Wilson interval of fixed / failing before; None if none failed.
        break_rate: Wilson interval of broken / passing before; None if none passed.
        passing: All trajectories whose latest code passes; one that stopped keeps its last code.
        ever_passed: All trajectories that have passed by now: what returning the best code solves.
    """

    iteration: int
    n: int
    matrix: Mapping[tuple[str, str], int]
    fixed: int
    first_time_fixed: int
    broken: int
    unchanged: int
    fix_rate: Interval | None
    break_rate: Interval | None
    passing: int
    ever_passed: int

    @property
    def plain_change(self) -> int:
        """Fixed minus broken: the change of `passing`."""
        return self.fixed - self.broken

    @property
    def first_time_change(self) -> int:
        """First-time fixes minus *all* breaks: the counting of "Feedback Over Form"; always the gloomier."""
        return self.first_time_fixed - self.broken

    def __str__(self) -> str:
        return (
            f"iteration {self.iteration}: {self.fixed} fixed ({self.first_time_fixed} for the first time), "
            f"{self.broken} broken, {self.unchanged} unchanged; {self.passing} pass, {self.ever_passed} ever did; "
            f"plain change {self.plain_change:+d}, first-time fixes minus breaks {self.first_time_change:+d}"
        )


@dataclass(frozen=True, slots=True)
class ErrorLedger:
    """What refining did to a set of trajectories.

    Attributes:
        n: Trajectories.
        initial: Class → how many were first of it.
        steps: One for each iteration.
        by_step: Fix rates of each class, over all single refinements.
        by_initial_class: Fix rates by the class of the generated code: passed at any later iteration.
        later_broken: Of the trajectories that passed at first, how many failed at least once later.
    """

    n: int
    initial: Mapping[str, int]
    steps: tuple[Step, ...]
    by_step: tuple[ClassRate, ...]
    by_initial_class: tuple[ClassRate, ...]
    later_broken: int

    def __str__(self) -> str:
        passed = self.initial.get(PASSED, 0)
        head = f"{self.n} trajectories, {passed} passed at first, {self.later_broken} of these broken later"
        return "\n".join([head, *map(str, self.steps), *map(str, self.by_initial_class)])


def error_ledger(trajectories: Iterable[Sequence[str]]) -> ErrorLedger:
    """Count what every iteration did.

    Args:
        trajectories: One sequence of classes for each (task, replicate); lengths may differ.

    Raises:
        UsageError: No trajectory, or an empty one.

    Example:
        >>> ledger = error_ledger([["NameError", "passed"], ["passed", "wrong answer"]])
        >>> ledger.steps[0].fixed, ledger.steps[0].broken
        (1, 1)
    """
    rows = [tuple(row) for row in trajectories]
    if not rows or not all(rows):
        raise UsageError("the ledger needs at least one trajectory, and each at least one class")
    longest = max(map(len, rows))
    single: Counter[tuple[str, bool]] = Counter(
        (before, after == PASSED) for row in rows for before, after in pairwise(row) if before != PASSED
    )
    whole: Counter[tuple[str, bool]] = Counter((row[0], PASSED in row) for row in rows if row[0] != PASSED)
    return ErrorLedger(
        n=len(rows),
        initial=dict(Counter(row[0] for row in rows).most_common()),
        steps=tuple(_step(rows, iteration) for iteration in range(1, longest)),
        by_step=_rates(single),
        by_initial_class=_rates(whole),
        later_broken=sum(row[0] == PASSED and set(row) != {PASSED} for row in rows),
    )


def class_rates(counts: Mapping[str, tuple[int, int]]) -> tuple[ClassRate, ...]:
    """Fix rates with intervals and a test per class, from counts alone; the most frequent class first.

    Args:
        counts: Class → (fixed, n).

    Raises:
        UsageError: A class without code, or more fixed than there were.

    Source: Fisher's exact test, `scipy.stats.fisher_exact`.

    Example:
        >>> rates = class_rates({"NameError": (27, 46), "wrong answer": (35, 222)})
        >>> rates[1].name, rates[1].p_adjusted < 0.001
        ('NameError', True)
    """
    from scipy.stats import fisher_exact

    if not counts:
        return ()
    intervals = {name: wilson(fixed, n) for name, (fixed, n) in counts.items()}
    all_fixed, all_n = sum(fixed for fixed, _ in counts.values()), sum(n for _, n in counts.values())
    p_values: dict[str, float] = {}
    for name, (fixed, n) in counts.items():
        others_fixed, others_n = all_fixed - fixed, all_n - n
        tested: Any = fisher_exact([[fixed, n - fixed], [others_fixed, others_n - others_fixed]])
        p_values[name] = float(tested.pvalue) if others_n else 1.0
    adjusted = holm(p_values).adjusted
    ordered = sorted(counts, key=lambda name: (-counts[name][1], name))
    return tuple(
        ClassRate(
            name=name,
            n=counts[name][1],
            fixed=counts[name][0],
            interval=intervals[name],
            p=p_values[name],
            p_adjusted=adjusted[name],
        )
        for name in ordered
    )


def _rates(seen: Counter[tuple[str, bool]]) -> tuple[ClassRate, ...]:
    names = {name for name, _ in seen}
    return class_rates(
        {name: (seen[name, True], seen[name, True] + seen[name, False]) for name in sorted(names)}
    )


def _step(rows: list[tuple[str, ...]], iteration: int) -> Step:
    made = [row for row in rows if len(row) > iteration]
    matrix = Counter((row[iteration - 1], row[iteration]) for row in made)
    fixed = sum(count for (before, after), count in matrix.items() if before != PASSED == after)
    broken = sum(count for (before, after), count in matrix.items() if before == PASSED != after)
    passing_before = sum(row[iteration - 1] == PASSED for row in made)
    failing_before = len(made) - passing_before
    return Step(
        iteration=iteration,
        n=len(made),
        matrix=dict(sorted(matrix.items())),
        fixed=fixed,
        first_time_fixed=sum(row[iteration] == PASSED and PASSED not in row[:iteration] for row in made),
        broken=broken,
        unchanged=sum(count for (before, after), count in matrix.items() if before == after),
        fix_rate=wilson(fixed, failing_before) if failing_before else None,
        break_rate=wilson(broken, passing_before) if passing_before else None,
        passing=sum(row[: iteration + 1][-1] == PASSED for row in rows),
        ever_passed=sum(PASSED in row[: iteration + 1] for row in rows),
    )

"""The error ledger: what each iteration fixed and broke, from the class of every piece of code.

A *trajectory* is the sequence of classes of one (task, replicate): first what was generated, then each
refinement. A class is `passed`, `wrong answer`, or what `runtime.execution.error_class` says ("NameError",
"timeout", …). For "what would refining on do", score the code of *every* iteration of forced trajectories (no early
stop) on the hidden tests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..errors import UsageError
from .statistics import Interval, Outcomes, holm, pooled_interval, wilson
from .statistics.intervals import effective_trials
from .statistics.units import p_text

PASSED = "passed"


@dataclass(frozen=True, slots=True)
class ClassRate:
    """How often code of one class was fixed.

    Attributes:
        name: The class.
        n: Pieces of code of the class.
        fixed: How many were followed by code that passed.
        interval: Interval of fixed / n, clustered by task (`pooled_interval`).
        p: Is this class fixed as often as all others together? Fisher's exact test at the number of independent pieces
            that those of each side are worth, rounded down; 1 with no other class.
        p_adjusted: The same, adjusted over the classes by Holm's method.
        tasks: Tasks that the pieces are of.
    """

    name: str
    n: int
    fixed: int
    interval: Interval
    p: float
    p_adjusted: float
    tasks: int = 0

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
        fix_rate: Fixed / failing before with its interval, clustered by task; None if none failed.
        break_rate: Broken / passing before, likewise; None if none passed.
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


def error_ledger(
    trajectories: Iterable[Sequence[str]], tasks: Sequence[str] | None = None, level: float = 0.95
) -> ErrorLedger:
    """Count what every iteration did.

    Args:
        trajectories: One sequence of classes for each (task, replicate); lengths may differ.
        tasks: The task of each trajectory: replicates of one task are alike, and intervals and tests are clustered by
            it. Without it every trajectory counts as a task of its own.
        level: Nominal coverage of intervals.

    Raises:
        UsageError: No trajectory, an empty one, or not one task for each.

    Source: for the tests, the design effects of Rao and Scott, *Ann. Stat.* 12 (1984) 46.

    Example:
        >>> ledger = error_ledger([["NameError", "passed"], ["passed", "wrong answer"]])
        >>> ledger.steps[0].fixed, ledger.steps[0].broken
        (1, 1)
    """
    rows = [tuple(row) for row in trajectories]
    if not rows or not all(rows):
        raise UsageError("the ledger needs at least one trajectory, and each at least one class")
    names = [str(number) for number in range(len(rows))] if tasks is None else list(tasks)
    if len(names) != len(rows):
        raise UsageError(f"{len(rows)} trajectories are of {len(names)} tasks: give one for each")
    single: dict[str, Flags] = {}
    whole: dict[str, Flags] = {}
    for task, row in zip(names, rows, strict=True):
        for before, after in pairwise(row):
            if before != PASSED:
                single.setdefault(before, {}).setdefault(task, []).append(float(after == PASSED))
        if row[0] != PASSED:
            whole.setdefault(row[0], {}).setdefault(task, []).append(float(PASSED in row))
    return ErrorLedger(
        n=len(rows),
        initial=dict(Counter(row[0] for row in rows).most_common()),
        steps=tuple(_step(rows, names, number, level) for number in range(1, max(map(len, rows)))),
        by_step=_rates(single, level),
        by_initial_class=_rates(whole, level),
        later_broken=sum(row[0] == PASSED and set(row) != {PASSED} for row in rows),
    )


def class_rates(counts: Mapping[str, tuple[int, int]], level: float = 0.95) -> tuple[ClassRate, ...]:
    """Fix rates with intervals and a test per class, from counts alone; the most frequent class first.

    Args:
        counts: Class → (fixed, n), of pieces of code that are independent: one replicate, one iteration.
        level: Nominal coverage of intervals.

    Raises:
        UsageError: A class without code, or more fixed than there were.

    Source: Fisher's exact test, `scipy.stats.fisher_exact`.

    Example:
        >>> rates = class_rates({"NameError": (27, 46), "wrong answer": (35, 222)})
        >>> rates[1].name, rates[1].p_adjusted < 0.001
        ('NameError', True)
    """
    for fixed, n in counts.values():
        wilson(fixed, n, level)  # refuses impossible counts
    return _rates(
        {
            name: {f"{name} {i}": [float(i < fixed)] for i in range(n)}
            for name, (fixed, n) in sorted(counts.items())
        },
        level,
    )


Flags = dict[str, list[float]]
"""Task → for each piece of code of it, whether it was fixed."""


def _rates(found: Mapping[str, Flags], level: float) -> tuple[ClassRate, ...]:
    if not found:
        return ()
    p_values = {
        name: _as_often(own, _together(flags for other, flags in found.items() if other != name))
        for name, own in found.items()
    }
    adjusted = holm(p_values).adjusted
    made = [
        ClassRate(
            name=name,
            n=sum(map(len, flags.values())),
            fixed=round(sum(map(sum, flags.values()))),
            interval=pooled_interval(flags, level),
            p=p_values[name],
            p_adjusted=adjusted[name],
            tasks=len(flags),
        )
        for name, flags in found.items()
    ]
    return tuple(sorted(made, key=lambda rate: (-rate.n, rate.name)))


def _together(several: Iterable[Flags]) -> Flags:
    table: Flags = {}
    for flags in several:
        for task, values in flags.items():
            table.setdefault(task, []).extend(values)
    return table


def _as_often(own: Outcomes, others: Outcomes) -> float:
    """Two-sided p of Fisher's exact test at the effective numbers of pieces."""
    from scipy.stats import fisher_exact

    if not others:
        return 1.0
    table: list[list[int]] = []
    for flags in (own, others):
        worth = max(1, int(effective_trials(flags) + 1e-9))
        runs = sum(map(len, flags.values()))
        fixed = round(worth * sum(map(sum, flags.values())) / runs)
        table.append([fixed, worth - fixed])
    tested: Any = fisher_exact(table)
    return float(tested.pvalue)


def _step(rows: list[tuple[str, ...]], tasks: list[str], iteration: int, level: float) -> Step:
    made = [(task, row) for task, row in zip(tasks, rows, strict=True) if len(row) > iteration]
    matrix = Counter((row[iteration - 1], row[iteration]) for _, row in made)
    failing: Flags = {}
    passing: Flags = {}
    for task, row in made:
        passed = row[iteration] == PASSED
        if row[iteration - 1] == PASSED:
            passing.setdefault(task, []).append(float(not passed))
        else:
            failing.setdefault(task, []).append(float(passed))
    return Step(
        iteration=iteration,
        n=len(made),
        matrix=dict(sorted(matrix.items())),
        fixed=round(sum(map(sum, failing.values()))),
        first_time_fixed=sum(row[iteration] == PASSED and PASSED not in row[:iteration] for _, row in made),
        broken=round(sum(map(sum, passing.values()))),
        unchanged=sum(count for (before, after), count in matrix.items() if before == after),
        fix_rate=pooled_interval(failing, level) if failing else None,
        break_rate=pooled_interval(passing, level) if passing else None,
        passing=sum(row[: iteration + 1][-1] == PASSED for row in rows),
        ever_passed=sum(PASSED in row[: iteration + 1] for row in rows),
    )

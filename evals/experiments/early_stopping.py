"""Experiment `early-stopping`: what refining on does to code that was right, on forced trajectories."""

from __future__ import annotations

from collections.abc import Callable

from ...runtime.attempt import Attempt
from ...runtime.budget import Usage
from ..statistics import clustered_interval
from ..transitions import ErrorLedger
from .bench import Bench
from .judged import (
    Judged,
    best_by_steering,
    forced,
    judge,
    ledger_of,
    outcomes_at,
    share,
    stopped,
    transition_table,
)
from .pool import Model
from .result import Cell, Curve, Table
from .verdicts import in_words

Policy = Callable[[Judged, int], int]
"""Index of the attempt that a loop returns when it is allowed so many iterations."""


def _stop_best(j: Judged, iteration: int) -> int:
    return best_by_steering(j, stopped(j, iteration))


def _never_best(j: Judged, iteration: int) -> int:
    return best_by_steering(j, forced(j, iteration))


POLICIES: dict[str, Policy] = {
    "stop, return last": stopped,
    "stop, return best": _stop_best,
    "never stop, return last": forced,
    "never stop, return best": _never_best,
}
"""The loops that are compared, by name."""


def early_stopping(bench: Bench) -> str:
    """Run it; the verdict in words.

    All iterations are made whatever the tests say; the code of *every* iteration is scored on all tests. What a loop
    that stops would have returned is a prefix of the same trajectory, so all policies share their calls and are
    paired. Self-refine of each model, and the second model before the main one where there are two.

    Source: *Feedback Over Form* (arXiv 2604.21950), section on early stopping; its counting (first-time fixes minus
    all breaks) and plain counting stand side by side.
    """
    ledgers: dict[str, ErrorLedger] = {}
    for model in bench.pool.models:
        ledgers[f"refine {model.label}"] = _forced(bench, f"refine {model.label}", model, model)
    others = [m for m in bench.pool.comparable if m is not bench.main]
    if others and bench.main in bench.pool.comparable:
        name = f"{others[0].label} → {bench.main.label}"
        ledgers[name] = _forced(bench, name, others[0], bench.main)
    bench.notes.append(
        "a loop that returns the best code by the steering tests returns the same code whether it stops or not: the"
        " first that passes; it hides what refining breaks, so regressions are read off every iteration's code"
    )
    return f"{in_words(bench.contrasts())} {' '.join(_counts(n, ledger) for n, ledger in ledgers.items())}"


def _forced(bench: Bench, name: str, generator: Model, refiner: Model) -> ErrorLedger:
    config = bench.config
    program = bench.arms.refine(generator, refiner, stop="never", keep="last")
    scores = bench.run(f"{name}: forced", program)
    judged = judge(scores, bench.tasks, config.concurrency)
    last = config.max_iterations
    for policy, choose in POLICIES.items():
        end = stopped if policy.startswith("stop") else forced
        usage = sum((j.usage(end(j, last)) for j in judged), Usage())
        green: dict[str, list[float]] = {}
        for j in judged:
            if is_passed(j.attempts[choose(j, last)]):
                green.setdefault(j.item.task_id, []).append(1 - j.solved(choose(j, last)))
        bench.derive(
            f"{name}: {policy}",
            outcomes_at(judged, choose, last),
            usage,
            scores,
            green=green,
        )
        bench.curves.append(_curve(f"{name}: {policy}", judged, choose, last, config.level))
    del bench.figures[f"{name}: forced"]
    bench.compare(f"{name}: stop, return last", f"{name}: never stop, return last")
    bench.compare(f"{name}: stop, return best", f"{name}: stop, return last")
    bench.compare(f"{name}: never stop, return best", f"{name}: never stop, return last")
    ledger = ledger_of(judged, config.level)
    bench.tables.append(_by_iteration(name, judged, ledger, last))
    bench.tables += [
        transition_table(f"{name}: iteration {step.iteration}, class on all tests", step)
        for step in ledger.steps
    ]
    return ledger


def is_passed(attempt: Attempt) -> bool:
    """Whether the attempt's code passed the steering tests."""
    return attempt.execution is not None and attempt.execution.passed


def _curve(name: str, judged: list[Judged], choose: Policy, last: int, level: float) -> Curve:
    points: list[tuple[float, float, float | None, float | None]] = []
    for i in range(last + 1):
        found = clustered_interval(outcomes_at(judged, choose, i), level)
        points.append((float(i), found.estimate, found.low, found.high))
    return Curve(name=name, x_name="iteration", points=tuple(points))


def _by_iteration(name: str, judged: list[Judged], ledger: ErrorLedger, last: int) -> Table:
    """Solved at each iteration under each policy, a mean over replicates, and both countings of the change."""
    runs = len(judged) / len({j.item.task_id for j in judged})

    def solved(choose: Policy, i: int) -> Cell:
        return round(sum(j.solved(choose(j, i)) for j in judged) / runs, 2)

    rows: list[tuple[Cell, ...]] = []
    for i in range(last + 1):
        step = ledger.steps[i - 1] if i else None
        rows.append(
            (
                i,
                *(solved(choose, i) for choose in POLICIES.values()),
                step and step.fixed,
                step and step.first_time_fixed,
                step and step.broken,
                step and step.plain_change,
                step and step.first_time_change,
                step and share(step.fix_rate),
                step and share(step.break_rate),
            )
        )
    columns = (
        "iteration",
        *(f"solved: {policy}" for policy in POLICIES),
        "fixed",
        "first-time fixed",
        "broken",
        "plain change",
        "first-time fixes minus breaks",
        "fixed of the failing",
        "broken of the passing",
    )
    note = (
        "solved: mean over replicates; fixed, broken and changes: counts over all"
        f" {len(judged)} forced trajectories, shares with intervals over tasks; {_counts(name, ledger)}"
    )
    return Table(title=f"{name}: by iteration", columns=columns, rows=tuple(rows), note=note)


def _counts(name: str, ledger: ErrorLedger) -> str:
    passed = ledger.initial.get("passed", 0)
    return f"{name}: of {passed} drafts that passed, {ledger.later_broken} were broken at least once when refined on."

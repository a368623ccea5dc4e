"""The code of every iteration judged on all tests, and what a loop would have returned under other rules."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ...modules.program import rank
from ...modules.programs import is_green
from ...runtime.attempt import Attempt
from ...runtime.budget import Usage
from ...runtime.task import Task
from ..check import check
from ..scores import Scores, TaskScore
from ..statistics import Interval
from ..transitions import PASSED, ErrorLedger, Step, error_ledger
from .result import EMPTY, Table


@dataclass(frozen=True, slots=True)
class Judged:
    """One (task, replicate) with the class of every attempt on all tests of the task.

    Attributes:
        item: What scoring yielded.
        classes: One class for each attempt: "passed", "wrong answer", "NameError", ….
    """

    item: TaskScore
    classes: tuple[str, ...]

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts, in order."""
        return self.item.trajectory.attempts

    @property
    def first_green(self) -> int | None:
        """Index of the first attempt with which a loop that stops would have stopped."""
        return next((i for i, attempt in enumerate(self.attempts) if is_green(attempt)), None)

    def solved(self, index: int) -> float:
        """Whether this attempt's code passes all tests, as 1.0 or 0.0."""
        return float(self.classes[index] == PASSED)

    def usage(self, last: int) -> Usage:
        """Compute of the attempts up to this one."""
        return sum((attempt.usage for attempt in self.attempts[: last + 1]), Usage())


def judge(scores: Scores, tasks: Sequence[Task], concurrency: int = 4) -> list[Judged]:
    """Run every attempt's code on all tests of its task; what was run before is not run again.

    Raises:
        SandboxError: The sandbox itself failed.
    """
    by_id: Mapping[str, Task] = {task.task_id: task for task in tasks}

    def one(item: TaskScore) -> Judged:
        classes: list[str] = []
        for attempt in item.trajectory.attempts:
            execution = check(by_id[item.task_id], attempt.code, tests="all")
            classes.append(execution.error_class)
        return Judged(item, tuple(classes))

    with ThreadPoolExecutor(max_workers=max(1, concurrency), thread_name_prefix="greenloop-judge") as pool:
        futures = [pool.submit(contextvars.copy_context().run, one, item) for item in scores.items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def stopped(j: Judged, iteration: int) -> int:
    """Index of the attempt where a loop that stops when green has ended by this iteration."""
    last = min(iteration, len(j.attempts) - 1)
    return last if j.first_green is None else min(last, j.first_green)


def forced(j: Judged, iteration: int) -> int:
    """Index of the attempt where a loop that never stops is at this iteration."""
    return min(iteration, len(j.attempts) - 1)


def best_by_steering(j: Judged, last: int) -> int:
    """Index of the best attempt up to `last` by the steering tests; the earliest of equals."""
    return max(range(last + 1), key=lambda i: (rank(j.attempts[i].execution), -i))


def outcomes_at(
    judged: Sequence[Judged], choose: Callable[[Judged, int], int], iteration: int
) -> dict[str, list[float]]:
    """Task → outcomes of its replicates, if the attempt that `choose` names had been returned at this iteration."""
    table: dict[str, list[float]] = {}
    for j in judged:
        table.setdefault(j.item.task_id, []).append(j.solved(choose(j, iteration)))
    return table


def ledger_of(judged: Sequence[Judged], level: float = 0.95) -> ErrorLedger:
    """The error ledger of all attempts, clustered by task."""
    return error_ledger([j.classes for j in judged], [j.item.task_id for j in judged], level)


def share(rate: Interval | None) -> str:
    """A rate with its interval for a table; a dash where there is nothing to take a share of."""
    if rate is None:
        return EMPTY
    return f"{100 * rate.estimate:.0f} % ({100 * rate.low:.0f}–{100 * rate.high:.0f})"


def transition_table(title: str, step: Step) -> Table:
    """One iteration's transitions as a matrix: rows before, columns after."""
    before = sorted({a for a, _ in step.matrix}, key=lambda name: (name != PASSED, name))
    after = sorted({b for _, b in step.matrix}, key=lambda name: (name != PASSED, name))
    rows = tuple((a, *(step.matrix.get((a, b), 0) for b in after)) for a in before)
    note = (
        f"{step.fixed} fixed ({step.first_time_fixed} for the first time), {step.broken} broken,"
        f" {step.unchanged} of the same class as before, of {step.n}; fixed of the failing {share(step.fix_rate)},"
        f" broken of the passing {share(step.break_rate)} (intervals over tasks)"
    )
    return Table(title=title, columns=("from \\ to", *after), rows=rows, kind="matrix", note=note)

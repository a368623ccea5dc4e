"""What the statistics take: outcomes by task, checked once and turned into arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError

Outcomes = Mapping[str, Sequence[float]]
"""Task id → the outcomes of its replicates, each in [0, 1]; booleans are welcome."""

_BINARY = frozenset((0, 1))


def task_means(outcomes: Outcomes) -> NDArray[np.float64]:
    """Each task's mean over its replicates, in the mapping's order.

    Raises:
        UsageError: No task, a task without a replicate, or an outcome outside [0, 1].
    """
    if not outcomes:
        raise UsageError("no tasks: outcomes of at least one task are needed")
    means: list[float] = []
    for task_id, replicates in outcomes.items():
        if len(replicates) == 0:
            raise UsageError(f"task {task_id!r} has no replicate; leave it out or score it")
        if not _BINARY.issuperset(replicates):
            for value in replicates:
                if not 0.0 <= float(value) <= 1.0:
                    raise UsageError(f"task {task_id!r} has the outcome {value!r}; outcomes lie in [0, 1]")
        means.append(math.fsum(replicates) / len(replicates))
    return np.asarray(means, dtype=np.float64)


def replicates_per_task(outcomes: Outcomes) -> float:
    """Harmonic mean of the number of replicates: what the spread of the task means depends on."""
    return len(outcomes) / math.fsum(1 / len(values) for values in outcomes.values())


def all_binary(outcomes: Outcomes) -> bool:
    """Whether every outcome is 0 or 1."""
    return all(map(_BINARY.issuperset, outcomes.values()))


def task_differences(a: Outcomes, b: Outcomes) -> NDArray[np.float64]:
    """Task means of `a` minus those of `b`, matched by task id.

    Raises:
        UsageError: The two were not scored on the same tasks; the message names some of the difference.
    """
    if unmatched := sorted(set(a) ^ set(b)):
        shown = ", ".join(unmatched[:3]) + (" …" if len(unmatched) > 3 else "")
        raise UsageError(
            f"{len(unmatched)} tasks are in only one of the two: {shown}; compare on the same tasks"
        )
    return task_means(a) - task_means({task_id: b[task_id] for task_id in a})


def check_level(level: float) -> float:
    """The confidence level, if it is one.

    Raises:
        UsageError: The level is not strictly between 0 and 1.
    """
    if not 0.0 < level < 1.0:
        raise UsageError(f"level {level!r} is not between 0 and 1; 0.95 is usual")
    return level


def in_points(fraction: float) -> str:
    """A difference as signed points, `+3.1`."""
    return f"{100 * fraction:+.1f}"


def p_text(p: float) -> str:
    """A p value for reading."""
    return "p < .001" if p < 0.001 else f"p = {p:.3f}"

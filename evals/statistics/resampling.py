"""What plain resampling solves: pass@k."""

from __future__ import annotations

import math

from ...errors import UsageError
from .intervals import Interval, clustered_interval
from .units import Outcomes, all_binary, task_means


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased chance that at least one of k draws solves a task, from c solved of n draws.

    Args:
        n: Draws made.
        c: Draws that solved the task.
        k: Draws that a user would make, at most n.

    Assumes: draws are independent given the task (fresh seeds).

    Raises:
        UsageError: k > n, c > n, k < 1, or a negative count.

    Source: Chen et al. 2021, arXiv 2107.03374: 1 − C(n − c, k) / C(n, k).

    Example:
        >>> pass_at_k(5, 1, 2)
        0.4
    """
    if n < 1 or not 0 <= c <= n:
        raise UsageError(f"{c} solved of {n} draws are impossible")
    if not 1 <= k <= n:
        raise UsageError(
            f"pass@{k} cannot be estimated from {n} draws; k lies between 1 and the number of draws"
        )
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def pass_at_k_interval(outcomes_by_task: Outcomes, k: int, level: float = 0.95) -> Interval:
    """The mean of pass@k over tasks, and an interval for it.

    This is the row "same number of calls, no feedback": resample k times, keep what solves. That it can be
    kept supposes a judge that recognises a solution; against visible tests only, score a real `Resample`
    program.

    Args:
        outcomes_by_task: Task id → outcomes of its independent draws, 0 or 1.
        k: Draws that a user would make; at most the draws of the task with the fewest.
        level: Nominal coverage.

    Raises:
        UsageError: As `pass_at_k`, or outcomes other than 0 and 1.

    Example:
        >>> round(pass_at_k_interval({"a": [1, 0, 0], "b": [0, 0, 0]}, k=2).estimate, 3)
        0.333
    """
    task_means(outcomes_by_task)
    if not all_binary(outcomes_by_task):
        raise UsageError("pass@k takes outcomes of 0 and 1")
    shares = {
        task_id: [pass_at_k(len(values), round(math.fsum(map(float, values))), k)]
        for task_id, values in outcomes_by_task.items()
    }
    found = clustered_interval(shares if k > 1 else outcomes_by_task, level)
    draws = min(len(values) for values in outcomes_by_task.values())
    method = f"pass@{k}, {found.method}"
    return Interval(found.estimate, found.low, found.high, level, found.n, float(draws), method)

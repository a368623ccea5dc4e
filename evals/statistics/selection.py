"""The winner's curse: how much the best of several equal candidates seems better than it is."""

from __future__ import annotations

import numpy as np
from scipy import stats

from ...errors import UsageError


def best_of_optimism(
    candidates: int, tasks: int, replicates: int = 1, *, rate: float = 0.5, correlation: float = 0.67
) -> float:
    """Expected score of the best of M equally good candidates, above their true rate, in points.

    What a search's own score of its winner is too high by, where no candidate is really better; the reason why a winner
    is re-run on fresh replicates before it is believed.

    Args:
        candidates: Candidates that were scored, at least 1.
        tasks: Tasks that each was scored on.
        replicates: Replicates per task.
        rate: True rate of every candidate, in (0, 1).
        correlation: Of replicates within a task, in [0, 1): how much tasks differ in difficulty.

    Returns:
        Points (100 points are a rate of 1); 0 for one candidate.

    Raises:
        UsageError: A number is out of its range.

    Assumptions: candidates share the tasks and their difficulties, which follow a beta distribution (read at its
    quantiles); draws are independent given the difficulty. The distribution of the number solved is then exact (a
    Poisson binomial), and so is the mean of its maximum.

    Grows like one over the square root of the tasks: at a rate of 85 % and a correlation of .54 it is 2.2, 3.5 and 4.6
    points for 5, 20 and 100 candidates on 164 tasks, and 4.3, 6.7 and 8.8 on 40.

    Source: order statistics, E[max] = Σ x·(F(x)^M − F(x−1)^M); the beta model as in `power`.

    Example:
        >>> best_of_optimism(1, 164)
        0.0
        >>> best_of_optimism(100, 164, rate=0.85) > 3 * best_of_optimism(100, 164, 10, rate=0.85)
        True
    """
    for name, value in (("candidates", candidates), ("tasks", tasks), ("replicates", replicates)):
        if value < 1:
            raise UsageError(f"{name} must be at least 1, got {value}")
    if tasks * replicates > 20_000:
        raise UsageError(f"tasks × replicates may be 20,000 at most, got {tasks * replicates:,}")
    if not 0 < rate < 1 or not 0 <= correlation < 1:
        raise UsageError(f"rate lies in (0, 1) and correlation in [0, 1), got {rate:g} and {correlation:g}")
    if candidates == 1:
        return 0.0
    quantiles = (np.arange(tasks) + 0.5) / tasks
    difficulty = np.full(tasks, rate)
    if correlation:
        scale = 1 / correlation - 1
        difficulty = np.asarray(stats.beta.ppf(quantiles, rate * scale, (1 - rate) * scale), dtype=np.float64)
    chances = np.ones(1)
    for p in np.repeat(difficulty, replicates):
        chances = np.append(chances * (1 - p), 0.0) + np.append(0.0, chances * p)
    below = np.minimum(np.cumsum(chances), 1.0) ** candidates
    counts = np.arange(len(chances))
    best = float((counts * np.diff(below, prepend=0.0)).sum())
    return 100 * (best / replicates / tasks - float(difficulty.mean()))

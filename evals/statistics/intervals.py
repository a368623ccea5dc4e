"""Intervals of one rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from ...errors import UsageError
from .units import Outcomes, all_binary, check_level, replicates_per_task, task_means

_CAUTION = 0.5
"""Weight, in tasks, of the assumption that replicates agree entirely; see `clustered_interval`."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate with its interval.

    Attributes:
        estimate: The rate, in [0, 1].
        low: Lower limit, in [0, 1].
        high: Upper limit, in [0, 1].
        level: Nominal coverage.
        n: Tasks (for `wilson`: trials).
        replicates: Replicates per task; the harmonic mean where tasks differ.
        method: How the limits were found.
    """

    estimate: float
    low: float
    high: float
    level: float
    n: int
    replicates: float
    method: str

    def __str__(self) -> str:
        return (
            f"{100 * self.estimate:.1f} % ({100 * self.level:g} % interval {100 * self.low:.1f} to "
            f"{100 * self.high:.1f} %, n = {self.n}, {self.method})"
        )


def wilson(successes: int, trials: int, level: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion.

    Args:
        successes: How many of the trials succeeded.
        trials: Independent trials. Replicates of one task are not independent: use `clustered_interval`
            there.
        level: Nominal coverage.

    Raises:
        UsageError: No trial, or more successes than trials, or fewer than none.

    Source: Wilson 1927, by `statsmodels.stats.proportion.proportion_confint`.

    Example:
        >>> print(wilson(17, 60))
        28.3 % (95 % interval 18.5 to 40.8 %, n = 60, Wilson)
    """
    check_level(level)
    if trials < 1:
        raise UsageError("no trials: a rate needs at least one")
    if not 0 <= successes <= trials:
        raise UsageError(f"{successes} successes of {trials} trials are impossible")
    limits: Any = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
    rate = successes / trials
    return Interval(
        rate, min(float(limits[0]), rate), max(float(limits[1]), rate), level, trials, 1.0, "Wilson"
    )


def clustered_interval(outcomes_by_task: Outcomes, level: float = 0.95) -> Interval:
    """The mean over tasks of the task's mean over its replicates, and an interval for it.

    The interval is about tasks *like these*: both the choice of tasks and the luck of the replicates are in
    it.

    Method: Wilson's score interval at the effective number of tasks. The spread of the task means, as a
    share of what tasks whose replicates all agree would show, says how much the replicates add: n tasks
    count as n / share independent trials, between n and n × replicates, and the quantile is Student's (n −
    1 degrees of freedom). At rates near 0 or 1 that spread rests on a handful of tasks and is often too
    small by chance, so the share is averaged with 1 ("replicates agree entirely") at the weight of half a
    task against the 4·n·rate·(1 − rate) tasks that inform it. One binary replicate a task gives exactly
    Wilson's interval. All solved or none solved gives Wilson's interval of n tasks, however many the
    replicates.

    Measured on beta-distributed task difficulty, 5 replicates, correlation within the task .1 to .7: nominal 95 %
    covers 93 to 97 % for n = 30 to 164 at rates from 10 to 90 %. Nearer to 0 and 1 it covers 92 to 98 %, mostly on
    the wide side; the plain t interval over task means falls to 64 % there.

    Args:
        outcomes_by_task: Task id → outcomes of its replicates, each in [0, 1].
        level: Nominal coverage.

    Assumes: tasks are independent draws of the tasks of interest; the number of replicates of a task does not
    depend on their outcomes.

    Raises:
        UsageError: No task, a task without a replicate, an outcome outside [0, 1], an impossible level.

    Source: the design effect of Kish 1965 in Wilson's interval, compared with its rivals for clustered
    samples in Dean and Pagano, *J. Surv. Stat. Methodol.* 3 (2015) 484; clustering as in Miller, arXiv
    2411.00640.

    Example:
        >>> interval = clustered_interval({"a": [1, 1, 0], "b": [0, 0, 0], "c": [1, 1, 1]})
        >>> round(interval.estimate, 3)
        0.556
    """
    check_level(level)
    means = task_means(outcomes_by_task)
    n, rate, replicates = len(means), float(means.mean()), replicates_per_task(outcomes_by_task)
    binary = all_binary(outcomes_by_task)
    if binary and replicates == 1:
        return _plain(means, level)
    observed = float(np.var(means, ddof=1)) if n > 1 else 0.0
    share = _share(rate, n, n, observed, 1 / replicates if binary else 0.0)
    low, high = _score_limits(rate, n / share, _quantile(n, level))
    return Interval(rate, low, high, level, n, replicates, "clustered Wilson")


def pooled_interval(outcomes_by_task: Outcomes, level: float = 0.95) -> Interval:
    """The mean over *runs*, and an interval for it that knows which runs are of one task.

    For a share of runs that not every task has as many of: how many of the runs that passed their visible tests are not
    solved, how many of the failing pieces of code were fixed. A task counts by its number of runs; where every task has
    as many, this is `clustered_interval`.

    Method: as `clustered_interval`, with the linearised variance of a ratio for the spread, and Kish's effective number
    of tasks, (Σ m)² / Σ m² for m runs of a task, in place of their number.

    Measured on beta-distributed difficulty with 0 to 5 runs a task, correlation .3 and .67: nominal 95 % covers 93 to
    98 % for 30 to 164 tasks at shares from 10 to 85 %. Wilson's interval of the runs covers 74 to 88 % there.

    Args:
        outcomes_by_task: Task id → outcomes of its runs, each in [0, 1]; tasks without such a run are left out.
        level: Nominal coverage.

    Assumes: tasks are independent; those with many runs are not otherwise unlike the rest.

    Raises:
        UsageError: As `clustered_interval`.

    Source: the ratio estimator and the design effect of Kish 1965, in Wilson's interval.

    Example:
        >>> found = pooled_interval({"a": [1, 1, 0, 1], "b": [0]})
        >>> round(found.estimate, 2), found.n
        (0.6, 2)
    """
    check_level(level)
    means = task_means(outcomes_by_task)
    sizes = np.asarray([len(values) for values in outcomes_by_task.values()], dtype=np.float64)
    n, runs = len(means), float(sizes.sum())
    if runs == n and all_binary(outcomes_by_task):
        return _plain(means, level)
    rate = min(1.0, max(0.0, float((sizes * means).sum()) / runs))
    low, high = _score_limits(rate, effective_trials(outcomes_by_task), _quantile(n, level))
    return Interval(rate, low, high, level, n, runs / n, "clustered Wilson, by runs")


def effective_trials(outcomes_by_task: Outcomes) -> float:
    """How many independent trials the runs of all tasks are worth, between the number of tasks and that of runs.

    See `pooled_interval`, whose interval is Wilson's of so many trials.
    """
    means = task_means(outcomes_by_task)
    sizes = np.asarray([len(values) for values in outcomes_by_task.values()], dtype=np.float64)
    n, runs, squares = len(means), float(sizes.sum()), float((sizes**2).sum())
    rate, tasks = float((sizes * means).sum()) / runs, runs**2 / squares
    observed = float((sizes**2 * (means - rate) ** 2).sum()) / squares * n / (n - 1) if n > 1 else 0.0
    least = tasks / runs if all_binary(outcomes_by_task) else 0.0
    return tasks / _share(rate, n, tasks, observed, least)


def _plain(means: NDArray[np.float64], level: float) -> Interval:
    return wilson(round(float(means.sum())), len(means), level)


def _share(rate: float, n: int, tasks: float, observed: float, least: float) -> float:
    """Variance between tasks as a share of what tasks whose runs all agree would show; see `clustered_interval`."""
    spread = rate * (1 - rate)
    if n < 2 or spread <= 0:
        return 1.0
    informing = 4 * tasks * spread
    return (informing * min(1.0, max(observed / spread, least)) + _CAUTION) / (informing + _CAUTION)


def _quantile(n: int, level: float) -> float:
    return float(stats.t.ppf((1 + level) / 2, n - 1) if n > 1 else stats.norm.ppf((1 + level) / 2))


def _score_limits(rate: float, trials: float, quantile: float) -> tuple[float, float]:
    """Wilson's limits for a number of trials that need not be whole."""
    weight = quantile**2 / trials
    centre = (rate + weight / 2) / (1 + weight)
    half = quantile * float(np.sqrt(rate * (1 - rate) / trials + weight / (4 * trials))) / (1 + weight)
    return min(max(0.0, centre - half), rate), max(min(1.0, centre + half), rate)

"""What a planned comparison can show."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from ...errors import UsageError

_GRID = 4_000
"""Quantiles that stand for the distribution of task difficulty."""

_LEAST = 1e-5
"""Smallest difference that is looked at."""

MOST_TASKS = 100_000
"""Tasks of a plan; more are no question of power."""


@dataclass(frozen=True, slots=True)
class Power:
    """The power of a comparison that is still to be made.

    Attributes:
        difference_points: The true difference assumed, in points.
        tasks: Tasks.
        replicates: Replicates per task of each program.
        power: Chance that the paired test shows the difference.
        detectable_points: Smallest difference that is shown with the chance `target`; None if there is none
            below a rate of 100 %, 0 if chance alone shows as much.
        unpaired: Chance that a test which forgets the pairing shows the same difference.
        test: `exact McNemar` at one replicate, else `paired over task means`.
        rate: Rate assumed of the weaker program.
        correlation: Correlation of replicates within a task assumed.
        alpha: Level of the test, two-sided.
        target: Power that `detectable_points` refers to.
    """

    difference_points: float
    tasks: int
    replicates: int
    power: float
    detectable_points: float | None
    unpaired: float
    test: str
    rate: float
    correlation: float
    alpha: float
    target: float

    def __str__(self) -> str:
        smallest = "none" if self.detectable_points is None else f"{self.detectable_points:.1f} points"
        return (
            f"{self.difference_points:g} points on {self.tasks} tasks, {self.replicates} replicate"
            f"{'s' * (self.replicates > 1)} each: power {self.power:.2f} ({self.test}; {self.unpaired:.2f} "
            f"unpaired); smallest difference shown with power {self.target:g}: {smallest}; assumed: rate "
            f"{100 * self.rate:g} %, correlation within a task {self.correlation:g}"
        )


def power(
    difference_points: float,
    tasks: int,
    replicates: int = 1,
    *,
    rate: float = 0.5,
    correlation: float = 0.67,
    alpha: float = 0.05,
    target: float = 0.8,
) -> Power:
    """Power of the paired test, and the smallest difference that it can show.

    Model: the weaker program's chance on a task is drawn from a beta distribution with mean `rate` and
    variance correlation · rate · (1 − rate); the better one's is the same, shifted on the logit scale by
    one amount for all tasks, so that the rates differ by the difference. The correlation is 0.67 for
    llama3.2:3b and 0.71 for qwen2.5-coder:3b, fitted to the pass@k of five runs on HumanEval; refit it on
    your own data. If programs differ in *which* tasks they solve, real power is lower.

    Args:
        difference_points: True difference in points (3 is 3 %, of 0.50 and 0.53); its sign does not matter.
        tasks: Tasks, the same for both programs.
        replicates: Replicates per task of each program; independent seeds.
        rate: Rate of the weaker program, in (0, 1); power is lowest at 0.5.
        correlation: Of replicates within a task, in (0, 1).
        alpha: Level of the two-sided test.
        target: Power for the smallest detectable difference.

    Raises:
        UsageError: A number outside its range, or a difference that leads beyond 100 %.

    Source: exact McNemar by summing over the discordant tasks; else the noncentral t over
    task means; the setting follows Miller, arXiv 2411.00640.

    Example:
        >>> result = power(3, tasks=164, replicates=5, rate=0.8)
        >>> 0.6 < result.power < 0.8
        True
    """
    _check(tasks, replicates, rate=rate, correlation=correlation, alpha=alpha, target=target)
    gain = abs(difference_points) / 100
    if not 0 < gain < 1 - rate:
        raise UsageError(
            f"a difference of {difference_points:g} points is impossible above a rate of {100 * rate:g} %; "
            "it must not be 0 and must stay below 100 %"
        )
    scale = 1 / correlation - 1
    quantiles = (np.arange(_GRID) + 0.5) / _GRID
    chances = np.asarray(stats.beta.ppf(quantiles, rate * scale, (1 - rate) * scale), dtype=np.float64)
    chances = np.clip(chances, 1e-12, 1 - 1e-12)  # so that any task can be shifted to any chance
    plan = _Plan(chances, tasks, replicates, alpha)
    return Power(
        difference_points=difference_points,
        tasks=tasks,
        replicates=replicates,
        power=plan.paired(gain),
        detectable_points=plan.detectable(target),
        unpaired=plan.unpaired(gain),
        test="exact McNemar" if replicates == 1 else "paired over task means",
        rate=rate,
        correlation=correlation,
        alpha=alpha,
        target=target,
    )


def _check(tasks: int, replicates: int, **fractions: float) -> None:
    if not 2 <= tasks <= MOST_TASKS or replicates < 1:
        raise UsageError(
            f"{tasks} tasks with {replicates} replicates: 2 to {MOST_TASKS:,} tasks and at least 1 replicate"
            " are needed"
        )
    for name, value in fractions.items():
        if not 0.0 < value < 1.0:
            raise UsageError(f"{name} {value!r} is not between 0 and 1")


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    found: Any = optimize.brentq(function, low, high, xtol=1e-9)
    return float(found)


class _Plan:
    """The model of `power` for one set of task chances."""

    def __init__(self, chances: NDArray[np.float64], tasks: int, replicates: int, alpha: float) -> None:
        self.chances = chances
        self.tasks = tasks
        self.replicates = replicates
        self.alpha = alpha

    def shifted(self, gain: float) -> NDArray[np.float64]:
        """The better program's chances: one shift on the logit scale, of the mean `gain`."""
        p = self.chances

        def at(log_odds: float) -> NDArray[np.float64]:
            odds = math.exp(log_odds)
            return p * odds / (1 - p + p * odds)

        def excess(log_odds: float) -> float:
            return float(at(log_odds).mean() - p.mean()) - gain

        return at(_root(excess, 0.0, 60.0))

    def paired(self, gain: float) -> float:
        """Power of the paired test."""
        better = self.shifted(gain)
        if self.replicates == 1:
            return self._mcnemar(better)
        df, noncentrality = self.tasks - 1, gain * math.sqrt(self.tasks / self._variance(better))
        bar = float(stats.t.ppf(1 - self.alpha / 2, df))
        wrong_way = float(stats.nct.sf(bar, df, -noncentrality)) if noncentrality < 4 else 0.0
        return float(stats.nct.sf(bar, df, noncentrality)) + wrong_way

    def unpaired(self, gain: float) -> float:
        """Chance that two intervals made as if on different tasks show the gain."""
        better = self.shifted(gain)
        seen = sum(
            float(np.var(chances)) + float((chances * (1 - chances)).mean()) / self.replicates
            for chances in (self.chances, better)
        )
        bar = float(stats.norm.ppf(1 - self.alpha / 2)) * math.sqrt(seen)
        true_sd = math.sqrt(self._variance(better))
        shift = gain * math.sqrt(self.tasks)
        return float(stats.norm.sf((bar - shift) / true_sd) + stats.norm.cdf((-bar - shift) / true_sd))

    def detectable(self, target: float) -> float | None:
        """Smallest difference in points whose power is the target."""
        ceiling = 0.999 * (1 - float(self.chances.mean()))
        if self.paired(ceiling) < target:
            return None
        if (
            self.paired(_LEAST) >= target
        ):  # chance alone shows as much: the target is at the test's level or below it
            return 0.0

        def excess(gain: float) -> float:
            return self.paired(gain) - target

        return 100 * _root(excess, _LEAST, ceiling)

    def _variance(self, better: NDArray[np.float64]) -> float:
        """Variance of one task's difference of means."""
        p = self.chances
        seeds = float((p * (1 - p) + better * (1 - better)).mean()) / self.replicates
        return seeds + float(np.var(better - p))

    def _mcnemar(self, better: NDArray[np.float64]) -> float:
        """Exact power: over the number of discordant tasks, then over how they fall."""
        p = self.chances
        only_better, only_weaker = float((better * (1 - p)).mean()), float((p * (1 - better)).mean())
        discordant = only_better + only_weaker
        numbers = np.arange(self.tasks + 1)
        weights = stats.binom.pmf(numbers, self.tasks, discordant)
        # The largest count of the rarer side that still rejects; -1 where no count does.
        limit = stats.binom.ppf(self.alpha / 2, numbers, 0.5)
        limit = np.where(stats.binom.cdf(limit, numbers, 0.5) > self.alpha / 2, limit - 1, limit)
        share = only_better / discordant
        rejected = stats.binom.cdf(limit, numbers, share) + stats.binom.sf(
            numbers - limit - 1, numbers, share
        )
        return float((weights * np.where(limit >= 0, rejected, 0.0)).sum())

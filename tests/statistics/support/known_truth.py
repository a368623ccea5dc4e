"""Programs with a known truth: beta-distributed task difficulty, binary replicates."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def chances(rng: np.random.Generator, rate: float, correlation: float, shape: tuple[int, ...]) -> Array:
    """Chances of tasks with the mean `rate` and the correlation of replicates within a task."""
    scale = 1 / correlation - 1
    return rng.beta(rate * scale, (1 - rate) * scale, size=shape)


def shifted(p: Array, rate: float, correlation: float, gain: float) -> Array:
    """Chances of a better program: one logit shift for all tasks, of the mean `gain`."""
    return shift(p, _log_odds(rate, correlation, gain))


@cache
def _log_odds(rate: float, correlation: float, gain: float) -> float:
    many = chances(np.random.default_rng(99), rate, correlation, (200_000,))
    low, high = 0.0, 10.0
    for _ in range(50):
        middle = (low + high) / 2
        if float(shift(many, middle).mean() - many.mean()) < gain:
            low = middle
        else:
            high = middle
    return low


def shift(p: Array, log_odds: float) -> Array:
    """Chances moved on the logit scale."""
    odds = np.exp(log_odds)
    return p * odds / (1 - p + p * odds)


def outcomes(solved: NDArray[np.int64], replicates: int) -> dict[str, list[int]]:
    """Task id to outcomes, from counts of solved replicates."""
    return {f"t{i}": [1] * int(c) + [0] * (replicates - int(c)) for i, c in enumerate(solved)}

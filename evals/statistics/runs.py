"""Rows of whole runs, as papers print them: "mean ± SD of 5 runs"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...errors import UsageError
from .units import check_level, p_text


@dataclass(frozen=True, slots=True)
class Welch:
    """The difference between the means of two rows of runs, in the unit of the rows.

    Attributes:
        difference: Mean of the first minus mean of the second.
        low: Lower limit of the interval.
        high: Upper limit.
        t: Welch's t.
        df: Degrees of freedom (Welch and Satterthwaite).
        p: Two-sided p value.
        level: Nominal coverage of the interval.
        n: Runs of the first and of the second.
    """

    difference: float
    low: float
    high: float
    t: float
    df: float
    p: float
    level: float
    n: tuple[int, int]

    def __str__(self) -> str:
        return (
            f"{self.difference:+.3g} ({100 * self.level:g} % interval {self.low:+.3g} to {self.high:+.3g}, "
            f"Welch t = {self.t:.2f} on {self.df:.1f} degrees of freedom, {p_text(self.p)}, "
            f"{self.n[0]} against {self.n[1]} runs)"
        )


def runs_array(values: Sequence[float]) -> NDArray[np.float64]:
    """A row of at least two finite totals.

    Raises:
        UsageError: Fewer than two runs, or a total that is no finite number.
    """
    row = np.asarray(values, dtype=np.float64)
    if row.ndim != 1 or len(row) < 2:
        raise UsageError("a row needs at least two runs to show its spread")
    if not np.isfinite(row).all():
        raise UsageError("a run's total is not a finite number")
    return row


def welch(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> Welch:
    """Welch's unequal-variances t test of two rows of runs.

    It is about *these tasks*: only the luck of the runs is in it, not the choice of tasks. Where outcomes
    by task exist, `paired_difference` says more.

    Args:
        a: One total (or rate) for each run of the first program.
        b: The same for the second; any unit, the same for both.
        level: Nominal coverage of the interval.

    Assumes: runs are independent and roughly normal.

    Raises:
        UsageError: Fewer than two runs in a row, or two constant rows (no spread to judge by).

    Source: Welch 1947, by `scipy.stats.ttest_ind(equal_var=False)`.

    Example:
        >>> evolved_against_refine = welch([102, 93, 98, 98, 100], [98, 92, 95, 91, 94])
        >>> round(evolved_against_refine.t, 2), round(evolved_against_refine.df, 1)
        (2.17, 7.7)
    """
    check_level(level)
    first, second = runs_array(a), runs_array(b)
    if math.isclose(float(np.ptp(first)), 0.0) and math.isclose(float(np.ptp(second)), 0.0):
        raise UsageError("neither row varies: identical runs have no spread to judge a difference by")
    result: Any = stats.ttest_ind(first, second, equal_var=False)
    limits = result.confidence_interval(level)
    return Welch(
        difference=float(first.mean() - second.mean()),
        low=float(limits.low),
        high=float(limits.high),
        t=float(result.statistic),
        df=float(result.df),
        p=float(result.pvalue),
        level=level,
        n=(len(first), len(second)),
    )

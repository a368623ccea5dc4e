"""Claims of equality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

from ...errors import UsageError
from .runs import runs_array
from .units import Outcomes, p_text, replicates_per_task, task_differences


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Whether two programs differ by less than a margin, in the unit of what was compared.

    Attributes:
        difference: First minus second.
        low: Lower limit of the 1 − 2·alpha interval: within ±margin exactly when `equivalent`.
        high: Upper limit.
        margin: The largest difference that still counts as equal, stated beforehand.
        p: The larger p of the two one-sided tests.
        alpha: Chance of calling programs equal that differ by the margin.
        equivalent: Whether p ≤ alpha.
        n: Tasks; for rows of runs, the runs of the shorter row.
        unit: `tasks` (differences of rates) or `runs` (the unit of the rows).
    """

    difference: float
    low: float
    high: float
    margin: float
    p: float
    alpha: float
    equivalent: bool
    n: int
    unit: str

    def __str__(self) -> str:
        verdict = "equal within" if self.equivalent else "not shown equal within"
        level = f"{100 * (1 - 2 * self.alpha):g} %"
        return (
            f"{verdict} ±{self.margin:g} ({self.difference:+.3g}, {level} interval {self.low:+.3g} to "
            f"{self.high:+.3g}, two one-sided tests, {p_text(self.p)}, n = {self.n} {self.unit})"
        )


def equivalence(
    a: Outcomes | Sequence[float],
    b: Outcomes | Sequence[float],
    margin: float,
    alpha: float = 0.05,
) -> Equivalence:
    """Two one-sided t tests: the only ground on which one program may be said to match another.

    "No significant difference" is none: it holds for any two programs on few enough tasks.

    Args:
        a: Outcomes by task of the first program, or one total for each of its whole runs.
        b: The same kind for the second. Outcomes are matched by task id.
        margin: The largest difference that counts as equal, stated before looking: a fraction (0.03 is three
            points) for outcomes, the unit of the rows for runs.
        alpha: Chance of calling programs equal that in truth differ by the margin.

    Over tasks, two tasks on which one program and then the other leads by one replicate are added, as in
    `paired_difference`: programs that never differed on few tasks are not thereby equal.

    Assumes: task differences (or runs) are independent, and their mean is roughly normal.

    Raises:
        UsageError: A margin that is not positive, mixed kinds, unmatched tasks, fewer than two runs,
            constant rows.

    Source: Schuirmann 1987, by statsmodels' `ttost_paired` and `ttost_ind`.

    Example:
        >>> cross, alone = [93, 89, 95, 97, 94], [98, 92, 95, 91, 94]
        >>> equivalence(cross, alone, margin=3).equivalent
        False
    """
    if not (margin > 0 and math.isfinite(margin)):
        raise UsageError(f"margin {margin!r} is not a positive number; state how much still counts as equal")
    if not 0.0 < alpha < 0.5:
        raise UsageError(f"alpha {alpha!r} is not between 0 and 0.5; 0.05 is usual")
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return _over_tasks(a, b, margin, alpha)
    if isinstance(a, Mapping) or isinstance(b, Mapping):
        raise UsageError("compare outcomes by task with outcomes by task, or runs with runs, not both kinds")
    return _over_runs(runs_array(a), runs_array(b), margin, alpha)


def _over_tasks(a: Outcomes, b: Outcomes, margin: float, alpha: float) -> Equivalence:
    differences = task_differences(a, b)
    step = 1 / min(replicates_per_task(a), replicates_per_task(b))
    padded = np.append(differences, [step, -step])
    p = float(ttost_paired(padded, np.zeros_like(padded), -margin, margin)[0])
    half = float(stats.t.ppf(1 - alpha, len(padded) - 1) * stats.sem(padded))
    centre = float(padded.mean())
    return Equivalence(
        difference=float(differences.mean()),
        low=centre - half,
        high=centre + half,
        margin=margin,
        p=p,
        alpha=alpha,
        equivalent=p <= alpha,
        n=len(differences),
        unit="tasks",
    )


def _over_runs(a: NDArray[np.float64], b: NDArray[np.float64], margin: float, alpha: float) -> Equivalence:
    if math.isclose(float(np.ptp(a)), 0.0) and math.isclose(float(np.ptp(b)), 0.0):
        raise UsageError("neither row varies: identical runs have no spread to judge equality by")
    p = float(ttost_ind(a, b, -margin, margin, usevar="unequal")[0])
    limits = stats.ttest_ind(a, b, equal_var=False).confidence_interval(1 - 2 * alpha)
    return Equivalence(
        difference=float(a.mean() - b.mean()),
        low=float(limits.low),
        high=float(limits.high),
        margin=margin,
        p=p,
        alpha=alpha,
        equivalent=p <= alpha,
        n=min(len(a), len(b)),
        unit="runs",
    )

"""Two programs on the same tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as _mcnemar

from ...errors import UsageError
from .units import Outcomes, check_level, in_points, p_text, replicates_per_task, task_differences, task_means


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The difference between two programs over the same tasks.

    Attributes:
        difference: Rate of the first minus rate of the second, in [-1, 1].
        low: Lower limit of the interval, in [-1, 1].
        high: Upper limit.
        p: Two-sided p value of the permutation test.
        level: Nominal coverage of the interval.
        n: Tasks.
        differing: Tasks on which the two means differ.
        replicates: Replicates per task of the first and of the second.
    """

    difference: float
    low: float
    high: float
    p: float
    level: float
    n: int
    differing: int
    replicates: tuple[float, float]

    def __str__(self) -> str:
        return (
            f"{in_points(self.difference)} points ({100 * self.level:g} % interval {in_points(self.low)} to "
            f"{in_points(self.high)}, {p_text(self.p)}, n = {self.n} tasks, {self.differing} differ)"
        )


def paired_difference(
    a: Outcomes,
    b: Outcomes,
    level: float = 0.95,
    *,
    n_resamples: int = 9_999,
    rng: int | np.random.Generator = 0,
) -> PairedDifference:
    """Rate of `a` minus rate of `b` on the same tasks, with an interval and a p value.

    p: a permutation test that swaps the two programs' means within tasks (exact when few tasks differ).
    With one replicate it is McNemar's exact test.
    Interval: a percentile bootstrap over tasks, its tails moved out so that its length is right on few tasks
    (Hesterberg's expanded percentile), with two more tasks added on which one program and then the other
    leads by one replicate. Without them the interval is far too short, or a point, where few tasks differ;
    with one replicate they do what Agresti and Min do for matched pairs.

    Measured with beta-distributed difficulty, 5 replicates, rates of 50 and 85 %: nominal 95 % covers 92 to
    98 % at n = 30 to 164; at a rate of 5 %, or with one replicate on 30 tasks, it is wide (up to 100 %).
    BCa falls to 35 % there.

    Args:
        a: Task id → outcomes of the first program's replicates, each in [0, 1].
        b: The same for the second. The same tasks; the number of replicates may differ.
        level: Nominal coverage of the interval.
        n_resamples: Resamples of bootstrap and permutation; p is at least 1 / (n_resamples + 1).
        rng: Seed or generator: the same seed gives the same result.

    Assumes: tasks are independent; the winner was not picked on these very outcomes.

    Raises:
        UsageError: Unmatched or empty tasks, outcomes outside [0, 1], an impossible level.

    Source: scipy's `permutation_test` and `bootstrap`; Hesterberg, *Am. Stat.* 69 (2015) 371; Agresti and
    Min, *Stat. Med.* 24 (2005) 729.

    Example:
        >>> a = {"t1": [1, 1], "t2": [1, 0], "t3": [1, 1]}
        >>> b = {"t1": [0, 1], "t2": [0, 0], "t3": [1, 1]}
        >>> round(paired_difference(a, b).difference, 3)
        0.333
    """
    check_level(level)
    if n_resamples < 100:
        raise UsageError(f"{n_resamples} resamples are too few; take at least 100")
    differences = task_differences(a, b)
    generator = np.random.default_rng(rng)
    replicates = (replicates_per_task(a), replicates_per_task(b))
    low, high = _expanded_percentile(differences, 1 / min(replicates), level, n_resamples, generator)
    return PairedDifference(
        difference=float(differences.mean()),
        low=low,
        high=high,
        p=_sign_flip(differences, n_resamples, generator),
        level=level,
        n=len(differences),
        differing=int(np.count_nonzero(differences)),
        replicates=replicates,
    )


def _sign_flip(differences: NDArray[np.float64], n_resamples: int, generator: np.random.Generator) -> float:
    """Two-sided p of the permutation test within tasks; tasks without a difference cannot change it."""
    moving = differences[differences != 0]
    if len(moving) < 2:  # with one moving task both signs are equally extreme
        return 1.0
    result = stats.permutation_test(
        (moving,),
        np.mean,
        permutation_type="samples",
        n_resamples=n_resamples,
        vectorized=True,
        batch=1_000,
        rng=generator,
    )
    return float(result.pvalue)


def _expanded_percentile(
    differences: NDArray[np.float64],
    step: float,
    level: float,
    n_resamples: int,
    generator: np.random.Generator,
) -> tuple[float, float]:
    """Limits for the mean difference; `step` is the smallest difference that one replicate makes."""
    n, mean = len(differences), float(differences.mean())
    if n == 1:
        return -1.0, 1.0
    quantile = float(stats.t.ppf((1 + level) / 2, n - 1)) * float(np.sqrt(n / (n - 1)))
    inside = float(1 - 2 * stats.norm.sf(quantile))
    padded = np.append(differences, [step, -step])
    limits = stats.bootstrap(
        (padded,),
        np.mean,
        method="percentile",
        confidence_level=inside,
        n_resamples=n_resamples,
        batch=1_000,
        rng=generator,
    ).confidence_interval
    return min(float(limits.low), mean), max(float(limits.high), mean)


@dataclass(frozen=True, slots=True)
class McNemar:
    """Two programs on the same tasks, one replicate each.

    Attributes:
        only_a: Tasks that only the first solved.
        only_b: Tasks that only the second solved.
        both: Tasks that both solved.
        neither: Tasks that neither solved.
        p: Two-sided p of the exact test.
    """

    only_a: int
    only_b: int
    both: int
    neither: int
    p: float

    def __str__(self) -> str:
        return (
            f"only the first solved {self.only_a}, only the second {self.only_b}, both {self.both}, "
            f"neither {self.neither} ({p_text(self.p)}, exact McNemar)"
        )


def mcnemar(a: Outcomes, b: Outcomes) -> McNemar:
    """McNemar's exact test, for one replicate per task; with more, use `paired_difference`.

    Args:
        a: Task id → one outcome of the first program, 0 or 1.
        b: The same for the second.

    Raises:
        UsageError: Unmatched tasks, more than one replicate, or an outcome other than 0 and 1.

    Source: McNemar 1947, exact form, by `statsmodels.stats.contingency_tables.mcnemar`.

    Example:
        >>> mcnemar({"a": [1], "b": [1]}, {"a": [0], "b": [1]}).only_a
        1
    """
    task_differences(a, b)
    for outcomes in (a, b):
        if any(len(values) != 1 for values in outcomes.values()):
            raise UsageError("McNemar's test takes one replicate per task; use paired_difference for more")
    first, second = task_means(a), task_means({task_id: b[task_id] for task_id in a})
    if not np.isin(np.concatenate([first, second]), (0.0, 1.0)).all():
        raise UsageError("McNemar's test takes outcomes of 0 and 1; use paired_difference for shares")
    x, y = first == 1, second == 1
    both, only_a, only_b = int((x & y).sum()), int((x & ~y).sum()), int((~x & y).sum())
    neither = len(x) - both - only_a - only_b
    if only_a + only_b == 0:
        return McNemar(only_a, only_b, both, neither, 1.0)
    tested: Any = _mcnemar([[both, only_a], [only_b, neither]], exact=True)
    p = float(tested.pvalue)
    return McNemar(only_a, only_b, both, neither, p)

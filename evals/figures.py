"""The honest figure: a rate with everything it must be read with, and the difference of two on the same tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from ..runtime.budget import Usage
from ..runtime.problem import Steering

if TYPE_CHECKING:
    from .statistics import Outcomes


class FalseGreen(BaseModel):
    """How often code passed the tests that steered and was not solved.

    Attributes:
        count: Runs that did.
        green: Runs that passed the tests that steered.
        interval: Interval of count / green, clustered by task (`pooled_interval`); None where nothing was green.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int
    green: int
    interval: tuple[float, float] | None

    @classmethod
    def of(cls, green: Outcomes, level: float = 0.95) -> FalseGreen:
        """Count it from the green runs of each task: 1 where a run is not solved, else 0."""
        from .statistics import pooled_interval

        runs = {task_id: found for task_id, found in green.items() if found}
        interval = pooled_interval(runs, level) if runs else None
        return cls(
            count=round(sum(map(sum, runs.values()))),
            green=sum(map(len, runs.values())),
            interval=interval and (interval.low, interval.high),
        )

    def line(self) -> str:
        """The rate in words, such as "3 of 40 (7.5 %, 2.1–20.0 %)"."""
        if self.interval is None:
            return f"{self.count} of {self.green}"
        low, high = self.interval
        share = f"{100 * self.count / self.green:.1f} %"
        return f"{self.count} of {self.green} ({share}, {100 * low:.1f}–{100 * high:.1f} %)"


def green_runs(items: Iterable[Any]) -> dict[str, list[float]]:
    """Task to its runs that passed the tests that steered: 1 where such a run is a false green, else 0.

    Args:
        items: What has `task_id`, `steering_outcome` and `false_green`.
    """
    table: dict[str, list[float]] = {}
    for item in items:
        if item.steering_outcome == "passed":
            table.setdefault(item.task_id, []).append(float(item.false_green))
    return table


class Figure(BaseModel):
    """What every printed number about quality carries.

    Attributes:
        n: Tasks.
        solved: Tasks solved, the mean over replicates.
        rate: Mean over tasks of the mean over replicates, in [0, 1].
        replicates: Runs of each task.
        interval: Interval of the rate at `level`; the unit is the task's mean over its replicates.
        level: Nominal coverage.
        model_calls: Calls of all runs, as if run alone: a stored call counts.
        tokens_in: Prompt tokens, likewise.
        tokens_out: Answer tokens, likewise.
        model_seconds: Seconds of model time, likewise at first cost.
        steering: Which tests steered.
        tier: The sandbox tier that judged.
        models: Name to digest of the models that were called.
        unverified: Runs whose code met no visible test.
        truncated: Answers that were ended by `max_tokens`.
        false_green: See `FalseGreen`.
        simulated: A simulated model had a part in it: no figure of a real one.
        paper_faithful: It ran in the set-up of *Feedback Over Form*; compare it only with figures that did.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    solved: float
    rate: float
    replicates: int
    interval: tuple[float, float]
    level: float = 0.95
    model_calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    model_seconds: float = 0.0
    steering: Steering = "visible"
    tier: str = ""
    models: dict[str, str] = {}
    unverified: int = 0
    truncated: int = 0
    false_green: FalseGreen | None = None
    simulated: bool = False
    paper_faithful: bool = False

    @classmethod
    def from_outcomes(
        cls,
        outcomes: Outcomes,
        *,
        usage: Usage,
        steering: Steering,
        tier: str,
        models: Mapping[str, str],
        level: float = 0.95,
        unverified: int = 0,
        truncated: int = 0,
        green: Outcomes | None = None,
        simulated: bool = False,
        paper_faithful: bool = False,
    ) -> Figure:
        """The figure of a scoring.

        Args:
            outcomes: Task to the outcomes of its replicates, each in [0, 1].
            usage: As-if compute of all runs.
            steering: Which tests steered.
            tier: The sandbox tier.
            models: Name to digest.
            level: Nominal coverage of the interval.
            unverified: Runs without a visible test.
            truncated: Answers ended by `max_tokens`.
            green: Task to its runs that passed the steering tests: 1 where such a run is not solved, else 0.
            simulated: A simulated model had a part in it.
            paper_faithful: It ran in the paper's set-up.
        """
        from .statistics import clustered_interval

        interval = clustered_interval(outcomes, level)
        rate = interval.estimate
        return cls(
            n=len(outcomes),
            solved=round(rate * len(outcomes), 6),
            rate=rate,
            replicates=max(len(runs) for runs in outcomes.values()),
            interval=(interval.low, interval.high),
            level=level,
            model_calls=usage.calls,
            tokens_in=usage.tokens_in,
            tokens_out=usage.tokens_out,
            model_seconds=round(usage.model_seconds, 3),
            steering=steering,
            tier=tier,
            models=dict(models),
            unverified=unverified,
            truncated=truncated,
            false_green=FalseGreen.of(green or {}, level),
            simulated=simulated,
            paper_faithful=paper_faithful,
        )

    @property
    def solved_of(self) -> str:
        """Tasks solved of all, for a person: to a tenth, where replicates or a curve make it no whole number."""
        return f"{round(self.solved, 1):g}/{self.n}"

    def line(self) -> str:
        """The figure in one line for a person."""
        runs = "1 replicate" if self.replicates == 1 else f"{self.replicates} replicates"
        return (
            f"{self.solved_of} solved ({100 * self.rate:.0f} %, {100 * self.level:.0f} % interval"
            f" {100 * self.interval[0]:.0f}–{100 * self.interval[1]:.0f} %), {runs}, {self.model_calls:,} calls,"
            f" {self.tokens_in + self.tokens_out:,} tokens, {self.model_seconds:.0f} model s, {self.steering} steering,"
            f" sandbox {self.tier}"
            + (", the paper's set-up" if self.paper_faithful else "")
            + (", SIMULATED model" if self.simulated else "")
        )


class Comparison(BaseModel):
    """Two programs on the same tasks: the paired difference.

    Attributes:
        name: The program whose gain it is.
        other: What it is compared with.
        n: Tasks that both were run on.
        points: Mean difference in percentage points, positive where `name` is better.
        interval: Bootstrap interval over tasks, in points.
        level: Nominal coverage.
        p: p value of a permutation test over tasks, two-sided.
        verdict: "better than …", "worse than …", or "not shown better than …".
        p_adjusted: p adjusted over the family of comparisons that were made (`in_one_family`); the verdict is by it
            where it is given. None for a comparison that stands alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    other: str
    n: int
    points: float
    interval: tuple[float, float]
    level: float
    p: float
    verdict: str
    p_adjusted: float | None = None

    @classmethod
    def paired(
        cls,
        outcomes: Mapping[str, Sequence[float]],
        others: Mapping[str, Sequence[float]],
        *,
        name: str,
        other: str,
        level: float = 0.95,
        seed: int = 0,
    ) -> Comparison:
        """Compare by task; both must hold the same tasks.

        Args:
            outcomes: Task to outcomes of the program whose gain it is.
            others: Task to outcomes of the other.
            name: Name of the first in the verdict.
            other: Name of the second.
            level: Nominal coverage; a verdict of better or worse needs p below 1 − level.
            seed: Seed of permutations and bootstrap.
        """
        from .statistics import paired_difference

        difference = paired_difference(dict(outcomes), dict(others), level, rng=seed)
        return cls(
            name=name,
            other=other,
            n=len(outcomes),
            points=100 * difference.difference,
            interval=(100 * difference.low, 100 * difference.high),
            level=level,
            p=difference.p,
            verdict=_verdict(name, other, difference.difference, difference.p, level),
        )

    def line(self) -> str:
        """The comparison in one line for a person."""
        adjusted = "" if self.p_adjusted is None else f", {_p(self.p_adjusted)} after Holm"
        return (
            f"{self.points:+.1f} points ({100 * self.level:.0f} % interval {self.interval[0]:+.1f} to"
            f" {self.interval[1]:+.1f}, {_p(self.p)}{adjusted}, {self.n} tasks): {self.verdict}"
        )


def in_one_family(comparisons: Mapping[str, Comparison]) -> dict[str, Comparison]:
    """The same comparisons with Holm-adjusted p values, and verdicts that go by them.

    Args:
        comparisons: Every comparison that was made to answer one question, by any name.

    Raises:
        UsageError: There is none.
    """
    from .statistics import holm

    adjusted = holm({name: comparison.p for name, comparison in comparisons.items()}).adjusted
    return {
        name: one.model_copy(
            update={
                "p_adjusted": adjusted[name],
                "verdict": _verdict(one.name, one.other, one.points, adjusted[name], one.level),
            }
        )
        for name, one in comparisons.items()
    }


def _verdict(name: str, other: str, difference: float, p: float, level: float) -> str:
    word = "not shown better than"
    if p < 1 - level:
        word = "better than" if difference > 0 else "worse than"
    return f"{name} is {word} {other}"


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"

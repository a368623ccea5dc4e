"""What a search leaves behind beside its choice: costs, the Pareto front, what it saved, what mattered."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from ..errors import UsageError


class Cost(BaseModel):
    """Mean as-if cost of one run (one task, one replicate): what it would cost alone, stored calls at first cost.

    Attributes:
        compute: Parameters × tokens, prompt and answer together; tokens where the models' sizes are not known.
        compute_in: The prompts' part of it.
        compute_out: The answers' part of it.
        seconds: Seconds of model time.
        tokens: Prompt and answer tokens.
        calls: Model calls.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    compute: float
    compute_in: float
    compute_out: float
    seconds: float
    tokens: float
    calls: float


class FrontPoint(BaseModel):
    """A configuration that no other beats in quality and cost at once, on the tuned tasks.

    Attributes:
        settings: The knobs' values by path.
        rate: Mean score on the tuned tasks, in [0, 1]: of fresh replicates where there are some, else of the search,
            and then inflated by selection.
        interval: Its interval at 95 %.
        n: Tasks.
        replicates: Runs of each task behind the rate.
        fresh: The rate is of fresh replicates.
        cost: Mean as-if cost of a run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: dict[str, Any]
    rate: float
    interval: tuple[float, float]
    n: int
    replicates: int
    fresh: bool
    cost: Cost

    def line(self) -> str:
        """In one line for a person."""
        return (
            f"{100 * self.rate:3.0f} % ({100 * self.interval[0]:.0f}–{100 * self.interval[1]:.0f} %, {self.n} tasks ×"
            f" {self.replicates}{'' if self.fresh else ', search score'}), {short_number(self.cost.compute)} compute"
            f" ({short_number(self.cost.compute_in)} prompt + {short_number(self.cost.compute_out)} answer),"
            f" {self.cost.seconds:.2f} model s a task: {short_settings(self.settings)}"
        )


class Front(BaseModel):
    """The Pareto front of a search: quality against as-if cost, on the tuned tasks.

    Attributes:
        points: Best quality first.
        objectives: What it is a front of.
        unit: What compute is counted in: "parameters × tokens" or "tokens".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    points: tuple[FrontPoint, ...]
    objectives: tuple[str, ...]
    unit: str

    def cheapest_within(self, points: float = 2.0, *, by: str = "compute") -> FrontPoint:
        """The cheapest configuration at most so many percentage points below the best.

        Args:
            points: Percentage points, at least 0.
            by: "compute" or "seconds", one of the front's objectives.

        Raises:
            UsageError: A negative margin, an unknown cost or one that the front is not of, or an empty front.
        """
        if points < 0 or by not in ("compute", "seconds"):
            raise UsageError(
                f"pick within 0 or more points, by compute or seconds; got {points} points by {by!r}"
            )
        if by not in self.objectives:
            raise UsageError(
                f"this is a front of {' and '.join(self.objectives)}: what is cheaper by {by} alone is not on it;"
                f" search with objectives=('quality', {by!r})"
            )
        if not self.points:
            raise UsageError("the front is empty: no configuration was scored on every task")
        best = max(point.rate for point in self.points)
        near = [point for point in self.points if point.rate >= best - points / 100 - 1e-12]
        return min(near, key=lambda point: (getattr(point.cost, by), -point.rate))

    def __str__(self) -> str:
        head = f"Pareto front of {', '.join(self.objectives)} on the tuned tasks (compute in {self.unit}, as-if):"
        return "\n".join([head, *(f"  {point.line()}" for point in self.points)])


class Saved(BaseModel):
    """What the search cost beside what its configurations would have cost one by one.

    Attributes:
        calls: Model calls that its configurations make when each runs alone.
        paid_calls: Model calls that the search and its pilot made: the rest came from the store.
        races_lost: Configurations that were ended early.
        runs: Runs (task × configuration) that were scored.
        runs_spared: Runs that the ended configurations did not need.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: int
    paid_calls: int
    races_lost: int
    runs: int
    runs_spared: int

    def line(self) -> str:
        """In one line for a person."""
        share = 100 * (1 - self.paid_calls / self.calls) if self.calls else 0.0
        return (
            f"the search made {self.paid_calls:,} calls where its configurations one by one need {self.calls:,}"
            f" ({share:.0f} % came from the store); {self.races_lost} lost their race early, sparing"
            f" {self.runs_spared:,} of {self.runs + self.runs_spared:,} runs"
        )


class Estimate(BaseModel):
    """What a pilot says before a search: costs of a run, and what the budget buys. A guess from a few tasks.

    Attributes:
        pilot_tasks: Tasks of the pilot.
        cost: Mean as-if cost of a run of the untuned program.
        wall_s: Wall seconds of a run as the first pilot took them; None where the store answered that one.
        folds: Folds of a cross-fitting; 0 where locked tasks confirm.
        runs_each: Runs of one configuration in every search.
        finalist_runs: Runs of the finalists.
        confirmation_runs: Runs of the confirmation, baselines included.
        most_configurations: Configurations that a search tries at most.
        affordable_runs: Runs like the pilot's that the whole budget pays for; None without a limit on spending.
        tuned: Tasks that are tuned on.
        locked: Tasks of the confirmation.
        detectable_points: Smallest difference in points that they show with power 0.8 at a rate of 50 %.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pilot_tasks: int
    cost: Cost
    wall_s: float | None
    folds: int = 0
    runs_each: int
    finalist_runs: int
    confirmation_runs: int
    most_configurations: int
    affordable_runs: float | None
    tuned: int
    locked: int
    detectable_points: float | None

    @property
    def configurations(self) -> int:
        """Configurations that the budget reaches for, at full price: sharing and racing make it more."""
        if self.affordable_runs is None:
            return self.most_configurations
        left = self.affordable_runs - self.finalist_runs - self.confirmation_runs
        return max(1, min(self.most_configurations, int(left / self.runs_each)))

    @property
    def runs(self) -> int:
        """Runs in all, at full price."""
        return self.configurations * self.runs_each + self.finalist_runs + self.confirmation_runs

    def line(self) -> str:
        """In one line for a person."""
        wall = f", {_duration(self.runs * self.wall_s)} on the clock" if self.wall_s else ""
        least = f"{self.detectable_points:.0f} points" if self.detectable_points else "none, they are too few"
        shown = f"smallest difference that {self.locked} tasks can show: {least}"
        if self.folds:
            how = f"cross-fitted over {self.folds} folds of {self.tuned} tasks; {shown}"
        elif self.locked:
            how = f"tuned on {self.tuned} tasks, confirmed on {self.locked} locked ones; {shown}"
        else:
            how = f"tuned on {self.tuned} tasks, not confirmed"
        each = " in each search" if self.folds else ""
        return (
            f"{how}. Estimate from a pilot of {self.pilot_tasks} tasks ({self.cost.calls:.1f} calls,"
            f" {self.cost.tokens:,.0f} tokens, {self.cost.seconds:.1f} model s a run): about {self.configurations}"
            f" configurations{each}, finalists and confirmation, {short_number(self.runs * self.cost.tokens)} tokens"
            f"{wall} at full price; stored calls and races make it less"
        )


class Step(BaseModel):
    """A configuration that became the search's best.

    Attributes:
        trial: Its number in the study.
        score: Its search score: inflated by selection.
        changed: The settings that differ from the best before it; all of them for the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: int
    score: float
    changed: dict[str, Any]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def short_settings(settings: dict[str, Any]) -> str:
    """Settings in one line.

    Example:
        >>> short_settings({"samples": 3, "generate.temperature": 0.25})
        'samples=3, generate.temperature=0.25'
    """
    return ", ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in settings.items())


def short_number(value: float) -> str:
    """A number with three digits and a letter for thousands, millions, billions and so on.

    Example:
        >>> short_number(45_300_000_000), short_number(812)
        ('45.3G', '812')
    """
    for letter, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"

"""Reading a baseline's quality at another program's compute, off its cost–quality curve."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ...runtime.budget import Usage
from ..figures import FalseGreen, Figure, green_runs
from ..scores import Scores, TaskScore
from ..statistics import pooled_interval
from .pool import Pool

Cost = Callable[[TaskScore], float]

EQUAL_WITHIN = 0.005
"""Share by which compute may differ and is called equal."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What is held equal.

    Attributes:
        name: "tokens", "parameters × tokens" or "model seconds".
        cost: A run's cost by it, as if run alone.
    """

    name: str
    cost: Cost

    def mean(self, scores: Scores) -> float:
        """Mean cost of a run."""
        return math.fsum(self.cost(item) for item in scores.items) / len(scores.items)


TOKENS = Measure("tokens", lambda item: float(item.usage.tokens))
"""Prompt and answer tokens together: for programs of one model."""

SECONDS = Measure("model seconds", lambda item: item.usage.model_seconds)
"""Seconds of model time on this machine."""


def parameter_tokens(pool: Pool) -> Measure | None:
    """Parameters × tokens of every call, for programs of different models; None where a model's size is not known."""
    sizes = {m.label: m.card.parameters for m in pool.models}
    by_name = {m.card.name: m.card.parameters for m in pool.models}
    by_name |= {alias: sizes[label] for alias, label in pool.aliases.items()}
    known = {name: size for name, size in by_name.items() if size}
    if len(known) < len(by_name):
        return None

    def cost(item: TaskScore) -> float:
        return math.fsum(known[model] * usage.tokens for model, usage in item.by_model.items())

    return Measure("parameters × tokens", cost)


def measure_for(pool: Pool) -> Measure:
    """What to hold equal: tokens within one model, else parameters × tokens, or seconds where a size is not known."""
    return TOKENS if len(pool.models) < 2 else parameter_tokens(pool) or SECONDS


@dataclass(frozen=True, slots=True)
class AtCost:
    """A ladder of programs (resampling 1, 2, 3, … times), read at a cost between two of its rungs.

    Between two rungs it is the program that takes the upper one with chance `weight`: its expected cost is the cost
    asked for, and a task's outcome is the mean of the two rungs' outcomes with that weight.

    Attributes:
        outcomes: Task → outcome of each replicate, in [0, 1].
        usage: Compute of all runs, likewise between the two.
        lower: Number of the lower rung.
        upper: Number of the upper rung.
        weight: Share of the upper rung, in [0, 1].
        reached: Cost reached as a share of the cost asked for: 1 unless the ladder is too short, or its first rung
            costs more.
        measure: What cost is.
        rungs: Scores of the two rungs.
    """

    outcomes: dict[str, list[float]]
    usage: Usage
    lower: int
    upper: int
    weight: float
    reached: float
    measure: Measure
    rungs: tuple[Scores, Scores]

    @property
    def is_equal(self) -> bool:
        """Whether the cost asked for is reached, within half a percent."""
        return abs(self.reached - 1) <= EQUAL_WITHIN

    @property
    def at(self) -> str:
        """What is held equal: "equal tokens"; "unequal tokens (60 %)" where the cost asked for is not reached."""
        name = self.measure.name
        return f"equal {name}" if self.is_equal else f"unequal {name} ({100 * self.reached:.0f} %)"

    @property
    def note(self) -> str:
        """Which rungs it is, and what is not equal."""
        between = f"{self.lower}" if self.weight == 0 else f"{self.lower + self.weight:.1f}"
        text = f"read at {between} on its curve"
        if self.is_equal:
            return text
        if self.reached < 1:
            text += f"; it spends only {100 * self.reached:.0f} % of the compute: its curve ends there"
        else:
            text += f"; even its cheapest point spends {100 * self.reached:.0f} % of the compute"
        return text

    def figure(self, level: float) -> Figure:
        """The ladder's figure at that cost, under the conditions of its rungs."""
        like = self.rungs[0]
        figure = Figure.from_outcomes(
            self.outcomes,
            usage=self.usage,
            steering=like.steering,
            tier=like.tier,
            models=like.models,
            level=level,
            simulated=like.simulated,
            paper_faithful=like.paper_faithful,
        )
        return figure.model_copy(update={"false_green": self.false_green(level)})

    def false_green(self, level: float) -> FalseGreen:
        """Green runs of the two rungs, each rung's counted by its share; numbers are rounded to whole runs."""
        low, high = (green_runs(rung.items) for rung in self.rungs)
        if self.weight == 0:
            return FalseGreen.of(low, level)
        parts = 100
        upper = round(parts * self.weight)
        mixed = {
            task_id: (parts - upper) * low.get(task_id, []) + upper * high.get(task_id, [])
            for task_id in low | high
        }
        runs = {task_id: flags for task_id, flags in mixed.items() if flags}
        green = round(sum(map(len, runs.values())) / parts)
        if not green:
            return FalseGreen.of({}, level)
        found = pooled_interval(runs, level)
        return FalseGreen(
            count=round(sum(map(sum, runs.values())) / parts), green=green, interval=(found.low, found.high)
        )


def read_at(rungs: Mapping[int, Scores], measure: Measure, target: float) -> AtCost:
    """The ladder at a mean cost of `target` for each run.

    Args:
        rungs: Number of the rung → its scores, all on the same tasks and replicates.
        measure: What cost is.
        target: The mean cost of a run that is asked for.
    """
    numbers = sorted(rungs)
    costs = [measure.mean(rungs[number]) for number in numbers]
    below = [i for i, cost in enumerate(costs) if cost <= target]
    i = below[-1] if below else 0
    weight = 0.0
    j = i
    if below and i + 1 < len(numbers) and costs[i + 1] > costs[i]:
        j = i + 1
        weight = (target - costs[i]) / (costs[j] - costs[i])
    lower, upper = rungs[numbers[i]], rungs[numbers[j]]
    low, high = lower.by_task(), upper.by_task()
    outcomes = {
        task_id: [(1 - weight) * a + weight * b for a, b in zip(low[task_id], high[task_id], strict=True)]
        for task_id in low
    }
    spent = (1 - weight) * costs[i] + weight * costs[j]
    return AtCost(
        outcomes=outcomes,
        usage=_between(lower.usage(), upper.usage(), weight),
        lower=numbers[i],
        upper=numbers[j],
        weight=weight,
        reached=spent / target if target else 1.0,
        measure=measure,
        rungs=(lower, upper),
    )


def climb(
    make: Callable[[int], Scores], numbers: Sequence[int], measure: Measure, target: float
) -> dict[int, Scores]:
    """Score rungs one by one until one costs the target or makes no call more than the one before, or they end.

    Where no run draws on (all are green, or there is nothing to be green by), the rungs above are the same again.

    Args:
        make: Scores a rung.
        numbers: The rungs' numbers, cheapest first.
        measure: What cost is.
        target: Mean cost of a run to reach.
    """
    rungs: dict[int, Scores] = {}
    calls = -1
    for number in numbers:
        rungs[number] = make(number)
        before, calls = calls, rungs[number].usage().calls
        if measure.mean(rungs[number]) >= target or calls == before:
            break
    return rungs


def _between(a: Usage, b: Usage, weight: float) -> Usage:
    return Usage(
        round((1 - weight) * a.calls + weight * b.calls),
        round((1 - weight) * a.tokens_in + weight * b.tokens_in),
        round((1 - weight) * a.tokens_out + weight * b.tokens_out),
        (1 - weight) * a.model_seconds + weight * b.model_seconds,
    )

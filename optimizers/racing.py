"""Racing: a configuration that cannot win is not scored to its end, and what tells nothing is run last."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna

from ..evals.scores import TaskScore
from ..runtime.task import Task
from .objectives import QUALITY
from .posterior import LEAST_CHANCE, Belief, Posterior
from .trials import Tried, Values

if TYPE_CHECKING:
    from .job import TuningJob

_ALPHA = 0.01
_LEADERS = 3
_LEAST_TASKS = 8
_LEAST_SIGNED_RANKS = 7
_SETTLED_RUNS = 5
_LIKELY = 0.5


class Race:
    """Compares a configuration under way with the leaders so far, task by task on the same seeds.

    It has lost when an exact test over the tasks on which they differ (one-sided, p < 0.01) says that it is worse than
    at least two of the three leaders: never against one alone, which may only have been lucky. Of 0/1 outcomes it is
    the sign test; of other scores Wilcoxon's signed-rank test, as Optuna's `WilcoxonPruner` takes it, which weighs how
    much worse. With paired 0/1 outcomes this drops a configuration that is truly equal in about 1 % of races, one that
    is 20 points worse in over half (simulated, 60 tasks).

    Args:
        leaders: Task to score of complete configurations, best first.
        costs: Where less cost counts too, as an objective or for the pick: task to costs of the same configurations.
            Then only leaders that cost no more on the tasks so far, in every kind of cost, can beat it.
        cost_of: Costs of a run, in the order of `costs`.

    Source: the exact form of McNemar's test; racing after Maron and Moore (1994).
    """

    def __init__(
        self,
        leaders: Sequence[Mapping[str, float]],
        *,
        costs: Sequence[Mapping[str, Sequence[float]]] = (),
        cost_of: Callable[[TaskScore], Sequence[float]] | None = None,
    ) -> None:
        self._leaders = list(leaders)
        self._costs = list(costs)
        self._cost_of = cost_of

    def lost(self, scores: Sequence[TaskScore]) -> bool:
        """Whether the configuration with these scores so far cannot win."""
        if len(self._leaders) < 2 or len(scores) < _LEAST_TASKS:
            return False
        rivals = [i for i in range(len(self._leaders)) if self._is_no_dearer(scores, i)][:_LEADERS]
        beaten_by = sum(self._is_worse(scores, self._leaders[i]) for i in rivals)
        return beaten_by >= 2

    def _is_worse(self, scores: Sequence[TaskScore], leader: Mapping[str, float]) -> bool:
        gains = [item.score - leader[item.task_id] for item in scores if item.task_id in leader]
        wins, losses = sum(g > 0 for g in gains), sum(g < 0 for g in gains)
        if all(gain in (-1.0, 0.0, 1.0) for gain in gains):
            return losses > wins and sign_test(wins, losses) < _ALPHA
        return losses + wins >= _LEAST_SIGNED_RANKS and signed_rank_test(gains) < _ALPHA

    def _is_no_dearer(self, scores: Sequence[TaskScore], leader: int) -> bool:
        if self._cost_of is None:
            return True
        theirs = self._costs[leader]
        mine = [(item, self._cost_of(item)) for item in scores if item.task_id in theirs]
        kinds = range(len(mine[0][1])) if mine else range(0)
        return bool(mine) and all(
            sum(theirs[item.task_id][kind] for item, _ in mine) <= sum(cost[kind] for _, cost in mine)
            for kind in kinds
        )


@dataclass(frozen=True, slots=True)
class Course:
    """How a configuration goes through the tuned tasks.

    Attributes:
        tasks: The tasks in the order in which they are begun.
        is_over: Told the scores so far: whether it ends with these.
    """

    tasks: Sequence[Task]
    is_over: Callable[[list[TaskScore]], bool]


def course(job: TuningJob, trial: optuna.Trial, values: Values) -> Course:
    """A trial's tasks, and when it ends early: a pruner of the user's own decides, else a race against the leaders."""
    pruner = job.options.pruner
    if pruner is not None:
        return Course(job.tasks, _Pruned(trial, pruner, [task.task_id for task in job.tasks]))
    if not job.options.racing:
        return Course(job.tasks, Race([]).lost)
    found = job.tried()
    complete = sorted((one for one in found if one.complete), key=lambda one: -one.rate)
    leaders = [one.by_task for one in complete]
    pick = job.options.pick
    counted = {*job.options.objectives, *([pick.by] if pick is not None else [])}
    if counted == {QUALITY}:
        race = Race(leaders[:_LEADERS])
        if len(complete) < _LEADERS:
            return Course(job.tasks, race.lost)
        known = settled(found)
        belief = Posterior(job.found, found).belief(values, complete)
        return Course(
            sorted(job.tasks, key=lambda task: task.task_id in known),
            Hopeless(race, belief, [task.task_id for task in job.tasks], known),
        )
    kinds = [i for i, name in enumerate(("compute", "seconds")) if name in counted]
    costs = [{task: [row[k] for k in kinds] for task, row in one.costs.items()} for one in complete]

    def cost_of(item: TaskScore) -> list[float]:
        cost = job.costing.mean([item])
        return [(cost.compute, cost.seconds)[k] for k in kinds]

    return Course(job.tasks, Race(leaders, costs=costs, cost_of=cost_of).lost)


def settled(found: Sequence[Tried]) -> set[str]:
    """Tasks that came out the same in every run so far, of five at least: they tell configurations apart least.

    Most are tasks that nothing solves, and those are the dearest: every iteration is spent on them.
    """
    outcomes: dict[str, list[float]] = {}
    for one in found:
        for task, runs in one.outcomes.items():
            outcomes.setdefault(task, []).extend(runs)
    return {task for task, runs in outcomes.items() if len(runs) >= _SETTLED_RUNS and len(set(runs)) == 1}


class Hopeless:
    """Lost by the exact tests, or with a chance under one in ten to be the best, neighbours and own runs considered.

    The exact tests ask whether a configuration is worse, whatever it is; a search only needs to know whether it is
    worth its remaining runs. Wrongly ended it costs one of many configurations, run on it costs its tasks. The best is
    what the posterior expects of it, not its lucky score.

    Settled tasks come last, and only a configuration that more likely than not is the best is run on them, too: where
    enough tasks are open to tell, else nothing would be tried on more than a few that others failed.

    Args:
        race: The exact tests.
        belief: What is believed of the configuration before its runs.
        tasks: All tuned tasks.
        known: Those of them that are settled.
    """

    def __init__(self, race: Race, belief: Belief, tasks: Collection[str], known: Collection[str]) -> None:
        self._race, self._belief = race, belief
        self._tasks, self._open = len(tasks), set(tasks) - set(known)

    def __call__(self, scores: list[TaskScore]) -> bool:
        if not _LEAST_TASKS <= len(scores) < self._tasks:
            return False
        outcomes = {item.task_id: item.score for item in scores}
        chance = self._belief.chance_of_best(outcomes)
        if len(self._open) >= _LEAST_TASKS and self._open <= outcomes.keys() and chance <= _LIKELY:
            return True
        return chance < LEAST_CHANCE or self._race.lost(scores)


class _Pruned:
    """Reports to an Optuna pruner: task by task to `WilcoxonPruner`, to any other the mean over the tasks so far."""

    def __init__(
        self, trial: optuna.Trial, pruner: optuna.pruners.BasePruner, task_ids: Sequence[str]
    ) -> None:
        self._trial = trial
        self._by_task = isinstance(pruner, optuna.pruners.WilcoxonPruner)
        self._numbers = {task_id: i for i, task_id in enumerate(task_ids)}
        self._reported: set[str] = set()

    def __call__(self, scores: list[TaskScore]) -> bool:
        for item in scores:
            if item.task_id not in self._reported:
                self._reported.add(item.task_id)
                if self._by_task:
                    self._trial.report(item.score, step=self._numbers[item.task_id])
        if not self._by_task:
            self._trial.report(sum(item.score for item in scores) / len(scores), step=len(scores))
        return len(scores) < len(self._numbers) and self._trial.should_prune()


def sign_test(wins: int, losses: int) -> float:
    """Chance of so few wins, or fewer, where both are equally likely: the exact one-sided sign test.

    Example:
        >>> sign_test(0, 7)
        0.0078125
    """
    from math import comb

    n = wins + losses
    return sum(comb(n, k) for k in range(wins + 1)) / 2**n if n else 1.0


def signed_rank_test(gains: Sequence[float]) -> float:
    """p of Wilcoxon's signed-rank test that the gains lie below zero; zeros are split between both signs.

    Exact with ties too, whatever the number of tasks, where scipy takes a normal approximation from 14 on: all signs of
    the ranks are counted.

    Example:
        >>> signed_rank_test([-0.5, -0.4, -0.3, -0.2, -0.6, -0.7, -0.8])
        0.0078125
    """
    import numpy as np

    sizes = [round(abs(gain), 9) for gain in gains]
    order = sorted(sizes)
    # twice the mean rank of equal sizes, so that it is whole
    rank = {size: 2 * order.index(size) + order.count(size) + 1 for size in set(sizes)}
    signed = [(rank[size], gain > 0) for size, gain in zip(sizes, gains, strict=True) if size]
    seen = sum(r for r, is_win in signed if is_win)
    ways = np.ones(1)
    for r, _ in signed:
        more = np.zeros(len(ways) + r)
        more[: len(ways)] = ways / 2
        more[r:] += ways / 2
        ways = more
    return float(ways[: seen + 1].sum())

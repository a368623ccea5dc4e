"""Racing: a configuration that cannot win is not scored to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import optuna

from ..evals.scoring import TaskScore
from ..runtime.task import Task

if TYPE_CHECKING:
    from .job import TuningJob

_ALPHA = 0.05
_AHEAD = 0.1
_LEADERS = 3
_LEAST_TASKS = 8
_LEAST_SIGNED_RANKS = 7


class Race:
    """Compares a configuration under way with the leaders so far, task by task on the same seeds.

    It has lost when it cannot be expected to end ahead of at least two of the three leaders: never of one alone, which
    may only have been lucky. It is behind a leader for good when, from eight tasks on,

    - an exact test over the tasks on which they differ says so (one-sided, p < 0.05): of 0/1 outcomes the sign test,
      of other scores Wilcoxon's signed-rank test, as Optuna's `WilcoxonPruner` takes it; or
    - it would not be ahead even if it alone solved every task that is left (0/1 outcomes); or
    - its predicted chance of ending ahead is below 10 %, if the tasks left go as those seen: see `chance_ahead`.

    Scores are only ever compared on the same tasks and seeds: tasks come in an order that tells most first (see
    `telling_first`), so a mean over the first of them says nothing by itself.

    How often that is wrong, simulated (0/1 outcomes on 60 tasks in a random order, three leaders of equal truth): a
    configuration that is truly 15 points better than all leaders is dropped in 4 % of races, one 10 points better in
    10 %, 5 points better in 29 %, an equal one in 58 %; 10 points worse in 98 %, after 22 tasks on average. An equal
    one is no loss, and a somewhat better one is what a search pays for trying more configurations: `racing=False`
    scores every one to its end.

    Args:
        leaders: Task to score of complete configurations, best first.
        costs: Where less cost is an objective too: task to costs of the same configurations. Then only leaders that
            cost no more on the tasks so far, in every kind of cost, can beat it.
        cost_of: Costs of a run, in the order of `costs`.

    Source: the exact form of McNemar's test; racing after Maron and Moore (1994); predictive power after Spiegelhalter,
    Freedman and Blackburn (1986), who stop a trial whose predicted chance of success is small.
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
        beaten_by = sum(_is_behind_for_good(scores, self._leaders[i]) for i in rivals)
        return beaten_by >= 2

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


def stopper(job: TuningJob, trial: optuna.Trial) -> Callable[[list[TaskScore]], bool]:
    """When to end this trial early: a pruner of the user's own decides, else a race against the leaders."""
    pruner = job.options.pruner
    if pruner is not None:
        return _Pruned(trial, pruner, [task.task_id for task in job.tasks])
    if not job.options.racing:
        return Race([]).lost
    complete = sorted((one for one in job.tried() if one.complete), key=lambda one: -one.rate)
    leaders = [one.by_task for one in complete]
    if len(job.options.objectives) == 1:
        return Race(leaders[:_LEADERS]).lost
    kinds = [i for i, name in enumerate(("compute", "seconds")) if name in job.options.objectives]
    costs = [{task: [row[k] for k in kinds] for task, row in one.costs.items()} for one in complete]

    def cost_of(item: TaskScore) -> list[float]:
        cost = job.costing.mean([item])
        return [(cost.compute, cost.seconds)[k] for k in kinds]

    return Race(leaders, costs=costs, cost_of=cost_of).lost


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


def telling_first(job: TuningJob) -> list[Task]:
    """The tuned tasks, those first on which the configurations so far disagreed most; in their seeded order at first.

    A task that everything solves, or nothing, cannot end a race: it is run only by configurations that stay in it.
    """
    outcomes: dict[str, list[float]] = {}
    everyone = job.tried()
    if sum(one.complete for one in everyone) < 2:
        return job.tasks
    for one in everyone:
        for task, mean in one.by_task.items():
            outcomes.setdefault(task, []).append(mean)

    def agreement(task: Task) -> float:
        seen = outcomes.get(task.task_id, [])
        return abs((sum(seen) + 0.5) / (len(seen) + 1) - 0.5)

    return sorted(job.tasks, key=agreement)


def _is_behind_for_good(scores: Sequence[TaskScore], leader: Mapping[str, float]) -> bool:
    gains = [item.score - leader[item.task_id] for item in scores if item.task_id in leader]
    left = len(leader) - len(gains)
    if sum(gains) >= 0:
        return False
    wins, losses = sum(g > 0 for g in gains), sum(g < 0 for g in gains)
    if all(gain in (-1.0, 0.0, 1.0) for gain in gains):
        if sign_test(wins, losses) < _ALPHA:
            return True
        return left > 0 and (wins + left <= losses or chance_ahead(wins, losses, len(gains), left) < _AHEAD)
    if losses + wins < _LEAST_SIGNED_RANKS:
        return False
    return signed_rank_test(gains) < _ALPHA or (left > 0 and _chance_of_sum(gains, left) < _AHEAD)


def chance_ahead(wins: int, losses: int, seen: int, left: int) -> float:
    """Predicted chance that a configuration ends with more wins than losses against a leader.

    As many of the tasks left will differ as of those seen, and each of these is won with a chance known from those
    seen (a uniform prior on it): a beta-binomial.

    Args:
        wins: Tasks that it solved and the leader did not.
        losses: Tasks that the leader solved and it did not.
        seen: Tasks on which both were run.
        left: Tasks still to come.

    Example:
        >>> round(chance_ahead(1, 4, seen=12, left=48), 2)
        0.07
    """
    from math import comb, exp, lgamma

    def beta(a: int, b: int) -> float:
        return lgamma(a) + lgamma(b) - lgamma(a + b)

    differ = round(left * (wins + losses + 1) / (seen + 2))
    least = (losses - wins + differ) // 2 + 1
    return sum(
        comb(differ, k) * exp(beta(wins + 1 + k, losses + 1 + differ - k) - beta(wins + 1, losses + 1))
        for k in range(max(0, least), differ + 1)
    )


def _chance_of_sum(gains: Sequence[float], left: int) -> float:
    """The same for graded scores: Student's prediction of the sum of all gains."""
    from statistics import fmean, stdev

    from scipy import stats

    n, mean, spread = len(gains), fmean(gains), stdev(gains)
    scale = spread * (left * (1 + left / n)) ** 0.5
    behind = -(mean * n + mean * left)
    return float(cast("Any", stats.t).sf(behind / scale, n - 1)) if scale else float(behind < 0)


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

    Example:
        >>> signed_rank_test([-0.5, -0.4, -0.3, -0.2, -0.6, -0.7, -0.8]) < 0.01
        True
    """
    from scipy import stats

    return float(cast("Any", stats.wilcoxon(list(gains), alternative="less", zero_method="zsplit")).pvalue)

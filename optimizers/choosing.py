"""Finalists: the best configurations run again on fresh replicates of the tuned tasks; the best of these is chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import BudgetExhausted
from ..evals.evidence import Finalist
from ..evals.scores import Scores
from .front import chosen_by, worth_rerunning
from .job import FRESH, TuningJob
from .posterior import LEAST_CHANCE, Posterior, chance_of_more
from .trials import Tried, Values, key

_EQUAL_DIGITS = 3  # a tenth of a point


@dataclass(frozen=True, slots=True)
class Run:
    """A finalist that was run again.

    Attributes:
        tried: What the search knew of it.
        scores: Its fresh replicates.
    """

    tried: Tried
    scores: Scores

    def finalist(self) -> Finalist:
        """The finalist as evidence."""
        return Finalist(settings=self.tried.values, search_rate=self.tried.rate, figure=self.scores.figure())


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and from what.

    Attributes:
        values: The chosen knobs' values.
        search_rate: The search's own score of them.
        runs: The finalists that were run again, in the order of their search score.
        shortfall: Where the budget ended before all of them were: among how many it is the choice.
    """

    values: Values
    search_rate: float
    runs: tuple[Run, ...]
    shortfall: str = ""


def choose(job: TuningJob) -> Choice:
    """Run the best configurations again, and choose the best of these.

    For quality alone the finalists are those of which a `Posterior` of all outcomes expects most, the defaults among
    them where they still may win; after each fresh replicate those that hardly can are left. Chosen is of which most is
    expected then: never the best score, which is the luckiest. Along a front, or for a pick, every finalist is run as
    often, the defaults among them.
    """
    found = job.tried()
    complete = [one for one in found if one.complete]
    complete = complete or found  # a pruner of the user's own may have ended them all
    if len(job.options.objectives) == 1 and job.options.pick is None:
        return _most_expected(job, found, complete)
    return _picked(job, complete)


def _most_expected(job: TuningJob, found: Sequence[Tried], complete: Sequence[Tried]) -> Choice:
    runs: dict[str, Run] = {}

    def still_may_win(some: Sequence[Tried]) -> list[Tried]:
        """These by what is expected of them now, without those that hardly can be the best."""
        known = [
            one.with_runs(runs[k].scores.by_task()) if (k := key(one.values)) in runs else one
            for one in found
        ]
        means, deviations = Posterior(job.found, known).of([one.values for one in some])
        costs = [one.cost.compute if one.cost else 0.0 for one in some]
        order = sorted(range(len(some)), key=lambda i: (-round(means[i], _EQUAL_DIGITS), costs[i]))
        first = order[0]

        def chance(i: int) -> float:
            return chance_of_more(means[i] - means[first], math.hypot(deviations[i], deviations[first]))

        return [some[i] for i in order if chance(i) >= LEAST_CHANCE]

    hopeful = still_may_win(complete)
    left = hopeful[: job.options.finalists]
    left += [one for one in hopeful[len(left) :] if one.values == job.defaults]
    for replicate in range(job.options.replicates):
        for step, one in enumerate(left, 1):
            try:
                scores = _run_again(job, one, step, len(left), FRESH + replicate, 1)
            except BudgetExhausted:
                break
            before = runs.get(key(one.values))
            runs[key(one.values)] = Run(one, before.scores.merged(scores) if before else scores)
        else:
            left = still_may_win(left)
            if len(left) > 1:
                continue
        break
    best = still_may_win([run.tried for run in runs.values()] or left)[0]
    return Choice(best.values, best.rate, tuple(runs.values()))


def _picked(job: TuningJob, complete: Sequence[Tried]) -> Choice:
    options = job.options
    ranked = worth_rerunning(complete, options.finalists, options.objectives, options.pick)
    if not any(one.values == job.defaults for one in ranked):
        ranked += [one for one in complete if one.values == job.defaults]
    runs: list[Run] = []
    for step, one in enumerate(ranked, 1):
        try:
            scores = _run_again(job, one, step, len(ranked), FRESH, options.replicates)
        except BudgetExhausted:
            break
        runs.append(Run(one, scores))
    if not runs:
        shortfall = "by its search score alone: the budget ended before any finalist was run again"
        return Choice(ranked[0].values, ranked[0].rate, (), shortfall)
    best = runs[chosen_by(options.pick, [(r.tried.values, r.scores) for r in runs], job.costing)].tried
    shortfall = f"among the {len(runs)} of {len(ranked)} finalists that the budget reached"
    return Choice(best.values, best.rate, tuple(runs), shortfall if len(runs) < len(ranked) else "")


def _run_again(job: TuningJob, one: Tried, step: int, steps: int, first: int, replicates: int) -> Scores:
    return job.score_values(
        one.values, "finalists", step, steps, first_replicate=first, replicates=replicates
    )

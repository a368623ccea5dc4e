"""Finalists: the best configurations run again on fresh replicates of the tuned tasks; the best of these is chosen."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import BudgetExhausted
from ..evals.evidence import Finalist
from ..evals.scoring import Scores
from .front import chosen_by, worth_rerunning
from .job import FRESH, TuningJob
from .trials import Tried, Values


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
    """

    values: Values
    search_rate: float
    runs: tuple[Run, ...]


def choose(job: TuningJob) -> Choice:
    """Run the best configurations again, the defaults among them, and choose the best of these."""
    options = job.options
    found = job.tried()
    complete = [
        one for one in found if one.complete
    ] or found  # a pruner of the user's own may have ended them all
    ranked = worth_rerunning(complete, options.finalists, options.objectives, options.pick)
    if not any(one.values == job.defaults for one in ranked):
        ranked += [one for one in complete if one.values == job.defaults]
    runs: list[Run] = []
    for step, one in enumerate(ranked, 1):
        try:
            scores = job.score_values(
                one.values,
                "finalists",
                step,
                len(ranked),
                first_replicate=FRESH,
                replicates=options.replicates,
            )
        except BudgetExhausted:
            break
        runs.append(Run(one, scores))
    if not runs:
        return Choice(ranked[0].values, ranked[0].rate, ())
    best = runs[chosen_by(options.pick, [(r.tried.values, r.scores) for r in runs], job.costing)].tried
    return Choice(best.values, best.rate, tuple(runs))

"""The search: ask the study for a configuration, score it until it is done or has lost, tell."""

from __future__ import annotations

from contextlib import suppress

import optuna

from ..errors import BudgetExhausted
from .job import TuningJob
from .racing import stopper
from .recording import record
from .trials import Values, finished, key, tried
from .turns import Turns

_DEFAULT_TRIALS = 20
_MOST_TRIALS = 200


def search(job: TuningJob) -> None:
    """Try configurations until the budget's share, the number of trials or the space is used up.

    Raises:
        BudgetExhausted: The budget did not reach for a single configuration.
    """
    limit = trial_limit(job)
    study, options = job.study, job.options
    turns = Turns(
        study,
        job.crew,
        job.found,
        job.defaults,
        limit=limit,
        size=job.size,
        seed=None if options.sampler else options.seed,
    )
    budget = f"{limit} trials, {job.meter.budget!r}"
    while (turn := turns.next(budget)) is not None:
        trial, values = turn
        try:
            scores = job.score_values(
                values,
                "search",
                len(finished(study)) + 1,
                limit,
                first_replicate=_replicate(job, values),
                stop_early=stopper(job, trial, values),
            )
        except BudgetExhausted:
            turns.give_back(trial, values, again=True)  # what it paid for is stored, should the search go on
            turns.end(budget)
            if not finished(study):
                raise
            return
        except BaseException:
            turns.give_back(trial, values, again=True)
            raise
        # Where this worker stood still for so long that another took the trial over, the other's result counts.
        with suppress(optuna.exceptions.UpdateFinishedTrialError):
            record(job, trial, scores)
        turns.done(trial)
        job.book()


def trial_limit(job: TuningJob) -> int:
    """Most configurations that the search tries."""
    budget = job.options.budget
    if budget.n_trials is not None:
        return budget.n_trials
    return _MOST_TRIALS if budget.model_dump(exclude_none=True) else _DEFAULT_TRIALS


def _replicate(job: TuningJob, values: Values) -> int:
    """Number of the replicate: a configuration that is asked for again is a fresh draw, and pools with the first."""
    return sum(len(one.trials) for one in tried(job.study, job.found) if key(one.values) == key(values))

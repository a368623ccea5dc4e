"""The search: ask the study for a configuration, score it until it is done or has lost, tell."""

from __future__ import annotations

from contextlib import suppress

import optuna

from ..errors import BudgetExhausted
from ..evals.check import solved
from .job import TuningJob
from .racing import course
from .recording import record
from .trials import Values, finished, key, tried
from .turns import Turns

_DEFAULT_TRIALS = 20
_MOST_TRIALS = 200


def search(job: TuningJob) -> None:
    """Try configurations until the budget's share, the number of trials or the space is used up.

    Without a number of trials it ends, too, once as many configurations as there are finalists solved every task: the
    search cannot tell better ones from these.

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
    while True:
        if options.budget.n_trials is None and nothing_to_win(job, options.finalists):
            turns.end(budget)
        turn = turns.next(budget)
        if turn is None:
            return
        trial, values = turn
        try:
            run = course(job, trial, values)
            scores = job.score_values(
                values,
                "search",
                len(finished(study)) + 1,
                limit,
                first_replicate=_replicate(job, values),
                stop_early=run.is_over,
                tasks=run.tasks,
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


def nothing_to_win(job: TuningJob, configurations: int) -> bool:
    """Whether so many configurations solved every task, and quality is all that counts."""
    options = job.options
    if options.metric is not solved or len(options.objectives) > 1 or options.pick is not None:
        return False
    return sum(one.complete and one.rate == 1.0 for one in job.tried()) >= configurations


def _replicate(job: TuningJob, values: Values) -> int:
    """Number of the replicate: a configuration that is asked for again is a fresh draw, and pools with the first."""
    return sum(len(one.trials) for one in tried(job.study, job.found) if key(one.values) == key(values))

"""The search: ask the study for a configuration, score it until it is done or has lost, tell."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import optuna

from ..errors import BudgetExhausted
from ..evals.check import solved
from ..evals.scores import TaskScore
from .job import TuningJob
from .racing import course
from .recording import PAID_CALLS, record
from .trials import Values, finished, key, tried
from .turns import Turns

_DEFAULT_TRIALS = 20
_MOST_TRIALS = 200
_NOTED_EVERY_S = 2.0


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
                stop_early=_noted(job, trial, run.is_over),
                tasks=run.tasks,
            )
            record(job, trial, scores)
        except optuna.exceptions.UpdateFinishedTrialError:
            pass  # this worker stood still for so long that another took the trial over: the other's result counts
        except BudgetExhausted:
            _give_back(job, turns, trial, values)  # what it paid for is stored, should the search go on
            turns.end(budget)
            if not finished(study):
                raise
            return
        except BaseException:
            _give_back(job, turns, trial, values)
            raise
        job.trial_ended()
        turns.done(trial)
        job.book()


def _noted(
    job: TuningJob, trial: optuna.Trial, is_over: Callable[[list[TaskScore]], bool]
) -> Callable[[list[TaskScore]], bool]:
    """The same, noting now and then what the trial paid: should the process be killed, the study still knows."""
    noted_at = time.monotonic()

    def noting(scores: list[TaskScore]) -> bool:
        nonlocal noted_at
        if time.monotonic() - noted_at > _NOTED_EVERY_S:
            noted_at = time.monotonic()
            trial.set_user_attr(PAID_CALLS, job.calls_paid_in_trial())
        return is_over(scores)

    return noting


def _give_back(job: TuningJob, turns: Turns, trial: optuna.Trial, values: Values) -> None:
    with suppress(optuna.exceptions.UpdateFinishedTrialError):  # another worker took it over
        trial.set_user_attr(PAID_CALLS, job.calls_paid_in_trial())
    job.trial_ended()
    turns.give_back(trial, values)


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

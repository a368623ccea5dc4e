"""The search: ask the study for a configuration, score it until it is done or has lost, tell."""

from __future__ import annotations

import optuna

from ..errors import BudgetExhausted
from .job import TuningJob
from .racing import Race
from .space import grid, suggest
from .study import book_spent
from .trials import Values, finished, key, record, tried

_DEFAULT_TRIALS = 20
_MOST_TRIALS = 200


def search(job: TuningJob) -> None:
    """Try configurations until the budget's share, the number of trials or the space is used up.

    Raises:
        BudgetExhausted: The budget did not reach for a single configuration.
    """
    limit = trial_limit(job)
    study = job.study
    if not study.get_trials(deepcopy=False):
        study.enqueue_trial(job.defaults)
        if job.size <= limit and job.options.sampler is None:
            for values in grid(job.found):
                study.enqueue_trial(values, skip_if_exists=True)
    while len(finished(study)) < limit and len(tried(study, job.found)) < job.size:
        trial = study.ask()
        values = suggest(trial, job.found)
        try:
            scores = job.score_values(
                values,
                "search",
                len(finished(study)) + 1,
                limit,
                first_replicate=_replicate(job, values),
                stop_early=_race(job).lost,
            )
        except BudgetExhausted:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            if not finished(study):
                raise
            return
        except BaseException:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
            study.enqueue_trial(values)
            raise
        record(study, trial, scores, len(job.tasks))
        book_spent(study, job.meter.paid)


def trial_limit(job: TuningJob) -> int:
    """Most configurations that the search tries."""
    budget = job.options.budget
    if budget.n_trials is not None:
        return budget.n_trials
    return _MOST_TRIALS if budget.model_dump(exclude_none=True) else _DEFAULT_TRIALS


def _replicate(job: TuningJob, values: Values) -> int:
    """Number of the replicate: a configuration that is asked for again is a fresh draw, and pools with the first."""
    return sum(len(one.trials) for one in tried(job.study, job.found) if key(one.values) == key(values))


def _race(job: TuningJob) -> Race:
    """A race of the next configuration against the best complete ones."""
    if not job.options.racing:
        return Race([])
    complete = [one for one in tried(job.study, job.found) if one.complete]
    return Race([one.by_task for one in sorted(complete, key=lambda one: -one.rate)])

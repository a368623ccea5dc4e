"""Cross-fitting: where tasks are few, tune on all folds but one, confirm on that one, and pool."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import dspy

from ..errors import BudgetExhausted
from ..evals.search_record import Estimate
from ..evals.split import by_problem
from ..runtime.task import Task
from .choosing import choose
from .confirming import Confirmation, Measured, judge, measure
from .job import TunerOptions, TuningJob
from .looks import note_look
from .searching import search
from .space import with_values

Open = Callable[[Sequence[Task], str], TuningJob]
"""(tuned tasks, "fold 2 of 5") → a job on a study of its own, with the accounts of the whole tuning."""


def folds_of(tasks: Sequence[Task], folds: int, seed: int) -> list[list[Task]]:
    """The tasks dealt into folds of equal size, by a seeded shuffle; tasks of one problem come into the same fold.

    Example:
        >>> from greenloop import load_tasks
        >>> [len(fold) for fold in folds_of(load_tasks("starter")[:12], 5, seed=0)]
        [3, 3, 2, 2, 2]
    """
    groups = by_problem(sorted(tasks, key=lambda t: t.digest))
    random.Random(seed).shuffle(groups)
    dealt: list[list[Task]] = [[] for _ in range(folds)]
    for group in groups:
        min(dealt, key=len).extend(group)
    return dealt


def for_each_search(options: TunerOptions, estimate: Estimate) -> TunerOptions:
    """The options of each of the searches: the trials of the budget are those of all of them together."""
    if options.budget.n_trials is None or not estimate.folds:
        return options
    budget = options.budget.model_copy(update={"n_trials": estimate.most_configurations})
    return replace(options, budget=budget)


def cross_fit(
    tasks: Sequence[Task], folds: int, seed: int, open_job: Open, allow: Callable[[int, bool], None]
) -> tuple[Confirmation, list[TuningJob]]:
    """Tune on all folds but one and measure on that one, for each fold; judge over all tasks.

    The figure is that of *tuning like this*, on tasks that the tuning did not see; the program that is returned was
    tuned on all of them.

    Args:
        tasks: All tasks.
        folds: How many folds.
        seed: Seed of the deal.
        open_job: Opens the job of a fold.
        allow: Called before a fold's search (number of the fold from 1, False) and before what follows it (True), to
            set what may be spent until then.

    Returns:
        What was shown, and the jobs of the folds that were reached.
    """
    parts: list[Measured] = []
    jobs: list[TuningJob] = []
    for number, held in enumerate(folds_of(tasks, folds, seed), 1):
        names = {task.digest for task in held}
        job = open_job([t for t in tasks if t.digest not in names], f"fold {number} of {folds}")
        jobs.append(job)
        parts.append(_one_fold(job, held, number, allow))
        if parts[-1].chosen is None:  # not confirmed, whatever the others would show
            break
    options = jobs[0].options
    return judge(parts, tasks=len(tasks), replicates=options.replicates, seed=seed), jobs


def _one_fold(
    job: TuningJob, held: Sequence[Task], number: int, allow: Callable[[int, bool], None]
) -> Measured:
    allow(number, False)
    try:
        search(job)
    except BudgetExhausted as spent:
        return Measured(None, {}, 0, f"not confirmed: {spent}", False)
    allow(number, True)
    with job.alone_after_search():
        choice = choose(job)
        note_look(job.study, choice.values)
        default: dspy.Module | None = None
        if choice.values != job.defaults:
            default = with_values(job.program, job.defaults)
        return measure(
            with_values(job.program, choice.values),
            default,
            trainset=job.tasks,
            locked=held,
            score=job.score_locked,
            cost=job.compute_of,
            caveat=job.costing.caveat,
        )

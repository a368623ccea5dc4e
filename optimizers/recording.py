"""What a finished configuration tells its study, and what the search saved."""

from __future__ import annotations

from typing import Any

import optuna

from ..evals.scores import Scores, TaskScore
from ..evals.search_record import Cost, Saved
from .job import TuningJob
from .trials import finished

PAID_CALLS = "paid_calls"
"""Attribute of a trial: model calls that its worker paid for it; the pilot's among those of a search's first."""


def record(job: TuningJob, trial: optuna.Trial, scores: Scores) -> None:
    """Tell the study what a configuration scored; with fewer than all tasks it has lost its race."""
    cost = job.costing.mean(scores.items)
    lost = len(scores.items) < len(job.tasks)
    attributes: dict[str, Any] = {
        "figure": scores.figure().model_dump(mode="json"),
        "scores": {item.task_id: item.score for item in scores.items},
        "costs": {item.task_id: _cost_row(job, item) for item in scores.items},
        "cost": cost.model_dump(),
        "unit": job.costing.unit,
        PAID_CALLS: job.calls_paid_in_trial(),
        "spared": len(job.tasks) - len(scores.items),
    }
    for name, value in attributes.items():
        trial.set_user_attr(name, value)
    objectives = job.options.objectives
    if lost:
        if len(objectives) == 1 and job.options.pruner is None:
            trial.report(scores.mean, step=len(scores.items))
        job.study.tell(trial, state=optuna.trial.TrialState.PRUNED, skip_if_finished=True)
    else:
        job.study.tell(trial, values_of(objectives, scores.mean, cost), skip_if_finished=True)


def values_of(objectives: tuple[str, ...], quality: float, cost: Cost) -> list[float]:
    """The objectives' values in their order."""
    table = {"quality": quality, "compute": cost.compute, "seconds": cost.seconds}
    return [table[name] for name in objectives]


def saved(study: optuna.Study) -> Saved:
    """What sharing and racing saved in all finished trials of the study.

    Paid is what trials that broke off have paid, too: those that took their place found it stored.
    """
    trials = finished(study)
    figures = [t.user_attrs.get("figure", {}) for t in trials]
    return Saved(
        calls=sum(int(f.get("model_calls", 0)) for f in figures),
        paid_calls=sum(int(t.user_attrs.get(PAID_CALLS, 0)) for t in study.get_trials(deepcopy=False)),
        races_lost=sum(t.state == optuna.trial.TrialState.PRUNED for t in trials),
        runs=sum(int(f.get("n", 0)) for f in figures),
        runs_spared=sum(int(t.user_attrs.get("spared", 0)) for t in trials),
    )


def _cost_row(job: TuningJob, item: TaskScore) -> list[float]:
    cost = job.costing.mean([item])
    return [cost.compute, cost.seconds]

"""After the search: confirm the one choice, and stamp it with the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, cast

import dspy

from ..evals.evidence import Evidence
from ..evals.search_record import Front
from ..runtime.task import Task
from ..runtime.versions import versions
from .choosing import Choice
from .confirming import Confirmation, confirm
from .front import front_of
from .importances import importances, path_to_best
from .job import TuningJob
from .looks import looks, note_look
from .recording import saved
from .space import with_values
from .stamp import stamp
from .trials import finished


def confirm_choice(job: TuningJob, choice: Choice, locked: Sequence[Task]) -> Confirmation:
    """Confirm the chosen program once on the locked tasks, and note in the study that they were looked at."""
    tuned = with_values(job.program, choice.values)
    if locked:
        note_look(job.study, choice.values)
    return confirm(
        tuned,
        None if choice.values == job.defaults else with_values(job.program, job.defaults),
        trainset=job.tasks,
        locked=locked,
        replicates=job.options.replicates,
        score=job.score_locked,
        seed=job.options.seed,
        cost=job.compute_of,
        caveat=job.costing.caveat,
    )


def front(job: TuningJob, choice: Choice | None) -> Front:
    """The Pareto front on the tuned tasks: of the finalists' fresh replicates where there are some."""
    fresh = [(run.tried.values, run.scores) for run in choice.runs] if choice is not None else []
    return front_of(job.tried(), fresh, job.options.objectives, job.costing)


def stamped(
    job: TuningJob,
    choice: Choice,
    confirmation: Confirmation,
    *,
    locked: Sequence[Task],
    folds: int,
    looked_at: Sequence[TuningJob],
    store: str,
) -> dspy.Module:
    """The chosen program with its evidence.

    Args:
        job: The tuning whose choice it is.
        choice: What was chosen.
        confirmation: What was shown.
        locked: Tasks of the confirmation; none where it was cross-fitted.
        folds: Over how many folds it was cross-fitted; 0 where it was not.
        looked_at: The jobs whose choices were confirmed: one, or one for each fold.
        store: URL of the store.
    """
    how = "locked tasks" if locked else "not confirmed"
    tasks = {"tuned": _listed(job.tasks), "validation": _listed(locked)}
    if folds:
        how = f"cross-fitted over {folds} folds"
        tasks["validation"] = tasks["tuned"]
    tuned = with_values(job.program, choice.values)
    evidence = Evidence(
        verdict=confirmation.verdict,
        confirmed=confirmation.chosen,
        baselines=confirmation.baselines,
        detectable_points=confirmation.detectable_points,
        settings=choice.values,
        finalists=tuple(run.finalist() for run in choice.runs),
        trials=len(finished(job.study)),
        search_rate=choice.search_rate,
        paid=job.meter.paid.to_json(),
        as_if=job.meter.as_if.to_json(),
        seed=job.options.seed,
        study=job.study.study_name,
        store=store.split("@")[-1],
        tasks=tasks,
        versions=versions(),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        how=how,
        choices_confirmed=max([1, *(looks(one.study) for one in looked_at)]),
        objectives=job.options.objectives,
        pick=_picked_how(job, choice),
        front=front(job, choice),
        saved=saved(job.study),
        importances=importances(job.study, job.found),
        path=path_to_best(job.study, job.found),
        estimate=job.estimate,
    )
    stamp(tuned, evidence)
    cast("Any", tuned)._compiled = True
    return tuned


def _picked_how(job: TuningJob, choice: Choice) -> str:
    """How the choice was made, and what that falls short of; "" for the best quality among all finalists."""
    how = str(job.options.pick or "")
    return f"{how or 'the best quality'}, {choice.shortfall}" if choice.shortfall else how


def _listed(tasks: Sequence[Task]) -> list[str]:
    return [f"{task.task_id} {task.digest}" for task in tasks]

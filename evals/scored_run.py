"""One run of a program on one task: judged on all tests, and written to the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dspy

from ..errors import GreenloopError, ProgramError, UsageError
from ..modules.stage import trajectory_of
from ..runtime.execution import Limits
from ..runtime.problem import Steering
from ..runtime.run import Session, use_run
from ..runtime.spending import spent_by_stage
from ..runtime.task import Task
from .check import check, solved
from .program_settings import unusual_conditions
from .scores import TaskScore
from .unread_answer import unread_attempt

Metric = Callable[..., Any]
"""DSPy's convention: metric(example, pred, trace=None) → bool or number, here in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What all (task, replicate) of a scoring share.

    Attributes:
        session: Where it runs.
        program: The program.
        digest: The program's content hash.
        steering: Which tests steer.
        metric: DSPy metric.
        limits: Bounds of the run that judges.
        settings: What the ledger states of how it was run, see `program_settings`.
    """

    session: Session
    program: dspy.Module
    digest: str
    steering: Steering
    metric: Metric = solved
    limits: Limits = field(default_factory=Limits)
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


def score_one(how: Conditions, task: Task, replicate: int) -> tuple[TaskScore, dict[str, str]]:
    """Run one program on one task once, judge the result on all tests, and write the ledger.

    Where an adapter of DSPy's cannot read what the model answered (`dspy.AdapterParseError`), the program gave no code.

    Returns:
        The score, and name to digest of the models that were called.
    """
    session, steering = how.session, how.steering
    problem = task.problem_for(steering)
    run = session.open_run(problem.digest, replicate, task.task_id)
    unread = False
    with use_run(run):
        try:
            prediction = how.program(problem=problem)
        except GreenloopError:
            raise
        except dspy.AdapterParseError as error:
            run.add_attempt(unread_attempt(run, error))
            prediction, unread = dspy.Prediction(code=""), True
        except Exception as error:
            raise ProgramError(
                f"the program raised {type(error).__name__} on task {task.task_id}: {error}"
            ) from error
        code = getattr(prediction, "code", None)
        if not isinstance(code, str):
            raise ProgramError(
                f"the program returned no code for task {task.task_id}: return dspy.Prediction(code=…)"
            )
        trajectory = trajectory_of(run, code)
        verdict = check(task, code, tests="all", limits=how.limits)
        judged = how.metric is solved or unread  # a metric may look at fields that were not read
        value = float(verdict.passed) if judged else _measured(how.metric, task, prediction)
    chosen = trajectory.best
    steered = chosen.execution.outcome if chosen and chosen.execution else "unverified"
    spent = spent_by_stage(run.calls)
    item = TaskScore(task.task_id, replicate, value, verdict.outcome, steered, trajectory, spent)
    models = {call.model: call.digest for call in run.calls}
    session.store.record_run(
        {
            "program": how.digest,
            "task_id": task.task_id,
            "task_digest": task.digest,
            "replicate": replicate,
            "steering": steering,
            "seed": session.seed,
            "score": value,
            "outcome": verdict.outcome,
            "steering_outcome": steered,
            "chosen": trajectory.chosen,
            "verdict": verdict.to_json(),
            "usage": trajectory.usage.to_json(),
            "spent": [row.to_json() for row in spent],
            "models": models,
            "conditions": unusual_conditions(how.settings, how.limits, how.metric),
            "settings": how.settings,
        },
        [attempt.to_json() for attempt in trajectory.attempts],
    )
    return item, models


def _measured(metric: Metric, task: Task, prediction: Any) -> float:
    """What a user's metric says of a prediction."""
    try:
        value = float(metric(task, prediction))
    except GreenloopError:
        raise
    except Exception as error:
        told = f"{type(error).__name__} on task {task.task_id}: {error}"
        raise ProgramError(f"the metric raised {told}") from error
    if not 0 <= value <= 1:
        raise UsageError(f"the metric gave {value:g} on task {task.task_id}: it has to lie in [0, 1]")
    return value

"""What the trials of a study say: one row per distinct configuration, its replicates pooled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import optuna

from ..evals.scoring import Scores

FINISHED = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)

Values = dict[str, Any]
"""Path of a knob → its value as Optuna names it (a `Choice` by its label)."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A configuration that the search scored.

    Attributes:
        values: The knobs' values.
        outcomes: Task → its outcomes, one for each trial that reached the task.
        trials: Numbers of its trials.
        complete: At least one of them was scored on every task.
        rate: Mean over tasks of the mean over replicates, of the complete trials; of all where none is complete.
    """

    values: Values
    outcomes: dict[str, list[float]]
    trials: tuple[int, ...]
    complete: bool
    rate: float

    @property
    def by_task(self) -> dict[str, float]:
        """Task → mean outcome."""
        return {task: sum(runs) / len(runs) for task, runs in self.outcomes.items()}


def finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that ran to their end or lost their race."""
    return study.get_trials(deepcopy=False, states=FINISHED)


def tried(study: optuna.Study, found: Iterable[str]) -> list[Tried]:
    """The distinct configurations that finished, in the order of their first trial."""
    paths = list(found)
    groups: dict[str, list[optuna.trial.FrozenTrial]] = {}
    for trial in finished(study):
        groups.setdefault(key({path: trial.params[path] for path in paths}), []).append(trial)
    return [_pooled(trials, paths) for trials in groups.values()]


def record(study: optuna.Study, trial: optuna.Trial, scores: Scores, tasks: int) -> None:
    """Tell the study what a configuration scored; with fewer than all tasks it has lost its race."""
    trial.set_user_attr("figure", scores.figure().model_dump(mode="json"))
    trial.set_user_attr("scores", {item.task_id: item.score for item in scores.items})
    if len(scores.items) < tasks:
        trial.report(scores.mean, step=len(scores.items))
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, scores.mean)


def key(values: Values) -> str:
    """A text that two equal configurations share."""
    return repr(sorted(values.items()))


def _pooled(trials: Sequence[optuna.trial.FrozenTrial], paths: Sequence[str]) -> Tried:
    outcomes: dict[str, list[float]] = {}
    for trial in trials:
        for task, outcome in trial.user_attrs.get("scores", {}).items():
            outcomes.setdefault(task, []).append(outcome)
    complete = [t for t in trials if t.state == optuna.trial.TrialState.COMPLETE]
    rates = [sum(s.values()) / len(s) for t in complete or trials if (s := t.user_attrs.get("scores"))]
    return Tried(
        values={path: trials[0].params[path] for path in paths},
        outcomes=outcomes,
        trials=tuple(t.number for t in trials),
        complete=bool(complete),
        rate=sum(rates) / len(rates) if rates else 0.0,
    )

"""What the trials of a study say: one row per distinct configuration, its replicates pooled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import optuna

from ..evals.search_record import Cost

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
        costs: Task → [compute, seconds] of a run, as-if.
        cost: Mean as-if cost of a run; None in studies of older versions.
    """

    values: Values
    outcomes: dict[str, list[float]]
    trials: tuple[int, ...]
    complete: bool
    rate: float
    costs: dict[str, list[float]]
    cost: Cost | None

    @property
    def by_task(self) -> dict[str, float]:
        """Task → mean outcome."""
        return {task: sum(runs) / len(runs) for task, runs in self.outcomes.items()}

    def with_runs(self, more: Mapping[str, Sequence[float]]) -> Tried:
        """The same with more outcomes of its tasks."""
        both = {task: [*self.outcomes.get(task, ()), *runs] for task, runs in more.items()}
        return replace(self, outcomes={**self.outcomes, **both})


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


def in_tokens(one: Tried) -> Tried:
    """The same with its compute in tokens, divided into prompts and answers as it was before."""
    cost = one.cost
    if cost is None or cost.compute == cost.tokens:
        return one
    share = cost.tokens / cost.compute if cost.compute else 0.0
    priced = cost.model_copy(
        update={
            "compute": cost.tokens,
            "compute_in": share * cost.compute_in,
            "compute_out": share * cost.compute_out,
        }
    )
    return replace(one, cost=priced)


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
        costs={task: row for t in trials for task, row in t.user_attrs.get("costs", {}).items()},
        cost=_mean_cost([t.user_attrs["cost"] for t in complete or trials if "cost" in t.user_attrs]),
    )


def _mean_cost(rows: Sequence[dict[str, float]]) -> Cost | None:
    if not rows:
        return None
    return Cost(**{name: sum(row[name] for row in rows) / len(rows) for name in Cost.model_fields})

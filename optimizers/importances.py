"""Which knobs mattered in a search, and the path by which its best was found."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna

from ..evals.search_record import Step
from .posterior import task_means
from .study import quiet_optuna
from .trials import Tried, finished, tried

_LEAST_TRIALS = 8


def importances(study: optuna.Study, found: Iterable[str]) -> dict[str, float]:
    """Share of each knob in the differences of the search score, largest first; empty with fewer than 8 configurations.

    Those that were ended early count, too, by the tasks that they did see, set right for how hard these were: a knob
    whose bad values always lose their race would seem to matter little. They are of this search and its noise: with
    few trials take them as a hint.

    Args:
        study: The study; of several objectives the first one, quality, is explained.
        found: Paths of the knobs.

    Source: PED-ANOVA (Watanabe et al., arXiv 2304.10255), as Optuna has it.
    """
    known = [one for one in tried(study, found) if one.outcomes]
    if len(known) < _LEAST_TRIALS:
        return {}
    distributions = {trial.number: trial.distributions for trial in finished(study)}
    with quiet_optuna():
        told = optuna.create_study(direction="maximize")
    told.add_trials(
        optuna.trial.create_trial(params=one.values, distributions=_of(one, distributions), value=score)
        for one, score in zip(known, _set_right(known), strict=True)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few trials
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        shares = optuna.importance.get_param_importances(told, evaluator=evaluator)
    return {path: float(share) for path, share in shares.items()}


def _set_right(known: Sequence[Tried]) -> list[float]:
    """Scores as if each had seen every task: what it gains on a task's mean, on average, and the mean of all."""
    means = task_means([one.outcomes for one in known])
    centre = math.fsum(means.values()) / len(means)
    gains = [[o - means[task] for task, runs in one.outcomes.items() for o in runs] for one in known]
    return [centre + math.fsum(own) / len(own) for own in gains]


def _of(one: Tried, distributions: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    """The distributions that a configuration's values were drawn from."""
    return {path: distributions[one.trials[0]][path] for path in one.values}


def path_to_best(study: optuna.Study, found: Iterable[str]) -> tuple[Step, ...]:
    """The configurations that became the search's best, in order, each with what it changed.

    The scores are the search's own, of one replicate: inflated by selection.
    """
    paths = list(found)
    steps: list[Step] = []
    best: optuna.trial.FrozenTrial | None = None
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,)):
        if best is not None and trial.values[0] <= best.values[0]:
            continue
        before = best.params if best is not None else {}
        changed = {p: trial.params[p] for p in paths if trial.params[p] != before.get(p)}
        steps.append(Step(trial=trial.number, score=trial.values[0], changed=changed))
        best = trial
    return tuple(steps)

"""Which knobs mattered in a search, and the path by which its best was found."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import optuna

from ..evals.search_record import Step
from .trials import key

_LEAST_TRIALS = 8


def importances(study: optuna.Study, found: Iterable[str]) -> dict[str, float]:
    """Share of each knob in the differences of the search score, largest first; empty with fewer than 8 trials.

    They are of this search and its noise: with few trials take them as a hint.

    Args:
        study: The study; of several objectives the first one, quality, is explained.
        found: Paths of the knobs.

    Source: PED-ANOVA (Watanabe et al., arXiv 2304.10255), as Optuna has it.
    """
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    distinct = {key(trial.params) for trial in complete}
    if len(distinct) < _LEAST_TRIALS:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few trials and of the direction, which is turned round here
        shares = optuna.importance.get_param_importances(
            study,
            evaluator=optuna.importance.PedAnovaImportanceEvaluator(),
            target=lambda trial: -trial.values[0],
        )
    known = set(found)
    return {path: float(share) for path, share in shares.items() if path in known}


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

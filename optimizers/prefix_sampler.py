"""The default sampler: TPE that often keeps the settings of earlier stages, whose calls are stored already."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

_KEEP = 0.8
_FURTHER = 0.1
_DONORS = 4
_START = 5


def stages_of(paths: Iterable[str]) -> list[list[str]]:
    """Knobs by the module that holds them, in the order of the program's walk; the program's own knobs come last.

    Example:
        >>> stages_of(["max_iterations", "generate.model", "generate.temperature", "refine.model"])
        [['generate.model', 'generate.temperature'], ['refine.model'], ['max_iterations']]
    """
    groups: dict[str, list[str]] = {}
    for path in paths:
        groups.setdefault(path.rpartition(".")[0], []).append(path)
    own = groups.pop("", None)
    return [*groups.values(), *([own] if own else [])]


class PrefixSampler(optuna.samplers.BaseSampler):
    """TPE over some of the stages, the stages before them as in one of the best trials.

    A call's answer is stored under what went into it, so two configurations pay for the same calls until their first
    difference; continuous temperatures drawn anew each time never meet. Hence, after five finished trials, eight of
    ten draws keep the first stage of a trial drawn from the four best complete ones, one in ten of these each further
    stage too, up to all but the last; TPE draws the rest. The other draws are TPE's alone, and bring new first stages.
    Along a Pareto front the trial is drawn from the front.

    "Earlier" is the order in which the program holds its modules (`generate` before `refine`); knobs of the program
    itself (`max_iterations`) are last. Where the order of the calls is another, less is shared and nothing is wrong.

    A draw depends on the seed and the study's history alone, so that any worker would make the same.

    Args:
        paths: The knobs in the order of the program's walk.
        seed: Seed of this sampler and its TPE.

    Example:
        >>> study = optuna.create_study(sampler=PrefixSampler(["generate.temperature", "samples"], seed=0))
    """

    def __init__(self, paths: Iterable[str], seed: int) -> None:
        self._stages = stages_of(paths)
        self._seed = seed
        self._rest = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_START)
        self._kept: dict[int, dict[str, Any]] = {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Choose what this trial keeps."""
        self._kept[trial.number] = self._keep(study)
        self._rest.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """What TPE draws."""
        kept = self._kept.get(trial.number, {})
        space = self._rest.infer_relative_search_space(study, trial)
        return {name: one for name, one in space.items() if name not in kept}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """TPE's draw."""
        return self._rest.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A kept value, else TPE's draw."""
        kept = self._kept.get(trial.number, {})
        if param_name in kept:
            return kept[param_name]
        return self._rest.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Forget what the trial kept."""
        self._kept.pop(trial.number, None)
        self._rest.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """TPE's, for Optuna's own threads; what is kept stays seeded."""
        self._rest.reseed_rng()

    def _keep(self, study: Study) -> dict[str, Any]:
        over = (TrialState.COMPLETE, TrialState.PRUNED)
        if len(self._stages) < 2 or len(study.get_trials(deepcopy=False, states=over)) < _START:
            return {}
        rng = random.Random(f"prefix {self._seed}")
        donors = [t for t in _best(study) if all(p in t.params for stage in self._stages for p in stage)]
        if not donors or rng.random() >= _KEEP:
            return {}
        stages = 1
        while stages < len(self._stages) - 1 and rng.random() < _FURTHER:
            stages += 1
        donor = rng.choice(donors)
        return {path: donor.params[path] for stage in self._stages[:stages] for path in stage}


def _best(study: Study) -> list[FrozenTrial]:
    if len(study.directions) > 1:
        return study.best_trials
    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return sorted(complete, key=lambda t: (sign * (t.value or 0.0), t.number))[:_DONORS]

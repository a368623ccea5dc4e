"""The default sampler: TPE that often keeps the settings of earlier stages, whose calls are stored already."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ..modules.knobs import Knob
from .posterior import Posterior
from .space import grid, on_step
from .trials import Values, tried

_KEEP = 0.9
_FURTHER = 0.5
_DONORS = 4
_START = 5
_MOST_POINTS = 1000
_DRAWS = 10


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
    difference; continuous temperatures drawn anew each time never meet. Hence, after five finished trials, nine of ten
    draws keep the first stage of a trial drawn from the four best complete ones, each further stage with a chance of
    one half, up to all but the last; TPE draws the rest. Where all but the last are kept and its knobs have few
    values (the number of iterations, say), one that was not tried beside them is taken: it costs next to nothing, while
    what was tried would be paid anew. The other draws are TPE's alone, and bring new first stages. Along a Pareto front
    the trial is drawn from the front.

    "Earlier" is the order in which the program holds its modules (`generate` before `refine`); knobs of the program
    itself (`max_iterations`) are last. Where the order of the calls is another, less is shared and nothing is wrong.

    Where the study knows outcomes of tasks, and quality is all that counts, ten such draws are made, and the one is
    tried of which a `Posterior` hopes most: its mean and one standard deviation, as in upper-confidence-bound search.

    A draw depends on the seed and the study's history alone, so that any worker would make the same.

    Args:
        paths: The knobs in the order of the program's walk; as a mapping with the knobs themselves, so that untried
            values of the last stage are known.
        seed: Seed of this sampler and its TPE.

    Example:
        >>> study = optuna.create_study(sampler=PrefixSampler(["generate.temperature", "samples"], seed=0))
    """

    def __init__(self, paths: Iterable[str] | Mapping[str, Knob], seed: int) -> None:
        self._knobs: Mapping[str, Knob] = paths if isinstance(paths, Mapping) else {}
        self._stages = stages_of(paths)
        self._seed = seed
        self._rest = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_START)
        # Draws that are weighed and mostly left: told to no other worker, as a running trial's are.
        self._drawn = optuna.samplers.TPESampler(seed=seed, n_startup_trials=_START, constant_liar=False)
        self._kept: dict[int, dict[str, Any]] = {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Choose what this trial keeps."""
        rng = random.Random(f"prefix {self._seed}")
        self._rest.before_trial(study, trial)
        self._kept[trial.number] = self._most_promising(study, trial, rng) or self._keep(_Past(study), rng)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """What TPE draws."""
        kept = self._kept.get(trial.number, {})
        space = self._rest.infer_relative_search_space(study, trial)
        return {name: one for name, one in space.items() if name not in kept}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """TPE's draw."""
        drawn = self._rest.sample_relative(study, trial, search_space)
        return {name: on_step(self._knobs.get(name), value) for name, value in drawn.items()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A kept value, else TPE's draw."""
        kept = self._kept.get(trial.number, {})
        if param_name in kept:
            return on_step(self._knobs.get(param_name), kept[param_name])
        drawn = self._rest.sample_independent(study, trial, param_name, param_distribution)
        return on_step(self._knobs.get(param_name), drawn)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Forget what the trial kept."""
        self._kept.pop(trial.number, None)
        self._rest.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """TPE's, for Optuna's own threads; what is kept stays seeded."""
        self._rest.reseed_rng()

    def _most_promising(self, study: Study, trial: FrozenTrial, rng: random.Random) -> Values:
        """The most hopeful of several draws; empty where nothing is known of tasks."""
        past = _Past(study)
        is_given = "fixed_params" in trial.system_attrs
        if is_given or not self._knobs or len(study.directions) > 1 or past.finished < _START:
            return {}
        known = [one for one in tried(study, self._knobs) if one.outcomes]
        space = self._drawn.infer_relative_search_space(study, trial)
        if not known or len(space) < len(self._knobs):
            return {}
        drawn: list[Values] = []
        for _ in range(_DRAWS):
            kept = self._keep(past, rng)
            rest = {path: one for path, one in space.items() if path not in kept}
            drawn.append({**kept, **(self._drawn.sample_relative(study, trial, rest) if rest else {})})
        means, deviations = Posterior(self._knobs, known).of(drawn)
        hopes = [mean + deviation for mean, deviation in zip(means, deviations, strict=True)]
        return drawn[hopes.index(max(hopes))]

    def _keep(self, past: _Past, rng: random.Random) -> Values:
        """What is kept of one of the best trials; where that is all but the last stage, with an untried value there."""
        if len(self._stages) < 2 or past.finished < _START:
            return {}
        donors = [one for one in past.best if all(path in one for stage in self._stages for path in stage)]
        if not donors or rng.random() >= _KEEP:
            return {}
        stages = 1
        while stages < len(self._stages) - 1 and rng.random() < _FURTHER:
            stages += 1
        donor = rng.choice(donors)
        if stages == len(self._stages) - 1:
            left = self._untried(past, donor)
            if left:
                return {**self._of(donor, stages), **rng.choice(left)}
            if left is not None:  # all were tried: the stage before is drawn anew
                stages -= 1
        return self._of(donor, stages)

    def _of(self, donor: Values, stages: int) -> Values:
        """A trial's values of its first stages."""
        return {path: donor[path] for stage in self._stages[:stages] for path in stage}

    def _untried(self, past: _Past, donor: Values) -> list[Values] | None:
        """Values of the last stage that no trial had beside the donor's others; None where they are too many."""
        last = {path: self._knobs[path] for path in self._stages[-1] if path in self._knobs}
        if len(last) < len(self._stages[-1]) or math.prod(k.size for k in last.values()) > _MOST_POINTS:
            return None
        kept = self._of(donor, len(self._stages) - 1)
        beside = [params for params in past.begun if kept.items() <= params.items()]
        had = [{path: params.get(path) for path in last} for params in beside]
        return [point for point in grid(dict(last)) if point not in had]


class _Past:
    """What a study tells a draw, read once.

    Attributes:
        begun: Values of the trials that finished or run.
        finished: How many finished.
        best: Values of the best complete ones; along a Pareto front all of the front.
    """

    def __init__(self, study: Study) -> None:
        over = (TrialState.COMPLETE, TrialState.PRUNED)
        trials = study.get_trials(deepcopy=False, states=(*over, TrialState.RUNNING))
        self.begun: list[Values] = [trial.params for trial in trials]
        self.finished = sum(trial.state in over for trial in trials)
        if len(study.directions) > 1:
            ranked = study.best_trials
        else:
            sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
            complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
            ranked = sorted(complete, key=lambda t: (sign * (t.value or 0.0), t.number))[:_DONORS]
        self.best: list[Values] = [trial.params for trial in ranked]

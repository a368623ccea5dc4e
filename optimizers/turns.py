"""Which configuration a worker of a study tries next: none twice at a time, none lost with a worker that died."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from typing import Any

import optuna

from ..modules.knobs import Knob
from .crew import Crew
from .prefix_sampler import PrefixSampler
from .space import grid, suggest
from .trials import FINISHED, Values, key

_AGAIN = 20
_PAUSE_S = 0.2
_FIXED = "fixed_params"  # where Optuna keeps what `enqueue_trial` was given
_RUNNING = optuna.trial.TrialState.RUNNING
_FAIL = optuna.trial.TrialState.FAIL
_OVER, _QUEUED, _WHOLE = "search over", "first trials queued", "whole space queued"


class Turns:
    """Hands out the trials of one study to the workers that share it.

    Args:
        study: The study.
        crew: This worker.
        found: The knobs.
        first: What is tried before anything else.
        limit: Most trials that finish.
        size: Configurations in the space.
        seed: Seed of the sampler; None where the user gave a sampler.
    """

    def __init__(
        self,
        study: optuna.Study,
        crew: Crew,
        found: Mapping[str, Knob],
        first: Values,
        *,
        limit: int,
        size: float,
        seed: int | None,
    ) -> None:
        self.study, self.crew, self.found, self.first = study, crew, dict(found), first
        self.limit, self.size, self.seed = limit, size, seed
        self._in_vain: set[int] | None = None

    def next(self, budget: str) -> tuple[optuna.Trial, Values] | None:
        """The next trial, claimed for this worker; None when the search is over.

        Waits while other living workers run the last trials: they may die, and their configurations be tried here.

        Args:
            budget: What may be spent, in words: a search that was ended under another budget may go on.
        """
        while True:
            with self.crew.alone(self._part("turn")):
                self._take_over()
                taken = self._trials(*FINISHED, _RUNNING)
                full = len(taken) >= self.limit or len(self._distinct(taken)) >= self.size
                over = budget in self._ended()
                if not full and not over:
                    asked = self._ask()
                    if asked is not None:
                        return asked
                elif not self._trials(_RUNNING):
                    return None
            time.sleep(_PAUSE_S)

    def end(self, budget: str) -> None:
        """No more trials under this budget, for all workers; waits until those that run have ended."""
        with self.crew.alone(self._part("turn")):
            if budget not in self._ended():
                self.study.set_user_attr(_OVER, [*self._ended(), budget])
        self.next(budget)

    def give_back(self, trial: optuna.Trial, values: Values) -> None:
        """Close a trial that did not finish, and queue its configuration once more."""
        with self.crew.alone(self._part("turn")):
            # Where this worker stood still for long, another has taken it over: queued it again, and closed it.
            if any(one.number == trial.number for one in self._trials(_RUNNING)):
                self._queue_again(trial.number, values)
                self.study.tell(trial, state=_FAIL)
        self.crew.drop(self._part(trial.number))

    def done(self, trial: optuna.Trial) -> None:
        """The trial was told to the study."""
        self.crew.drop(self._part(trial.number))

    def _ended(self) -> list[str]:
        """Under which budgets the search has ended; studies of older versions name one."""
        noted = self.study.user_attrs.get(_OVER, [])
        return [noted] if isinstance(noted, str) else noted

    def _ask(self) -> tuple[optuna.Trial, Values] | None:
        if not self.study.user_attrs.get(_QUEUED):
            self.study.enqueue_trial(self.first, skip_if_exists=True)
            self.study.set_user_attr(_QUEUED, True)
        # Apart from the first one: a search that goes on under a larger limit may reach for the whole space.
        if self.size <= self.limit and self.seed is not None and not self.study.user_attrs.get(_WHOLE):
            for values in grid(self.found):
                self.study.enqueue_trial(values, skip_if_exists=True)
            self.study.set_user_attr(_WHOLE, True)
        busy = self._trials(_RUNNING)
        numbers = {trial.number for trial in busy}
        if numbers == self._in_vain:
            return None
        running = self._distinct(busy)
        begun = len(self._trials(*FINISHED, _RUNNING))
        for attempt in range(_AGAIN):
            if self.seed is not None:
                self.study.sampler = PrefixSampler(self.found, seed=_seed(self.seed, begun, attempt))
            trial = self.study.ask()
            values = suggest(trial, self.found)
            if key(values) not in running:
                self.crew.hold(self._part(trial.number))
                return trial, values
            trial.set_user_attr("left out", "another worker is running this configuration")
            self.study.tell(trial, state=_FAIL)
        self._in_vain = numbers  # until one of these ends, draws would be the same again
        return None

    def _take_over(self) -> None:
        """Close the trials of workers that died, and queue their configurations again.

        Queued first, closed then: a worker that dies in between leaves a trial that is not queued twice.
        """
        for trial in self._trials(_RUNNING):
            if not self.crew.is_held(self._part(trial.number)):
                if all(one.number != trial.number for one in self._trials(_RUNNING)):
                    continue  # its worker told it, and gave its claim back, since the trials were read
                # A worker that died before it read them all leaves what was queued for it.
                values = {**trial.system_attrs.get(_FIXED, {}), **trial.params}
                if all(path in values for path in self.found):
                    self._queue_again(trial.number, {path: values[path] for path in self.found})
                self.study.tell(trial.number, state=_FAIL)

    def _queue_again(self, number: int, values: Values) -> None:
        queued = {t.user_attrs.get("taken_over_from") for t in self.study.get_trials(deepcopy=False)}
        if number not in queued:
            self.study.enqueue_trial(values, user_attrs={"taken_over_from": number})

    def _trials(self, *states: optuna.trial.TrialState) -> list[optuna.trial.FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states)

    def _distinct(self, trials: list[optuna.trial.FrozenTrial]) -> set[str]:
        return {key({p: t.params[p] for p in self.found}) for t in trials if set(self.found) <= set(t.params)}

    def _part(self, what: Any) -> str:
        return f"{self.study.study_name}|{what}"


def _seed(seed: int, begun: int, attempt: int) -> int:
    """Seed of a draw: of the search's seed and of how many trials were begun, those that failed left out.

    So a search that was stopped draws what it would have drawn, and no two searches draw alike a trial apart.
    """
    digest = hashlib.blake2b(f"{seed}|{begun}|{attempt}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")

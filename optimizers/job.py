"""One tuning under way: what its phases (search, finalists, confirmation) share."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dspy
import optuna

from ..evals.check import solved
from ..evals.scoring import Metric, Progress, Scores, TaskScore, score
from ..modules.knobs import Knob
from ..runtime.budget import Budget, Meter
from ..runtime.task import Task
from .space import plain_values, with_values
from .study import book_spent
from .trials import tried

FRESH = 1000
"""Number of the first replicate of finalists: no number that a search reaches."""

_BOOK_EVERY_S = 2.0


@dataclass(frozen=True, slots=True)
class TunerProgress:
    """How far a search is.

    Attributes:
        phase: "search", "finalists" or "confirm".
        step: Number of the configuration in this phase, from 1; 0 in "confirm".
        steps: Configurations of this phase; 0 in "confirm".
        settings: The values being scored; in "confirm" the name of the program.
        best: Best score of the search so far; inflated by selection.
        scoring: How far this configuration is.
    """

    phase: str
    step: int
    steps: int
    settings: dict[str, Any] | str
    best: float | None
    scoring: Progress


@dataclass(frozen=True, slots=True)
class TunerOptions:
    """What a tuner was asked to do; see `OptunaTuner` for each."""

    budget: Budget
    metric: Metric = solved
    seed: int = 0
    finalists: int = 3
    replicates: int = 2
    sampler: optuna.samplers.BaseSampler | None = None
    oracle: bool = False
    concurrency: int = 4
    racing: bool = True
    on_progress: Callable[[TunerProgress], None] | None = None


class TuningJob:
    """A program, its knobs, the tuned tasks, the accounts and the study.

    Attributes:
        options: What was asked for.
        program: The program being tuned; never changed.
        found: Its knobs by path.
        tasks: The tuned tasks in a seeded order.
        meter: The accounts.
        study: The Optuna study.
        defaults: The knobs' defaults as Optuna's plain values.
        size: Configurations in the space; infinite with a continuous knob.
    """

    def __init__(
        self,
        options: TunerOptions,
        program: dspy.Module,
        found: dict[str, Knob],
        tasks: Sequence[Task],
        meter: Meter,
        study: optuna.Study,
    ) -> None:
        self.options, self.program, self.found, self.meter, self.study = options, program, found, meter, study
        self.tasks = sorted(tasks, key=lambda t: t.task_id)
        random.Random(options.seed).shuffle(self.tasks)
        self.defaults = plain_values(found, default=True)
        self.size = math.prod(knob.size for knob in found.values())
        self._booked_at = time.monotonic()

    def score_values(
        self,
        values: dict[str, Any],
        phase: str,
        step: int,
        steps: int,
        *,
        first_replicate: int,
        replicates: int = 1,
        stop_early: Callable[[list[TaskScore]], bool] | None = None,
    ) -> Scores:
        """Score a configuration on the tuned tasks."""
        return self.score(
            with_values(self.program, values),
            self.tasks,
            phase,
            values,
            step,
            steps,
            first_replicate=first_replicate,
            replicates=replicates,
            stop_early=stop_early,
        )

    def score_locked(self, program: dspy.Module, tasks: Sequence[Task], what: str) -> Scores:
        """Score a program of the confirmation."""
        return self.score(program, tasks, "confirm", what, 0, 0, replicates=self.options.replicates)

    def score(
        self,
        program: dspy.Module,
        tasks: Sequence[Task],
        phase: str,
        what: dict[str, Any] | str,
        step: int,
        steps: int,
        **how: Any,
    ) -> Scores:
        """Score any program in this job's session, telling how far it is and booking what is paid."""
        best = max((one.rate for one in tried(self.study, self.found) if one.complete), default=None)

        def tell(progress: Progress) -> None:
            self._book_now_and_then()
            if self.options.on_progress is not None:
                self.options.on_progress(TunerProgress(phase, step, steps, what, best, progress))

        return score(
            program,
            tasks,
            oracle=self.options.oracle,
            metric=self.options.metric,
            concurrency=self.options.concurrency,
            on_progress=tell,
            **how,
        )

    def _book_now_and_then(self) -> None:
        """Note what was paid, so that a killed process's spending is not forgotten."""
        now = time.monotonic()
        if now - self._booked_at >= _BOOK_EVERY_S:
            self._booked_at = now
            book_spent(self.study, self.meter.paid)

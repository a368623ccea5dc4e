"""One tuning under way: what its phases (search, finalists, confirmation) share."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import dspy
import optuna

from ..evals.check import solved
from ..evals.progress import Progress
from ..evals.scores import Scores, TaskScore
from ..evals.scoring import Metric, score
from ..evals.search_record import Estimate
from ..modules.knobs import Knob
from ..runtime.budget import Budget, Meter
from ..runtime.task import Task
from .baselines import models_of
from .crew import Crew, SharedMeter
from .front import CheapestWithin
from .objectives import QUALITY, TOKENS, costing
from .space import plain_values, with_values
from .trials import Tried, finished, in_tokens, tried

FRESH = 1000
"""Number of the first replicate of finalists: no number that a search reaches."""


@dataclass(frozen=True, slots=True)
class TunerProgress:
    """How far a search is.

    Attributes:
        phase: "pilot", "search", "finalists" or "confirm".
        step: Number of the configuration in this phase, from 1; 0 in "pilot" and "confirm".
        steps: Configurations of this phase; 0 in "pilot" and "confirm".
        settings: The values being scored; in "confirm" the name of the program.
        best: Best score of the search so far; inflated by selection.
        scoring: How far this configuration is.
        estimate: What the pilot found, once it has; it comes with the pilot's last step, before anything else is
            spent.
        left: What is left of each limit of the budget; empty without one.
        part: "fold 2 of 5" in a cross-fitted tuning; empty else.
    """

    phase: str
    step: int
    steps: int
    settings: dict[str, Any] | str
    best: float | None
    scoring: Progress
    estimate: Estimate | None = None
    left: dict[str, float] = field(default_factory=dict[str, float])
    part: str = ""


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
    concurrency: int = 8
    executor: Executor | None = None
    racing: bool = True
    pruner: optuna.pruners.BasePruner | None = None
    objectives: tuple[str, ...] = (QUALITY,)
    pick: CheapestWithin | None = None
    parameters: Mapping[str, float] = field(default_factory=dict[str, float])
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
        crew: This worker among those of the study.
        defaults: The knobs' defaults as Optuna's plain values.
        size: Configurations in the space; infinite with a continuous knob.
        costing: How a run's compute is counted.
        part: "fold 2 of 5" in a cross-fitted tuning; empty else.
        estimate: What the pilot found, once it has.
    """

    def __init__(
        self,
        options: TunerOptions,
        program: dspy.Module,
        found: dict[str, Knob],
        tasks: Sequence[Task],
        meter: SharedMeter,
        study: optuna.Study,
        *,
        crew: Crew,
        part: str = "",
    ) -> None:
        self.options, self.program, self.found, self.meter, self.study = options, program, found, meter, study
        self.tasks = sorted(tasks, key=lambda t: t.task_id)
        random.Random(options.seed).shuffle(self.tasks)
        self.defaults = plain_values(found, default=True)
        self.size = math.prod(knob.size for knob in found.values())
        self.costing = costing(
            models_of(program),
            options.objectives,
            options.parameters,
            picked_by=options.pick.by if options.pick else "",
        )
        if any(trial.user_attrs.get("unit") == TOKENS for trial in finished(study)):
            self.costing.count_tokens()
        self.part = part
        self.estimate: Estimate | None = None
        self.crew = crew
        self._newest: TunerProgress | None = None
        # The first search of a process counts the pilot's calls, too: it begins with them.
        self._told_calls = meter.own.calls if part else 0

    def tried(self) -> list[Tried]:
        """The distinct configurations that finished, their replicates pooled."""
        found = tried(self.study, self.found)
        return [in_tokens(one) for one in found] if self.costing.unit == TOKENS else found

    def left(self) -> dict[str, float]:
        """What is left of each limit of the whole budget."""
        return Meter(self.options.budget, paid=self.meter.paid).left() | (
            {"wall_seconds": max(0.0, self.options.budget.timeout_s - self.meter.wall_s)}
            if self.options.budget.timeout_s is not None
            else {}
        )

    def told(self, estimate: Estimate) -> None:
        """Keep the pilot's estimate and tell it."""
        self.estimate = estimate
        if self.options.on_progress is not None and self._newest is not None:
            self.options.on_progress(replace(self._newest, estimate=estimate))

    def book(self) -> None:
        """Note what was paid so far, for a process that goes on after this one."""
        self.meter.book()

    @contextmanager
    def alone_after_search(self) -> Generator[None, None, None]:
        """One worker at a time chooses and confirms; the next finds every answer stored, and says the same.

        Who waits keeps nothing of the budget back, so that the first one ends as it would alone.
        """
        self.meter.yield_grant()
        with self.crew.alone(f"{self.study.study_name}|after the search"):
            yield

    def calls_paid_in_trial(self) -> int:
        """Model calls that this worker paid for the search and that no earlier trial was told."""
        return self.meter.own.calls - self._told_calls

    def trial_ended(self) -> None:
        """What was paid so far is no later trial's."""
        self._told_calls = self.meter.own.calls

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
        tasks: Sequence[Task] | None = None,
    ) -> Scores:
        """Score a configuration on the tuned tasks, or on some of them."""
        return self.score(
            with_values(self.program, values),
            tasks or self.tasks,
            phase,
            values,
            step,
            steps,
            first_replicate=first_replicate,
            replicates=replicates,
            stop_early=stop_early,
        )

    def compute_of(self, scores: Scores) -> float:
        """As-if compute of a run on average: parameters × tokens where the models' sizes are known."""
        return self.costing.mean(scores.items).compute

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
        best = max((one.rate for one in self.tried() if one.complete), default=None)

        def tell(progress: Progress) -> None:
            if self.options.on_progress is not None:
                self._newest = TunerProgress(
                    phase, step, steps, what, best, progress, self.estimate, self.left(), self.part
                )
                self.options.on_progress(self._newest)

        try:
            return score(
                program,
                tasks,
                oracle=self.options.oracle,
                metric=self.options.metric,
                concurrency=self.options.concurrency,
                executor=self.options.executor,
                on_progress=tell,
                **how,
            )
        finally:
            if phase not in ("pilot", "search"):
                self.trial_ended()

"""The Optuna tuner: search on one part of the tasks, replicate finalists, confirm the one choice on locked tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any, cast

import dspy
import optuna

from ..errors import ProgramError, UsageError
from ..evals.check import solved
from ..evals.evidence import Evidence
from ..evals.scoring import Metric
from ..runtime.budget import Budget, Meter
from ..runtime.run import Session, use_session
from ..runtime.store import Store, open_store
from ..runtime.task import Task
from ..runtime.versions import versions
from .choosing import Choice, choose
from .confirming import confirm
from .job import TunerOptions, TunerProgress, TuningJob
from .searching import search
from .space import space, with_values
from .study import book_spent, open_study, spent_before, study_name, take_over_stale_trials
from .trials import finished

__all__ = ["OptunaTuner", "TunerProgress"]

_SEARCH_SHARE = 0.6


class OptunaTuner:
    """Finds values for every knob of a program with Optuna's TPE, under a budget, and says what is shown.

    The search and its finalists see the train tasks only. The single chosen program is confirmed once on the
    validation tasks, beside the untuned program as a yardstick; no other configuration ever sees them. A rerun of the
    same command goes on with the same study and pays for no stored call again.

    Args:
        budget: What may be paid; 60 % of it are the search's. Without any limit 20 configurations are tried.
        store: SQLAlchemy URL of cache, ledger and study, or an open store.
        metric: DSPy metric, `gl.solved` by default.
        seed: Seed of the search and of everything drawn.
        finalists: How many of the best configurations are run again on fresh replicates, beside the defaults.
        replicates: Fresh replicates of finalists and of the confirmation.
        sampler: Any Optuna sampler. Without one: brute force where every configuration can be tried, else seeded TPE.
        study: Name of the study; made from the content of program, space, tasks and seed without one.
        oracle: Let hidden tests steer too; stamped on every figure.
        concurrency: Runs at once.
        racing: End a configuration early when paired evidence says that it cannot win; see `optimizers.racing`.
        on_progress: Called after each scored task.

    Attributes:
        study: The `optuna.Study`, once `compile` has run.

    Example:
        >>> tuner = OptunaTuner(budget=Budget(n_trials=10), store="sqlite://")
        >>> tuned = tuner.compile(program, trainset=train, valset=val)    # doctest: +SKIP
        >>> print(tuned.evidence)                                          # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        budget: Budget | None = None,
        store: str | Store = "sqlite:///greenloop.db",
        metric: Metric = solved,
        seed: int = 0,
        finalists: int = 3,
        replicates: int = 2,
        sampler: optuna.samplers.BaseSampler | None = None,
        study: str | None = None,
        oracle: bool = False,
        concurrency: int = 4,
        racing: bool = True,
        on_progress: Callable[[TunerProgress], None] | None = None,
    ) -> None:
        if finalists < 1 or replicates < 1:
            raise UsageError("finalists and replicates must be at least 1")
        self.budget = budget or Budget()
        self.store = store
        self.seed = seed
        self.sampler = sampler
        self.study_name = study
        self.options = TunerOptions(
            budget=self.budget,
            metric=metric,
            seed=seed,
            finalists=finalists,
            replicates=replicates,
            sampler=sampler,
            oracle=oracle,
            concurrency=concurrency,
            racing=racing,
            on_progress=on_progress,
        )
        self._study: optuna.Study | None = None

    @property
    def study(self) -> optuna.Study:
        """The plain Optuna study.

        Raises:
            ProgramError: `compile` has not run yet.
        """
        if self._study is None:
            raise ProgramError("the tuner has no study before compile() has run")
        return self._study

    def compile(
        self, program: dspy.Module, *, trainset: Sequence[Task], valset: Sequence[Task] | None = None
    ) -> dspy.Module:
        """Tune a program.

        Args:
            program: Any DSPy module that holds knobs; it is left as it is.
            trainset: Tasks that the search and its finalists see.
            valset: Tasks for the one confirmation; without them the verdict is "not confirmed".

        Returns:
            A new program with the chosen values and `.evidence`.

        Raises:
            UsageError: The program has no knobs, or a task is in both sets.
            InfrastructureError: A model or the store is away; the same call goes on later.
            BudgetExhausted: The budget did not reach for a single configuration.
        """
        found = space(program)
        _apart(trainset, valset or ())
        store = open_store(self.store) if isinstance(self.store, str) else self.store
        name = self.study_name or study_name(program, found, trainset, self.seed)
        study = open_study(store.url, name, self.sampler or optuna.samplers.TPESampler(seed=self.seed))
        self._study = study
        if self.sampler is None:
            study.sampler = optuna.samplers.TPESampler(seed=self.seed + len(finished(study)))
        take_over_stale_trials(study)
        meter = Meter(self.budget.part(_SEARCH_SHARE), paid=spent_before(study))
        with use_session(Session(store, seed=self.seed, meter=meter)):
            try:
                job = TuningJob(self.options, program, found, trainset, meter, study)
                search(job)
                meter.budget = self.budget
                return _confirmed(job, choose(job), list(valset or ()), store.url, name)
            finally:
                book_spent(study, meter.paid)


def _confirmed(job: TuningJob, choice: Choice, locked: list[Task], url: str, name: str) -> dspy.Module:
    """Confirm the chosen program once on the locked tasks, and stamp it with the evidence."""
    tuned = with_values(job.program, choice.values)
    confirmation = confirm(
        tuned,
        None if choice.values == job.defaults else with_values(job.program, job.defaults),
        trainset=job.tasks,
        locked=locked,
        replicates=job.options.replicates,
        score=job.score_locked,
        seed=job.options.seed,
    )
    cast("Any", tuned).evidence = Evidence(
        verdict=confirmation.verdict,
        confirmed=confirmation.chosen,
        baselines=confirmation.baselines,
        detectable_points=confirmation.detectable_points,
        settings=choice.values,
        finalists=tuple(run.finalist() for run in choice.runs),
        trials=len(finished(job.study)),
        search_rate=choice.search_rate,
        paid=job.meter.paid.to_json(),
        as_if=job.meter.as_if.to_json(),
        seed=job.options.seed,
        study=name,
        store=url.split("@")[-1],
        tasks={
            "tuned": [f"{t.task_id} {t.digest}" for t in job.tasks],
            "validation": [f"{t.task_id} {t.digest}" for t in locked],
        },
        versions=versions(),
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
    cast("Any", tuned)._compiled = True
    return tuned


def _apart(trainset: Sequence[Task], valset: Sequence[Task]) -> None:
    if not trainset:
        raise UsageError("trainset is empty: there is nothing to tune on")
    both = {t.digest for t in trainset} & {t.digest for t in valset}
    if both:
        raise UsageError(f"{len(both)} task(s) stand in trainset and valset: split them with gl.split")

"""The Optuna tuner: search on one part of the tasks, replicate finalists, confirm the one choice on locked tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import dspy
import optuna

from ..errors import ProgramError, UsageError
from ..evals.check import solved
from ..evals.scoring import Metric
from ..evals.search_record import Estimate, Front
from ..evals.split import check_apart
from ..runtime.budget import Budget
from ..runtime.run import Session, use_session
from ..runtime.store import Store, open_store
from ..runtime.task import Task
from .crew import Crew, SharedMeter
from .front import CheapestWithin
from .importances import importances
from .job import TunerOptions, TunerProgress, TuningJob
from .objectives import QUALITY, check_objectives, directions, warn_of_tokens
from .pilot import Folds, check_folds, pilot, plan, wished_folds
from .proving import front
from .space import space
from .study import quiet_optuna, study_names
from .tuning import Tuning

__all__ = ["OptunaTuner", "TunerProgress"]

_FINALISTS = 3
_FINALISTS_OF_A_FRONT = 5
_SUCH_AS = {"sampler": "optuna.samplers.TPESampler(seed=0)", "pruner": "optuna.pruners.WilcoxonPruner()"}


class OptunaTuner:
    """Finds values for every knob of a program with Optuna's TPE, under a budget, and says what is shown.

    The search and its finalists see the train tasks only. The single chosen program is confirmed once on the
    validation tasks, beside the untuned program as a yardstick; no other configuration ever sees them. A rerun of the
    same command goes on with the same study and pays for no stored call again.

    Before the search a pilot of a few tasks says what the budget buys; a budget that cannot reach one configuration
    and its confirmation is refused then. Fewer than 60 tasks without a `valset` are cross-fitted over folds where the
    budget reaches for it: tuned on all folds but one, confirmed on that one, pooled; the program that is returned is
    then tuned on all of them, and the figure is that of tuning like this. Tasks given as `valset` stay locked.

    Args:
        budget: What may be paid; the search plans with at most 60 % of it, and goes on with what finalists and
            confirmation do not need. Without any limit 20 configurations are tried.
        store: SQLAlchemy URL of cache, ledger and study, or an open store.
        metric: DSPy metric, `gl.solved` by default.
        seed: Seed of the search and of everything drawn.
        finalists: How many of the best configurations are run again on fresh replicates, beside the defaults (for
            quality alone only where these still may win). Without a number 3, and 5 along a Pareto front.
        replicates: Fresh replicates of the confirmation, and of finalists as long as they may win.
        objectives: "quality", and, for a Pareto front, "compute" (parameters × tokens, as-if) and "seconds" (of model
            time, as-if).
        pick: How the choice is made among the finalists, on the tuned tasks: `CheapestWithin(points=2)`, or the best
            quality. Another pick on the same study pays only for what it newly needs.
        parameters: Model → number of parameters, for models whose server publishes none.
        folds: Folds of cross-fitting: 0 never does it, 2 or more always, over `trainset` and `valset` together; "few"
            does it with both where they are fewer than 60 tasks and the budget reaches, else keeps to the split; None
            is "few" without a `valset`, and 0 with one.
        sampler: Any Optuna sampler. Without one: brute force where every configuration can be tried, else seeded TPE
            that keeps earlier stages, of whose draws a posterior picks; see `optimizers.prefix_sampler`.
        pruner: Any Optuna pruner, instead of racing; for one objective only. `WilcoxonPruner` is told each task's
            score, any other the mean over the tasks so far.
        study: Name of the study; made from the content of program, space, tasks, objectives and seed without one.
        oracle: Let hidden tests steer too; stamped on every figure.
        concurrency: Runs at once.
        executor: Runs the scoring inside a trial, see `gl.score`: a Dask cluster's `client.get_executor()`, say.
        racing: End a configuration early when paired evidence says that it hardly can win, and leave tasks that came
            out the same in every run to those that lead; see `optimizers.racing`.
        on_progress: Called after each scored task.

    Attributes:
        study: The `optuna.Study`, once `compile` has run; `optuna.visualization` and `optuna-dashboard` read it.
        front: The Pareto front on the tuned tasks, once `compile` has run.
        estimate: What the pilot said, once it has run.

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
        finalists: int | None = None,
        replicates: int = 2,
        objectives: Sequence[str] = (QUALITY,),
        pick: CheapestWithin | None = None,
        parameters: Mapping[str, float] | None = None,
        folds: Folds = None,
        sampler: optuna.samplers.BaseSampler | None = None,
        pruner: optuna.pruners.BasePruner | None = None,
        study: str | None = None,
        oracle: bool = False,
        concurrency: int = 8,
        executor: Executor | None = None,
        racing: bool = True,
        on_progress: Callable[[TunerProgress], None] | None = None,
    ) -> None:
        wanted = check_objectives(objectives)
        if finalists is None:
            finalists = _FINALISTS if len(wanted) == 1 and pick is None else _FINALISTS_OF_A_FRONT
        if finalists < 1 or replicates < 1:
            raise UsageError("finalists and replicates must be at least 1")
        if concurrency < 1:
            raise UsageError(f"concurrency must be at least 1, got {concurrency}")
        _check_kinds(budget, sampler, pruner)
        check_folds(folds)
        if pruner is not None and len(wanted) > 1:
            raise UsageError(
                "Optuna's pruners take one objective: leave pruner out, or search for quality alone"
            )
        self.budget = budget or Budget()
        self.store = store
        self.seed = seed
        self.folds: Folds = folds
        self.study_name = study
        self.options = TunerOptions(
            budget=self.budget,
            metric=metric,
            seed=seed,
            finalists=finalists,
            replicates=replicates,
            sampler=sampler,
            pruner=pruner,
            objectives=wanted,
            pick=pick,
            parameters=dict(parameters or {}),
            oracle=oracle,
            concurrency=concurrency,
            executor=executor,
            racing=racing,
            on_progress=on_progress,
        )
        self._tuning: Tuning | None = None
        self.estimate: Estimate | None = None

    @property
    def study(self) -> optuna.Study:
        """The plain Optuna study.

        Raises:
            ProgramError: `compile` has not run yet.
        """
        return self._ran().study

    @property
    def front(self) -> Front:
        """The Pareto front on the tuned tasks; `front.cheapest_within(2)` looks one up.

        Raises:
            ProgramError: `compile` has not run yet.
        """
        return front(self._ran(), self._tuning.choice if self._tuning else None)

    def importances(self) -> dict[str, float]:
        """Share of each knob in the differences of the search score, largest first; empty with few trials.

        Raises:
            ProgramError: `compile` has not run yet.
        """
        job = self._ran()
        return importances(job.study, job.found)

    def compile(
        self, program: dspy.Module, *, trainset: Sequence[Task], valset: Sequence[Task] | None = None
    ) -> dspy.Module:
        """Tune a program.

        Args:
            program: Any DSPy module that holds knobs; it is left as it is.
            trainset: Tasks that the search and its finalists see.
            valset: Tasks for the one confirmation: locked, however few they are. Without them the verdict is "not
                confirmed", unless it is cross-fitted.

        Returns:
            A new program with the chosen values and `.evidence`.

        Raises:
            UsageError: The program has no knobs, there are no tasks, a problem is in both sets, or tasks or trials are
                too few for the folds that are wished for.
            InfrastructureError: A model or the store is away; the same call goes on later.
            BudgetExhausted: The budget cannot reach for one configuration and its confirmation.
        """
        found = space(program)
        tuned, locked = list(trainset), list(valset or ())
        check_apart(tuned, locked)
        store = open_store(self.store) if isinstance(self.store, str) else self.store
        named = study_names(
            program,
            found,
            self.seed,
            self.options.objectives,
            oracle=self.options.oracle,
            metric=self.options.metric,
        )
        crew = Crew(store, self.study_name or named([*tuned, *locked]))
        meter = SharedMeter(self.budget, crew)
        with crew.present(), use_session(Session(store, seed=self.seed, meter=meter)):
            with quiet_optuna():
                scratch = optuna.create_study(directions=directions(self.options.objectives))
            trial_job = TuningJob(self.options, program, found, tuned, meter, scratch, crew=crew)
            warn_of_tokens(trial_job.costing)
            folds = wished_folds(trial_job, self.folds, tuned, locked)
            measured = pilot(trial_job)
            estimate = plan(trial_job, measured, tuned=len(tuned), locked=len(locked), folds=folds)
            trial_job.told(estimate)
            self.estimate = estimate
            self._tuning = Tuning(
                self.options,
                program,
                found,
                crew,
                meter,
                estimate,
                named=named,
                study_name=self.study_name,
            )
            if estimate.folds:
                return self._tuning.cross_fitted([*tuned, *locked])
            return self._tuning.confirmed(tuned, locked)

    @property
    def _job(self) -> TuningJob | None:
        return self._tuning.job if self._tuning is not None else None

    def _ran(self) -> TuningJob:
        if self._job is None:
            raise ProgramError("the tuner has no study before compile() has run")
        return self._job


def _check_kinds(budget: Any, sampler: Any, pruner: Any) -> None:
    if not isinstance(budget, Budget | None):
        raise UsageError(f"budget is a gl.Budget, such as gl.Budget(tokens=2_000_000), got {budget!r}")
    for name, given, kind in (
        ("sampler", sampler, optuna.samplers.BaseSampler),
        ("pruner", pruner, optuna.pruners.BasePruner),
    ):
        if not isinstance(given, kind | None):
            raise UsageError(f"{name} is one of optuna.{name}s, such as {_SUCH_AS[name]}, got {given!r}")

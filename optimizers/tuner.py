"""The Optuna tuner: search on one part of the tasks, replicate finalists, confirm the one choice on locked tasks."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, cast

import dspy
import optuna

from ..errors import BudgetExhausted, ProgramError, UsageError
from ..evals.check import solved
from ..evals.evidence import Evidence, Finalist
from ..evals.scoring import Metric, Progress, Scores, TaskScore, score
from ..modules.knobs import Knob
from ..runtime.budget import Budget, Meter
from ..runtime.run import Session, use_session
from ..runtime.store import Store, open_store
from ..runtime.task import Task
from ..runtime.versions import versions
from .confirming import confirm
from .racing import Race
from .space import grid, plain_values, space, suggest, with_values
from .study import book_spent, finished, open_study, spent_before, study_name, take_over_stale_trials

_SEARCH_SHARE = 0.6
_DEFAULT_TRIALS = 20
_MOST_TRIALS = 200
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
        self.metric = metric
        self.seed = seed
        self.finalists = finalists
        self.replicates = replicates
        self.sampler = sampler
        self.study_name = study
        self.oracle = oracle
        self.concurrency = concurrency
        self.racing = racing
        self.on_progress = on_progress
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
                search = _Search(self, program, found, list(trainset), meter, study)
                search.run()
                meter.budget = self.budget
                values, runs = search.choose()
                return search.confirm(values, runs, list(valset or ()), store.url, name)
            finally:
                book_spent(study, meter.paid)


class _Search:
    """One run of the tuner: what its phases share."""

    def __init__(
        self,
        tuner: OptunaTuner,
        program: dspy.Module,
        found: dict[str, Knob],
        tasks: list[Task],
        meter: Meter,
        study: optuna.Study,
    ) -> None:
        self.tuner, self.program, self.found, self.meter, self.study = tuner, program, found, meter, study
        self.tasks = sorted(tasks, key=lambda t: t.task_id)
        random.Random(tuner.seed).shuffle(self.tasks)
        self.defaults = plain_values(found, default=True)
        self.size = math.prod(knob.size for knob in found.values())
        self._booked_at = time.monotonic()

    def run(self) -> None:
        """Try configurations until the budget's share, the number of trials or the space is used up."""
        limit = self._limit()
        if not self.study.get_trials(deepcopy=False):
            self.study.enqueue_trial(self.defaults)
            if self.size <= limit and self.tuner.sampler is None:
                for values in grid(self.found):
                    self.study.enqueue_trial(values, skip_if_exists=True)
        while len(finished(self.study)) < limit and len(self._tried()) < self.size:
            trial = self.study.ask()
            values = suggest(trial, self.found)
            try:
                race = self._race()
                scores = self._score(values, "search", len(finished(self.study)) + 1, limit, race.lost)
            except BudgetExhausted:
                self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
                if not finished(self.study):
                    raise
                return
            except BaseException:
                self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
                self.study.enqueue_trial(values)
                raise
            trial.set_user_attr("figure", scores.figure().model_dump(mode="json"))
            trial.set_user_attr("scores", {item.task_id: item.score for item in scores.items})
            if len(scores.items) < len(self.tasks):
                trial.report(scores.mean, step=len(scores.items))
                self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            else:
                self.study.tell(trial, scores.mean)
            book_spent(self.study, self.meter.paid)

    def choose(self) -> tuple[dict[str, Any], list[tuple[dict[str, Any], float, Scores]]]:
        """Run the best configurations again on fresh replicates of the train tasks; the best of these is chosen."""
        results = self._results()
        ranked = sorted(results, key=lambda r: -r[1])[: self.tuner.finalists]
        if not any(values == self.defaults for values, _ in ranked):
            ranked += [r for r in results if r[0] == self.defaults]
        runs: list[tuple[dict[str, Any], float, Scores]] = []
        for step, (values, rate) in enumerate(ranked, 1):
            try:
                scores = self._score(values, "finalists", step, len(ranked))
            except BudgetExhausted:
                break
            runs.append((values, rate, scores))
        if not runs:
            return ranked[0][0], []
        best = max(runs, key=lambda r: (r[2].mean, -r[2].usage().tokens))
        return best[0], runs

    def confirm(
        self,
        values: dict[str, Any],
        runs: list[tuple[dict[str, Any], float, Scores]],
        locked: list[Task],
        url: str,
        name: str,
    ) -> dspy.Module:
        """Confirm the chosen program once on the locked tasks, and stamp it with the evidence."""
        tuned = with_values(self.program, values)
        confirmation = confirm(
            tuned,
            None if values == self.defaults else with_values(self.program, self.defaults),
            trainset=self.tasks,
            locked=locked,
            replicates=self.tuner.replicates,
            score=self._score_locked,
            seed=self.tuner.seed,
        )
        search_rate = {repr(v): r for v, r in self._results()}.get(repr(values), 0.0)
        cast("Any", tuned).evidence = Evidence(
            verdict=confirmation.verdict,
            confirmed=confirmation.chosen,
            baselines=confirmation.baselines,
            detectable_points=confirmation.detectable_points,
            settings=values,
            finalists=tuple(Finalist(settings=v, search_rate=r, figure=s.figure()) for v, r, s in runs),
            trials=len(finished(self.study)),
            search_rate=search_rate,
            paid=self.meter.paid.to_json(),
            as_if=self.meter.as_if.to_json(),
            seed=self.tuner.seed,
            study=name,
            store=url.split("@")[-1],
            tasks={
                "tuned": [f"{t.task_id} {t.digest}" for t in self.tasks],
                "validation": [f"{t.task_id} {t.digest}" for t in locked],
            },
            versions=versions(),
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        cast("Any", tuned)._compiled = True
        return tuned

    def _score_locked(self, program: dspy.Module, tasks: Sequence[Task], what: str) -> Scores:
        """Score a program of the confirmation; baselines picked on train tasks are scored once there."""
        return self._run(program, tasks, "confirm", what, 0, 0, replicates=self.tuner.replicates)

    def _score(
        self,
        values: dict[str, Any],
        phase: str,
        step: int,
        steps: int,
        stop_early: Callable[[list[TaskScore]], bool] | None = None,
    ) -> Scores:
        """Score a configuration on the train tasks: one replicate in the search, fresh ones for finalists."""
        searching = phase == "search"
        return self._run(
            with_values(self.program, values),
            self.tasks,
            phase,
            values,
            step,
            steps,
            replicates=1 if searching else self.tuner.replicates,
            first_replicate=0 if searching else 1,
            stop_early=stop_early,
        )

    def _run(
        self,
        program: dspy.Module,
        tasks: Sequence[Task],
        phase: str,
        what: dict[str, Any] | str,
        step: int,
        steps: int,
        **how: Any,
    ) -> Scores:
        best = max((r for _, r in self._results()), default=None)

        def tell(progress: Progress) -> None:
            self._book()
            if self.tuner.on_progress is not None:
                self.tuner.on_progress(TunerProgress(phase, step, steps, what, best, progress))

        return score(
            program,
            tasks,
            oracle=self.tuner.oracle,
            metric=self.tuner.metric,
            concurrency=self.tuner.concurrency,
            on_progress=tell,
            **how,
        )

    def _book(self) -> None:
        """Note now and then what was paid, so that a killed process's spending is not forgotten."""
        now = time.monotonic()
        if now - self._booked_at >= _BOOK_EVERY_S:
            self._booked_at = now
            book_spent(self.study, self.meter.paid)

    def _results(self) -> list[tuple[dict[str, Any], float]]:
        """Distinct configurations with their mean search score, in the order of their first trial."""
        pooled: dict[str, tuple[dict[str, Any], list[float]]] = {}
        for trial in finished(self.study):
            if trial.state == optuna.trial.TrialState.COMPLETE and trial.value is not None:
                values = {path: trial.params[path] for path in self.found}
                pooled.setdefault(repr(values), (values, []))[1].append(trial.value)
        return [(values, sum(rates) / len(rates)) for values, rates in pooled.values()]

    def _tried(self) -> set[str]:
        """Distinct configurations that ran to their end or lost their race."""
        return {repr({path: trial.params[path] for path in self.found}) for trial in finished(self.study)}

    def _race(self) -> Race:
        """A race of the next configuration against the best complete ones."""
        complete = [t for t in finished(self.study) if t.state == optuna.trial.TrialState.COMPLETE]
        ranked = sorted(complete, key=lambda t: -(t.value or 0.0))
        leaders = [t.user_attrs["scores"] for t in ranked if "scores" in t.user_attrs]
        return Race(leaders if self.tuner.racing else [])

    def _limit(self) -> int:
        if self.tuner.budget.n_trials is not None:
            return self.tuner.budget.n_trials
        limited = self.tuner.budget.model_dump(exclude_none=True)
        return _MOST_TRIALS if limited else _DEFAULT_TRIALS


def _apart(trainset: Sequence[Task], valset: Sequence[Task]) -> None:
    if not trainset:
        raise UsageError("trainset is empty: there is nothing to tune on")
    both = {t.digest for t in trainset} & {t.digest for t in valset}
    if both:
        raise UsageError(f"{len(both)} task(s) stand in trainset and valset: split them with gl.split")

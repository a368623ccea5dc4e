"""One tuning after its pilot: search, search on with what was spared, choose, then confirm or cross-fit."""

from __future__ import annotations

from collections.abc import Sequence

import dspy
import optuna

from ..evals.search_record import Estimate
from ..modules.knobs import Knob
from ..runtime.task import Task
from .choosing import Choice, choose
from .crew import Crew, SharedMeter
from .crossfitting import cross_fit, for_each_search
from .job import TunerOptions, TuningJob
from .objectives import directions
from .pilot import PilotRun, estimated, search_share
from .proving import confirm_choice, stamped
from .searching import search
from .sparing import Shares, shares_to_go_on
from .study import Named, open_study

SEARCH_SHARE = 0.6
"""Most of a budget that a search spends before its costs are reckoned anew."""


class Tuning:
    """One call of `OptunaTuner.compile`, after the pilot.

    Args:
        options: What was asked for.
        program: The program being tuned.
        found: Its knobs by path.
        crew: This worker.
        meter: The accounts.
        estimate: What the pilot found.
        named: Names the studies by what is searched.
        study_name: The study's name where the user gave one.

    Attributes:
        job: The search over all tuned tasks, once it is open.
        choice: What was chosen, once it was.
    """

    def __init__(
        self,
        options: TunerOptions,
        program: dspy.Module,
        found: dict[str, Knob],
        crew: Crew,
        meter: SharedMeter,
        estimate: Estimate,
        *,
        named: Named,
        study_name: str | None,
    ) -> None:
        self._named = named
        self._program, self._found, self._crew = program, found, crew
        self._budget, self._study_name = options.budget, study_name
        self._store = crew.store
        self._meter, self._estimate = meter, estimate
        self._share = search_share(estimate, SEARCH_SHARE)
        self._options = for_each_search(options, estimate)
        self.job: TuningJob | None = None
        self.choice: Choice | None = None

    def confirmed(self, tuned: list[Task], locked: list[Task]) -> dspy.Module:
        """Tune on some tasks, confirm on the locked ones."""
        job = self._open(tuned)
        try:
            choice = self._searched(job, len(locked))
            with job.alone_after_search():
                confirmation = confirm_choice(job, choice, locked)
        finally:
            job.book()
        looked_at = [job] if locked else []
        return stamped(
            job, choice, confirmation, locked=locked, folds=0, looked_at=looked_at, store=self._store.url
        )

    def cross_fitted(self, tasks: list[Task]) -> dspy.Module:
        """Tune on all tasks; show by cross-fitting what tuning like this is worth."""
        folds = self._estimate.folds
        job = self._open(tasks)
        try:
            self._allow_of(0, folds + 1, after_search=False)
            search(job)
            self._allow_of(0, folds + 1, after_search=True)
            choice = self._chosen(job)
            confirmation, jobs = cross_fit(
                tasks,
                folds,
                self._options.seed,
                lambda some, part: self._open(some, part),
                lambda number, after: self._allow_of(number, folds + 1, after_search=after),
            )
        finally:
            job.book()
        return stamped(
            job, choice, confirmation, locked=(), folds=folds, looked_at=jobs, store=self._store.url
        )

    def _searched(self, job: TuningJob, locked: int) -> Choice:
        """Search as planned, then on for as long as something is spared, before the finalists and after them."""

        def at_price(run: PilotRun) -> Estimate:
            # Chosen, defaults, resampling (a sample more than its equal at most) and one draft, all full.
            programs = 3 + 2 / max(1.0, run.cost.calls)
            return estimated(job, run, len(job.tasks), locked, 0, confirmed_programs=programs)

        shares, number, choice = Shares(self._share, 1.0), 0, None
        while shares.search is not None or choice is None:
            if shares.search is not None:
                choice = None
                self._allow(shares.search)
                search(job)
            else:
                self._allow(shares.finalists)
                choice = self._chosen(job)
            shares = shares_to_go_on(job, number, at_price)
            number += 1
        self._allow(1)
        return choice

    def _open(self, tasks: Sequence[Task], part: str = "") -> TuningJob:
        options = self._options
        content = self._named(tasks)
        name = self._study_name or content
        if self._study_name and part:
            name = f"{name} {part}"
        with self._crew.alone("opening"):
            study = open_study(
                self._store.url,
                name,
                options.sampler or optuna.samplers.TPESampler(seed=options.seed),
                content=content,
                directions=directions(options.objectives),
                pruner=options.pruner,
            )
        job = TuningJob(
            options, self._program, self._found, tasks, self._meter, study, crew=self._crew, part=part
        )
        job.estimate = self._estimate
        if not part:
            self.job = job
        return job

    def _chosen(self, job: TuningJob) -> Choice:
        with job.alone_after_search():
            self.choice = choose(job)
        return self.choice

    def _allow_of(self, number: int, searches: int, *, after_search: bool) -> None:
        """What may be spent until one of several searches, or what follows it, is over."""
        self._allow((number + (1.0 if after_search else self._share)) / searches)

    def _allow(self, share: float) -> None:
        """What may be spent from now on: this share of the whole budget."""
        self._meter.budget = self._budget if share >= 1 else self._budget.part(share)

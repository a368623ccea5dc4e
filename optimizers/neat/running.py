"""One run of the search: evolve, choose among finalists, confirm."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast

import dspy

from ...errors import BudgetExhausted
from ...evals.evidence import Evidence, Finalist
from ...evals.scoring import Progress, Scores, score
from ...modules.knobs import knobs, to_plain
from ...runtime.task import Task
from ...runtime.versions import versions
from ..confirming import confirm
from .building import Pool, build_program
from .evaluating import Fitness, Record, ReplayMeter, rate_of
from .evolution import Evolution
from .expressing import Expressed

if TYPE_CHECKING:
    from .search import NeatSearch

_FRESH = 1000  # replicates of finalists: no number that the search reaches


@dataclass(frozen=True, slots=True)
class SearchProgress:
    """How far a search is.

    Attributes:
        phase: "search", "finalists" or "confirm".
        step: Number of the generation or finalist, from 1; 0 in "confirm".
        steps: How many there are at most; 0 in "confirm".
        settings: The graph being scored; in "confirm" the name of the program.
        best: Best fitness of the search so far; inflated by selection.
        scoring: How far this program is.
    """

    phase: str
    step: int
    steps: int
    settings: dict[str, Any] | str
    best: float | None
    scoring: Progress


class SearchRun:
    """One run of a search: what its phases share."""

    def __init__(
        self, search: NeatSearch, loop: dspy.Module, pool: Pool, tasks: list[Task], meter: ReplayMeter
    ) -> None:
        self.owner, self.loop, self.pool, self.meter = search, loop, pool, meter
        self.tasks = sorted(tasks, key=lambda t: t.task_id)
        random.Random(search.seed).shuffle(self.tasks)
        numbers = search.numbers
        self.space = search.space(pool)
        self.evolution = Evolution(self.space, numbers.settings, random.Random(search.seed))
        self.fitness = Fitness(
            self.tasks,
            self._score_graph,
            rotating=numbers.rotating,
            replicates=numbers.replicates,
            most_replicates=numbers.most_replicates,
            node_penalty=numbers.node_penalty,
        )
        self._phase: tuple[str, int, int, dict[str, Any] | str] = ("search", 0, 0, {})

    def search(self) -> None:
        """Evolve until generations, trials or the budget's share are used up."""
        generations = self.owner.numbers.generations
        for number in range(generations):
            told: list[float] = []
            for one in self.evolution.individuals:
                expressed = self.space.express(one.genome)
                self._phase = ("search", number + 1, generations, _shown(expressed))
                try:
                    if self._is_over(expressed):
                        return
                    told.append(self.fitness.of(expressed, self.space.to_json(one.genome), number))
                except BudgetExhausted:
                    if not self.fitness.archive:
                        raise
                    return
            self.evolution.tell(told)

    def confirmed(self, locked: list[Task], url: str) -> dspy.Module:
        """Choose on fresh replicates of the train tasks, confirm on the locked ones, stamp with the evidence."""
        finalists = self._finalists()
        chosen, record = self._chosen(finalists)
        is_loop = record is None
        confirmation = confirm(
            chosen,
            None if is_loop else self.loop,
            trainset=self.tasks,
            locked=locked,
            replicates=self.owner.replicates,
            score=self._score_locked,
            seed=self.owner.seed,
        )
        found = chosen.deepcopy()
        cast("Any", found).evidence = Evidence(
            verdict=confirmation.verdict,
            confirmed=confirmation.chosen,
            baselines=confirmation.baselines,
            detectable_points=confirmation.detectable_points,
            settings=_settings(chosen, record),
            finalists=tuple(
                Finalist(
                    settings=_settings(program, one),
                    search_rate=rate_of(one) if one else scores.mean,
                    figure=scores.figure(),
                )
                for program, one, scores in finalists
            ),
            trials=len(self.fitness.archive),
            search_rate=rate_of(record or self.fitness.ranked()[0]),
            paid=self.meter.paid.to_json(),
            as_if=self.meter.as_if.to_json(),
            seed=self.owner.seed,
            study=self.owner.name(self.pool, self.tasks),
            store=url.split("@")[-1],
            tasks={
                "tuned": [f"{t.task_id} {t.digest}" for t in self.tasks],
                "validation": [f"{t.task_id} {t.digest}" for t in locked],
            },
            versions=versions(),
            created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        cast("Any", found)._compiled = True
        return found

    def _finalists(self) -> list[tuple[dspy.Module, Record | None, Scores]]:
        records: list[Record | None] = [*self.fitness.ranked()[: self.owner.finalists], None]
        made: list[tuple[dspy.Module, Record | None, Scores]] = []
        for step, record in enumerate(records, 1):
            program = self._program(record)
            shown = _shown(record.expressed) if record else "the simple loop"
            self._phase = ("finalists", step, len(records), shown)
            try:
                scores = self._score(program, self.tasks, self.owner.replicates, _FRESH)
            except BudgetExhausted:
                break
            made.append((program, record, scores))
        return made

    def _chosen(
        self, finalists: list[tuple[dspy.Module, Record | None, Scores]]
    ) -> tuple[dspy.Module, Record | None]:
        if not finalists:
            record = self.fitness.ranked()[0]
            return self._program(record), record
        best = max(finalists, key=lambda f: (f[2].mean, -f[2].usage().tokens))
        return best[0], best[1]

    def _program(self, record: Record | None) -> dspy.Module:
        return self.loop if record is None else build_program(record.expressed, self.pool)

    def _is_over(self, expressed: Expressed) -> bool:
        limit = self.owner.budget.n_trials
        archive = self.fitness.archive
        if limit is not None and expressed.digest not in archive and len(archive) >= limit:
            return True
        return bool(archive) and self.meter.exhausted() is not None

    def _score_graph(
        self, expressed: Expressed, tasks: Sequence[Task], replicates: int, first: int
    ) -> Scores:
        return self._score(build_program(expressed, self.pool), tasks, replicates, first)

    def _score_locked(self, program: dspy.Module, tasks: Sequence[Task], what: str) -> Scores:
        """Score a program of the confirmation; single models are picked on train tasks with one run each."""
        self._phase = ("confirm", 0, 0, what)
        return self._score(program, tasks, 1 if what == "single models" else self.owner.replicates, 0)

    def _score(self, program: dspy.Module, tasks: Sequence[Task], replicates: int, first: int) -> Scores:
        best = max((r.fitness for r in self.fitness.archive.values()), default=None)

        def tell(progress: Progress) -> None:
            if self.owner.on_progress is not None:
                self.owner.on_progress(SearchProgress(*self._phase, best, progress))

        return score(
            program,
            tasks,
            replicates=replicates,
            first_replicate=first,
            oracle=self.owner.oracle,
            metric=self.owner.metric,
            concurrency=self.owner.concurrency,
            on_progress=tell,
        )


def _shown(expressed: Expressed) -> dict[str, Any]:
    return {"graph": expressed.wiring.text}


def _settings(program: dspy.Module, record: Record | None) -> dict[str, Any]:
    """A program's graph in one line, and its knobs' values."""
    graph = record.expressed.wiring.text if record else f"given: {type(program).__name__}"
    return {"graph": graph, **{path: to_plain(knob.value) for path, knob in knobs(program).items()}}

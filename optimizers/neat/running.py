"""One run of the search: evolve, choose among finalists, confirm."""

from __future__ import annotations

import hashlib
import json
import random
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, cast

import dspy

from ...errors import BudgetExhausted
from ...evals.evidence import Evidence, Finalist
from ...evals.progress import Progress
from ...evals.scores import Scores
from ...evals.scoring import score
from ...modules.blueprint import program_digest
from ...modules.knobs import knobs
from ...modules.settings import to_plain
from ...runtime.replay_meter import ReplayMeter
from ...runtime.run import current_session
from ...runtime.store.accounts import accounts, put_account
from ...runtime.task import Task
from ...runtime.versions import versions
from ..baselines import models_of
from ..confirming import confirm
from ..crew import Crew
from ..job import FRESH
from ..objectives import QUALITY, costing, warn_of_tokens
from ..stamp import stamp
from .building import Pool, build_program, pool_of
from .ending import ending
from .evaluating import Fitness, Record, rate_of
from .expressing import Expressed
from .reckoning import Costs, between, has_room, most_of, share_before_finalists
from .side_by_side import side_by_side

if TYPE_CHECKING:
    from .search import NeatSearch

SEARCH_SHARE = 0.6
"""Of a budget, the search's; the rest is for finalists and confirmation."""

Phase = tuple[str, int, int, "dict[str, Any] | str"]
"""Name, step, steps, and what is scored."""


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
        self.evolution = search.evolution(self.space, random.Random(search.seed))
        self.fitness = Fitness(
            self.tasks,
            self._score_graph,
            rotating=numbers.rotating,
            replicates=numbers.replicates,
            most_replicates=numbers.most_replicates,
            node_penalty=numbers.node_penalty,
        )
        self._name = search.name(pool, self.tasks)
        self._crew = Crew(current_session().store, self._name)
        self._costing = costing([*models_of(loop), *pool.values()], (QUALITY,), search.parameters)
        warn_of_tokens(self._costing)
        self._generation = 0
        self._in_turn = True
        self._cost: Costs | None = None  # of a generation
        self._paid_before = meter.paid
        self._stopping = threading.Event()
        self._telling = threading.Lock()

    def search(self) -> None:
        """Evolve until generations, trials or the budget's share are used up; with a larger share it goes on."""
        while self._generation < self.owner.numbers.generations:
            self._prepare()
            told: list[float] = []
            for one in self.evolution.individuals:
                expressed = self.space.express(one.genome)
                try:
                    if self._is_over(expressed):
                        return
                    told.append(self.fitness.of(expressed, self.space.to_json(one.genome), self._generation))
                except BudgetExhausted:
                    if not self.fitness.archive:
                        raise
                    return
                if self._cost is None:
                    runs = (self.fitness.rotating or len(self.tasks)) * self.fitness.replicates
                    graphs = [self.space.express(each.genome) for each in self.evolution.individuals]
                    self._cost = most_of(graphs, runs, between(self._paid_before, self.meter.paid))
                    self._prepare()
            self._cost = between(self._paid_before, self.meter.paid)
            self._paid_before = self.meter.paid
            self._generation += 1
            self.evolution.tell(told)

    def search_on(self) -> None:
        """Where no confirmation follows: search with what the finalists leave, too."""
        owner = self.owner
        runs = (owner.finalists + 1) * len(self.tasks) * owner.replicates
        share = share_before_finalists(owner.budget, self.fitness.archive.values(), runs)
        if share > SEARCH_SHARE:
            self.meter.budget = owner.budget.part(share)
            self.search()

    def confirmed(self, locked: list[Task], url: str) -> dspy.Module:
        """Choose on fresh replicates of the train tasks, confirm on the locked ones, stamp with the evidence."""
        self._in_turn = not self._has_room()
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
            cost=lambda scores: self._costing.mean(scores.items).compute,
            caveat=self._costing.caveat,
            models=list({**self.pool, **pool_of(models_of(self.loop))}.values()),
        )
        found = chosen.deepcopy()
        evidence = Evidence(
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
            how="locked tasks" if locked else "not confirmed",
            choices_confirmed=self._looks(chosen) if locked else 1,
        )
        stamp(found, evidence)
        cast("Any", found)._compiled = True
        return found

    def _looks(self, chosen: dspy.Module) -> int:
        """How many different choices of this search were confirmed on its locked tasks by now, this one among them."""
        store, name = current_session().store, f"{self._name}|confirmed"
        put_account(store, name, program_digest(chosen)[:40], {})
        return len(accounts(store, name))

    def _finalists(self) -> list[tuple[dspy.Module, Record | None, Scores]]:
        records: list[Record | None] = [*self.fitness.ranked()[: self.owner.finalists], None]
        made: list[tuple[dspy.Module, Record | None, Scores]] = []
        for step, record in enumerate(records, 1):
            program = self._program(record)
            shown = _shown(record.expressed) if record else "the simple loop"
            phase = ("finalists", step, len(records), shown)
            try:
                scores = self._score(phase, program, self.tasks, self.owner.replicates, FRESH)
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
        return self.loop if record is None else self._build(record.expressed)

    def _build(self, expressed: Expressed) -> dspy.Module:
        return build_program(expressed, self.pool, max_tokens=self.owner.max_tokens)

    def _prepare(self) -> None:
        """Score the generation's graphs side by side, in an order of this process's own, where the budget has room.

        The pass in order that follows decides everything; it finds what was prepared. Another process with the same
        command begins elsewhere, and the store gives each the other's answers.
        """
        self._in_turn = not self._has_room()
        if self.owner.workers < 2 or self._in_turn:
            return
        graphs = {e.digest: e for e in (self.space.express(i.genome) for i in self.evolution.individuals)}
        limit = self.owner.budget.n_trials
        if limit is not None:
            known = self.fitness.archive
            new = [d for d in graphs if d not in known]
            for digest in new[max(0, limit - len(known)) :]:
                del graphs[digest]
        side_by_side(
            lambda graph: self.fitness.prepare(graph, self._generation),
            list(graphs.values()),
            self.owner.workers,
            self._stopping,
        )

    def _has_room(self) -> bool:
        return has_room(self.meter.budget, self.meter.paid, self._cost)

    def _is_over(self, expressed: Expressed) -> bool:
        limit = self.owner.budget.n_trials
        archive = self.fitness.archive
        if limit is not None and expressed.digest not in archive and len(archive) >= limit:
            return True
        return bool(archive) and self.meter.exhausted() is not None

    def _score_graph(
        self, expressed: Expressed, tasks: Sequence[Task], replicates: int, first: int
    ) -> Scores:
        phase = ("search", self._generation + 1, self.owner.numbers.generations, _shown(expressed))
        return self._score(phase, self._build(expressed), tasks, replicates, first)

    def _score_locked(self, program: dspy.Module, tasks: Sequence[Task], what: str) -> Scores:
        """Score a program of the confirmation; single models are picked on train tasks with one run each."""
        replicates = 1 if what == "single models" else self.owner.replicates
        return self._score(("confirm", 0, 0, what), program, tasks, replicates, 0)

    def _score(
        self, phase: Phase, program: dspy.Module, tasks: Sequence[Task], replicates: int, first: int
    ) -> Scores:
        best = max((r.fitness for r in self.fitness.archive.values()), default=None)

        def tell(progress: Progress) -> None:
            if self.owner.on_progress is not None:
                with self._telling:
                    self.owner.on_progress(SearchProgress(*phase, best, progress))

        def work() -> Scores:
            return score(
                program,
                tasks,
                replicates=replicates,
                first_replicate=first,
                oracle=self.owner.oracle,
                metric=self.owner.metric,
                concurrency=self.owner.concurrency,
                on_progress=tell,
                stop_early=lambda _: self._stopping.is_set(),
            )

        content = [
            self._name,
            self.meter.budget.model_dump_json(),
            phase[0],
            program_digest(program),
            [t.digest for t in tasks],
            replicates,
            first,
        ]
        key = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        with self._alone(key):
            return ending(current_session().store, self.meter, key, work)

    @contextmanager
    def _alone(self, key: str) -> Generator[None, None, None]:
        """Where the budget may end, one process at a time: the next one finds the same calls stored, or the same end.

        Side by side each would spend what is left on calls that the other has not made.
        """
        if self._in_turn:
            with self._crew.alone(key):
                yield
        else:
            yield


def _shown(expressed: Expressed) -> dict[str, Any]:
    return {"graph": expressed.wiring.text}


def _settings(program: dspy.Module, record: Record | None) -> dict[str, Any]:
    """A program's graph in one line, and its knobs' values."""
    graph = record.expressed.wiring.text if record else f"given: {type(program).__name__}"
    return {"graph": graph, **{path: to_plain(knob.value) for path, knob in knobs(program).items()}}

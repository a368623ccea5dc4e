"""Fitness: expressed genomes scored on tasks, once per canonical hash, replicated while they survive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...evals.scoring import Scores
from ...runtime.budget import Budget, Meter, Usage
from ...runtime.run import CallRecord
from ...runtime.task import Task
from .expressing import Expressed


class ReplayMeter(Meter):
    """Accounts of a search that count a stored call as paid when the search first needs it.

    So a run that is resumed, or repeated, ends where it would have ended without the store; and what another search has
    left in the store gives this one no further budget: every search pays for its own calls.

    Args:
        budget: What may be paid.
    """

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self._own = threading.Lock()
        self._made: set[str] = set()
        self._replayed: set[str] = set()

    def booked(self, call: CallRecord) -> None:
        """Take a call into account; to be one of the session's `on_call`."""
        with self._own:
            known = call.key in self._made or call.key in self._replayed
            if call.cached and not known:
                self._replayed.add(call.key)
                self._change(call.usage)
            elif not call.cached:
                self._made.add(call.key)
                if call.key in self._replayed:  # a twin of it that waited for this answer was faster here
                    self._replayed.discard(call.key)
                    u = call.usage
                    self._change(Usage(-u.calls, -u.tokens_in, -u.tokens_out, -u.model_seconds))

    def _change(self, by: Usage) -> None:
        with self._lock:
            self._paid += by


@dataclass(slots=True)
class Record:
    """What is known of one expressed genome.

    Attributes:
        expressed: The graph.
        genome: The first genome that expressed to it, as plain data.
        scores: All its scores in the search.
        replicates: How many replicates it was given, where every one is on the same tasks.
        fitness: Its last fitness.
    """

    expressed: Expressed
    genome: dict[str, Any]
    scores: Scores | None = None
    replicates: int = 0
    fitness: float = float("-inf")


Score = Callable[[Expressed, Sequence[Task], int, int], Scores]
"""(graph, tasks, replicates, first replicate) → scores."""


class Fitness:
    """Fitness of expressed genomes, generation by generation.

    Args:
        tasks: The train tasks, in the order in which they rotate.
        score: How to score.
        rotating: Tasks of a generation, the next ones in turn; None for all tasks in every generation.
        replicates: Runs of each task in a genome's first generation.
        most_replicates: A genome that is there in a later generation gets a further replicate, up to so many; its
            fitness is the mean of all: a lucky one falls back.
        node_penalty: Taken off the rate per node.

    Attributes:
        archive: Every expressed genome that was scored, by digest.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        score: Score,
        *,
        rotating: int | None,
        replicates: int,
        most_replicates: int,
        node_penalty: float,
    ) -> None:
        self.tasks, self._score = list(tasks), score
        self.rotating = None if rotating is None or rotating >= len(self.tasks) else rotating
        self.replicates, self.most_replicates = replicates, max(replicates, most_replicates)
        self.node_penalty = node_penalty
        self.archive: dict[str, Record] = {}
        self._done: dict[str, int] = {}

    def of(self, expressed: Expressed, genome: dict[str, Any], generation: int) -> float:
        """Fitness in a generation; genomes of one digest are scored once in it.

        Raises:
            BudgetExhausted: The budget ended before it was known.
        """
        digest = expressed.digest
        record = self.archive.get(digest) or Record(expressed, genome)
        if self._done.get(digest) == generation:
            return record.fitness
        if self.rotating is not None:
            rate = self._on_rotating_tasks(record, generation)
        else:
            rate = self._on_all_tasks(record)
        record.fitness = rate - self.node_penalty * expressed.size
        self.archive[digest] = record
        self._done[digest] = generation
        return record.fitness

    def ranked(self) -> list[Record]:
        """Scored genomes, the best first, by the mean of all their scores less the penalty; ties to fewer calls."""
        return sorted(
            self.archive.values(),
            key=lambda r: (
                -(rate_of(r) - self.node_penalty * r.expressed.size),
                r.expressed.most_calls,
                r.expressed.digest,
            ),
        )

    def batch(self, generation: int) -> list[Task]:
        """The tasks of a generation."""
        if self.rotating is None:
            return self.tasks
        start = generation * self.rotating
        return [self.tasks[(start + i) % len(self.tasks)] for i in range(self.rotating)]

    def _on_all_tasks(self, record: Record) -> float:
        more = self.replicates if record.scores is None else 1
        if record.replicates + more <= self.most_replicates:
            self._add(record, self._score(record.expressed, self.tasks, more, record.replicates))
            record.replicates += more
        return rate_of(record)

    def _on_rotating_tasks(self, record: Record, generation: int) -> float:
        """Tasks come round again as a further replicate: fresh draws, the same for every genome."""
        assert self.rotating is not None
        start = generation * self.rotating
        rounds = sorted({(start + i) // len(self.tasks) for i in range(self.rotating)})
        batch = self.batch(generation)
        found: list[Scores] = []
        for number in rounds:
            tasks = [t for i, t in enumerate(batch) if (start + i) // len(self.tasks) == number]
            found.append(self._score(record.expressed, tasks, self.replicates, number * self.replicates))
        now = found[0] if len(found) == 1 else found[0].merged(found[1])
        self._add(record, now)
        return now.mean

    def _add(self, record: Record, scores: Scores) -> None:
        record.scores = scores if record.scores is None else record.scores.merged(scores)


def rate_of(record: Record) -> float:
    """The search's mean score of a genome: inflated, where it was chosen for it."""
    return record.scores.mean if record.scores is not None else 0.0

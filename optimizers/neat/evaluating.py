"""Fitness: expressed genomes scored on tasks, once per canonical hash, replicated while they survive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...evals.scores import Scores
from ...runtime.task import Task
from ..posterior import task_means
from .expressing import Expressed


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


@dataclass(frozen=True, slots=True)
class Job:
    """What a graph is scored on: tasks, how many replicates, and the number of the first."""

    tasks: tuple[Task, ...]
    replicates: int
    first: int


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
        self._ready: dict[tuple[str, Job], Scores] = {}

    def of(self, expressed: Expressed, genome: dict[str, Any], generation: int) -> float:
        """Fitness in a generation; genomes of one digest are scored once in it.

        Raises:
            BudgetExhausted: The budget ended before it was known.
        """
        digest = expressed.digest
        record = self.archive.get(digest) or Record(expressed, genome)
        if self._done.get(digest) == generation:
            return record.fitness
        found = [self._scored(expressed, job) for job in self.jobs(digest, generation)]
        for scores in found:
            record.scores = scores if record.scores is None else record.scores.merged(scores)
        rate = rate_of(record)
        if self.rotating is not None:
            now = found[0] if len(found) == 1 else found[0].merged(found[1])
            rate = now.mean
        elif found:
            record.replicates += self.replicates if record.replicates == 0 else 1
        record.fitness = rate - self.node_penalty * expressed.size
        self.archive[digest] = record
        self._done[digest] = generation
        return record.fitness

    def jobs(self, digest: str, generation: int) -> list[Job]:
        """What a genome is still to be scored on in a generation.

        Where tasks rotate they come round again as a further replicate: fresh draws, the same for every genome.
        """
        if self._done.get(digest) == generation:
            return []
        if self.rotating is None:
            known = self.archive.get(digest)
            given = known.replicates if known else 0
            more = self.replicates if given == 0 else 1
            return [Job(tuple(self.tasks), more, given)] if given + more <= self.most_replicates else []
        start, n = generation * self.rotating, len(self.tasks)
        rounds: dict[int, list[Task]] = {}
        for place in range(start, start + self.rotating):
            rounds.setdefault(place // n, []).append(self.tasks[place % n])
        return [Job(tuple(tasks), self.replicates, turn * self.replicates) for turn, tasks in rounds.items()]

    def prepare(self, expressed: Expressed, generation: int) -> None:
        """Score a genome ahead of its turn; `of` then finds its scores ready. Safe to call from several threads.

        Raises:
            BudgetExhausted: The budget ended before it was known.
        """
        for job in self.jobs(expressed.digest, generation):
            scores = self._score(expressed, job.tasks, job.replicates, job.first)
            self._ready[expressed.digest, job] = scores

    def ranked(self) -> list[Record]:
        """Scored genomes, the best first, by the mean of all their scores less the penalty; ties to fewer calls.

        Where tasks rotate a score is set right for how hard its tasks were: else all of an easy generation lead.
        """
        hard: dict[str, float] = {}
        if self.rotating is not None:
            hard = task_means(r.scores.by_task() for r in self.archive.values() if r.scores is not None)

        def standing(record: Record) -> float:
            items = record.scores.items if record.scores is not None else ()
            ease = sum(hard[item.task_id] for item in items) / len(items) if hard and items else 0.0
            return rate_of(record) - ease - self.node_penalty * record.expressed.size

        return sorted(
            self.archive.values(), key=lambda r: (-standing(r), r.expressed.most_calls, r.expressed.digest)
        )

    def _scored(self, expressed: Expressed, job: Job) -> Scores:
        ready = self._ready.pop((expressed.digest, job), None)
        return ready or self._score(expressed, job.tasks, job.replicates, job.first)


def rate_of(record: Record) -> float:
    """The search's mean score of a genome: inflated, where it was chosen for it."""
    return record.scores.mean if record.scores is not None else 0.0

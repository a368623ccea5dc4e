"""The structure search on simulated stages: the real evolution and fitness, with a truth that is known.

Nothing is asked of a model and nothing is run: a graph solves a task with a known chance. So hundreds of searches take
seconds, and what a search finds, and how much its own score is too high, can be held against the truth. Everything it
yields is *simulated*.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ..errors import BudgetExhausted
from ..evals.scores import Scores, TaskScore
from ..modules.wiring import MENDERS
from ..optimizers.job import FRESH
from ..optimizers.neat.evaluating import Fitness, Record, rate_of
from ..optimizers.neat.evolution import Evolution, Generation
from ..optimizers.neat.expressing import Expressed
from ..optimizers.neat.paper_space import PaperSpace
from ..optimizers.neat.presets import PRESETS, PresetName
from ..optimizers.neat.spaces import WideSpace
from ..runtime.attempt import Trajectory
from ..runtime.budget import Usage
from ..runtime.task import Task
from .error_process import PASSED, ErrorProcess, uniform

Truth = Callable[[Expressed], Callable[[str, int], bool]]
"""Graph to (task, replicate) → whether it solves that: the same arguments always give the same answer."""


def simple_is_best(graph: Expressed) -> float:
    """A rate: a refining loop helps, its second round too; every node beyond only costs."""
    mends = [n for n in graph.wiring.nodes if n.kind == "refine"]
    return 0.4 + 0.3 * bool(mends) + 0.05 * min(graph.loops, 2) - 0.03 * graph.size


def deep_is_best(graph: Expressed) -> float:
    """A rate: a loop, its critic, own tests for its executor and a planned draft, each helps on top of the others."""
    nodes = graph.wiring.nodes
    value = 0.3 - 0.002 * graph.size
    loops = [n for n in nodes if n.kind == "refine"]
    if loops:
        value += 0.2
        value += 0.15 * any("note" in n.takes for n in loops)
        value += 0.15 * any("tests" in nodes[n.takes["result"][0] - 1].takes for n in loops)
        value += 0.1 * any("plan" in n.takes for n in nodes)
    return value


def by_rate(rate: Callable[[Expressed], float]) -> Truth:
    """A truth in which every task is solved with a graph's rate, by common random numbers among graphs."""

    def of(graph: Expressed) -> Callable[[str, int], bool]:
        chance = rate(graph)
        return lambda task_id, replicate: _draw(task_id, replicate) < chance

    return of


def by_processes(models: dict[str, ErrorProcess]) -> Truth:
    """A truth of models with known error classes and fix rates: drafts, runs and mends as the graph says.

    Args:
        models: Name to process. Analysers and prompts change nothing: that is an assumption.
    """

    def of(graph: Expressed) -> Callable[[str, int], bool]:
        stages = list(zip(graph.wiring.nodes, graph.attributes, strict=True))
        steps = [
            (node.kind, models[own.model], int(uniform(number, step) * 2**31))
            for number, (node, own) in enumerate(stages)
            if node.kind == "generate" or node.kind in MENDERS
            for step in range(own.iterations if node.kind in MENDERS else 1)
        ]

        def solves(task_id: str, replicate: int) -> bool:
            found = ""
            for kind, process, seed in steps:
                if kind == "generate":
                    found = process.next_class(task_id, replicate, seed)
                elif found != PASSED:
                    found = process.next_class(task_id, replicate, seed, "refine", found)
            return found == PASSED

        return solves

    return of


@dataclass(frozen=True, slots=True)
class Found:
    """What a simulated search found.

    Attributes:
        graph: The chosen graph: best of the finalists on fresh replicates of the search tasks.
        champion: The graph that the search itself scored best in one generation, as the paper chose.
        champion_score: That score, without the node penalty: inflated.
        archive: Every scored graph, the best first.
        history: Every generation.
        runs: Runs of a graph on a task, in all.
    """

    graph: Expressed
    champion: Expressed
    champion_score: float
    archive: tuple[Record, ...]
    history: tuple[Generation, ...]
    runs: int


def simulated_search(
    preset: PresetName,
    truth: Truth,
    *,
    seed: int,
    models: Sequence[str] = ("a", "b"),
    tasks: int | Sequence[str] = 60,
    replicates: int | None = None,
    generations: int | None = None,
    finalists: int = 3,
    is_spent: Callable[[], bool] | None = None,
) -> Found:
    """Run a preset's evolution on simulated stages.

    Args:
        preset: "wide" or "paper".
        truth: What solves what.
        seed: Of the evolution; tasks bear it in their names, so that searches draw tasks of their own.
        models: Names of the models.
        tasks: Search tasks: how many, or their names.
        replicates: Runs of a task in each evaluation; the preset's without one.
        generations: Most generations; the preset's without one.
        finalists: Graphs that are run again.
        is_spent: Asked before each graph: True ends the search, as a budget does.
    """
    numbers = PRESETS[preset]
    if replicates is not None:
        numbers = replace(numbers, replicates=replicates)
    names = [f"simulated-{seed}-{i}" for i in range(tasks)] if isinstance(tasks, int) else list(tasks)
    runs = 0

    def score(graph: Expressed, on: Sequence[Task], count: int, first: int) -> Scores:
        nonlocal runs
        if is_spent is not None and is_spent():
            raise BudgetExhausted("the simulated budget is spent")
        runs += len(on) * count
        return _scores(truth, graph, [t.task_id for t in on], count, first)

    fitness = Fitness(
        [Task(task_id=name, prompt=name) for name in names],
        score,
        rotating=numbers.rotating,
        replicates=numbers.replicates,
        most_replicates=numbers.most_replicates,
        node_penalty=numbers.node_penalty,
    )
    space = PaperSpace(list(models)) if preset == "paper" else WideSpace(list(models))
    evolution = Evolution(space, numbers.settings, random.Random(seed))
    for number in range(generations or numbers.generations):
        graphs = [space.express(one.genome) for one in evolution.individuals]
        try:
            evolution.tell([fitness.of(graph, {}, number) for graph in graphs])
        except BudgetExhausted:
            if not evolution.history:
                raise
            break
    ranked = fitness.ranked()
    fresh = [
        (_scores(truth, r.expressed, names, 2, FRESH).mean, -i) for i, r in enumerate(ranked[:finalists])
    ]
    last = evolution.history[-1]
    best = max(range(len(last.fitness)), key=lambda i: (last.fitness[i], -last.individuals[i].number))
    champion = space.express(last.individuals[best].genome)
    return Found(
        ranked[-max(fresh)[1]].expressed,
        champion,
        last.fitness[best] + numbers.node_penalty * champion.size,
        tuple(ranked),
        tuple(evolution.history),
        runs,
    )


def true_rate(
    truth: Truth, graph: Expressed, tasks: Sequence[str], replicates: int, first: int = 0
) -> list[float]:
    """Rates of whole runs on these tasks: one number for each replicate."""
    solves = truth(graph)
    return [sum(solves(t, r) for t in tasks) / len(tasks) for r in range(first, first + replicates)]


@lru_cache(maxsize=200_000)
def _draw(task_id: str, replicate: int) -> float:
    return uniform("rate", task_id, replicate)


def _scores(truth: Truth, graph: Expressed, tasks: Sequence[str], count: int, first: int) -> Scores:
    solves = truth(graph)
    items = tuple(
        TaskScore(t, r, float(solves(t, r)), "", "", Trajectory(t, r, (), None, Usage()))
        for r in range(first, first + count)
        for t in tasks
    )
    return Scores(graph.digest, "visible", "simulated", {"simulated/stages": ""}, items, simulated=True)


__all__ = [
    "Found",
    "Truth",
    "by_processes",
    "by_rate",
    "deep_is_best",
    "rate_of",
    "simple_is_best",
    "simulated_search",
    "true_rate",
]

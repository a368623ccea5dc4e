"""On simulated stages: the search finds structure that is there, and its own scores are inflated as is said."""

from __future__ import annotations

from statistics import mean

import pytest
from greenloop.testing.error_process import paper_process
from greenloop.testing.simulated_graphs import WorldOfGraphs
from greenloop.testing.simulated_program import SimulatedWorld
from greenloop.testing.simulated_search import (
    by_processes,
    by_rate,
    deep_is_best,
    simple_is_best,
    simulated_search,
    true_rate,
)

SEEDS = 6
DEEP = {"plan", "generate", "write_tests", "execute", "critique", "refine"}


@pytest.mark.slow
def test_the_wide_preset_finds_the_best_topology_where_there_is_one() -> None:
    """Twenty seeds stand in benchmarks/neat.py."""
    simple = [
        simulated_search("wide", by_rate(simple_is_best), seed=s, tasks=100).graph for s in range(SEEDS)
    ]
    assert sum(g.wiring.text == "refine(generate, execute)" for g in simple) > SEEDS / 2
    deep = [simulated_search("wide", by_rate(deep_is_best), seed=s, tasks=100).graph for s in range(SEEDS)]
    assert sum({n.kind for n in g.wiring.nodes} >= DEEP and deep_is_best(g) > 0.88 for g in deep) > SEEDS / 2


def test_the_papers_search_score_is_inflated_and_replicates_shrink_that() -> None:
    """The search's score against the same champion's mean of whole runs, by replicates of its fitness."""
    truth = by_processes({"llama3.2:3b": paper_process()})
    tasks = [f"full-{i}" for i in range(164)]
    gaps: dict[int, list[float]] = {1: [], 5: []}
    for replicates, found_gaps in gaps.items():
        for seed in range(6):
            found = simulated_search(
                "paper",
                truth,
                seed=seed,
                models=["llama3.2:3b"],
                tasks=164,
                replicates=replicates,
                generations=6,
            )
            found_gaps.append(found.champion_score - mean(true_rate(truth, found.champion, tasks, 10)))
    assert mean(gaps[1]) > 0.03
    assert mean(gaps[5]) < mean(gaps[1])


def test_the_same_seed_finds_the_same() -> None:
    one, other = (
        simulated_search("wide", by_rate(simple_is_best), seed=1, tasks=20, generations=3) for _ in range(2)
    )
    assert one.history == other.history
    assert one.graph == other.graph


def test_on_a_simulated_world_a_budget_ends_the_search_and_the_truth_is_what_runs_show() -> None:
    world = SimulatedWorld.drawn(0, tasks=300, population=300)
    names = [task.task_id for task in world.tasks]
    truth = WorldOfGraphs(world, seed=0)
    found = simulated_search(
        "paper",
        truth,
        seed=0,
        models=list(world.models),
        tasks=names[:60],
        is_spent=lambda: truth.calls >= 3000,
    )
    assert 3000 <= truth.calls < 3000 + 25 * 30 + 3 * 2 * 60 * 30
    assert 1 <= len(found.history) < 20
    # Tasks and population are drawn alike: their means differ by what 300 tasks each allow.
    shown = mean(true_rate(truth, found.graph, names, 10, first=500))
    assert abs(shown - truth.rate(found.graph)) < 0.1

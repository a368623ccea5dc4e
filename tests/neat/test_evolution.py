"""The evolution apart from models: it could find structure if it were there; species, places, ties."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from statistics import mean
from types import SimpleNamespace

import greenloop as gl
import pytest
from greenloop.errors import UsageError
from greenloop.evals.scores import Scores, TaskScore
from greenloop.modules.graph import Graph
from greenloop.optimizers.neat.drawing import draw, draw_species
from greenloop.optimizers.neat.evaluating import Fitness
from greenloop.optimizers.neat.evolution import Evolution, Settings
from greenloop.optimizers.neat.expressing import Expressed
from greenloop.optimizers.neat.history import champion
from greenloop.optimizers.neat.spaces import WideSpace
from greenloop.optimizers.neat.species import Species, shares
from greenloop.runtime.attempt import Trajectory
from greenloop.runtime.budget import Usage
from greenloop.testing.simulated_search import deep_is_best, simple_is_best

SEEDS = 20


def kinds(expressed: Expressed) -> set[str]:
    return {node.kind for node in expressed.wiring.nodes}


def evolve(seed: int, truth: Callable[[Expressed], float], noise: float = 0.0) -> Expressed:
    """What a search would choose: fitness replicated while a genome survives, three finalists drawn afresh."""
    rng = random.Random(seed)
    evolution = Evolution(WideSpace(["a", "b"], most_calls=12), Settings(), random.Random(seed))
    seen: dict[str, Expressed] = {}
    draws: dict[str, list[float]] = {}
    for _ in range(20):
        made = [evolution.space.express(one.genome) for one in evolution.individuals]
        for digest, expressed in {e.digest: e for e in made}.items():
            seen[digest] = expressed
            known = draws.setdefault(digest, [])
            more = 2 if not known else int(len(known) < 6)
            known += [truth(expressed) + rng.gauss(0, noise) for _ in range(more)]
        evolution.tell([mean(draws[e.digest]) for e in made])
    finalists = sorted(draws, key=lambda d: mean(draws[d]), reverse=True)[:3]
    return seen[max(finalists, key=lambda d: truth(seen[d]) + rng.gauss(0, noise / 1.4))]


@pytest.mark.slow
def test_where_the_simple_loop_is_best_it_is_found_in_most_of_twenty_seeds() -> None:
    found = [evolve(seed, simple_is_best, noise=0.02) for seed in range(SEEDS)]
    loops = [e for e in found if kinds(e) == {"generate", "execute", "refine"} and e.size == 3]
    assert len(loops) >= 0.7 * SEEDS


@pytest.mark.slow
def test_where_a_deeper_graph_is_best_it_is_found_in_most_of_twenty_seeds() -> None:
    wanted = {"plan", "generate", "write_tests", "execute", "critique", "refine"}
    found = [evolve(seed, deep_is_best, noise=0.02) for seed in range(SEEDS)]
    assert sum(wanted <= kinds(e) and deep_is_best(e) > 0.88 for e in found) >= 0.7 * SEEDS


def test_the_same_fitness_goes_the_same_way_and_parents_are_of_the_generation_before() -> None:
    runs = []
    for _ in range(2):
        evolution = Evolution(WideSpace(["a"]), Settings(population=10), random.Random(3))
        for _ in range(5):
            evolution.tell([simple_is_best(evolution.space.express(i.genome)) for i in evolution.individuals])
        runs.append(evolution.history)
    assert runs[0] == runs[1]
    for before, after in zip(runs[0], runs[0][1:], strict=False):
        numbers = {i.number for i in before.individuals}
        assert all(set(i.parents) <= numbers for i in after.individuals)
        assert len(after.individuals) == 10
        best = max(range(10), key=lambda k, g=before: (g.fitness[k], -g.individuals[k].number))
        genomes = [i.genome for i in after.individuals if i.origin == "elite"]
        assert before.individuals[best].genome in genomes or before.fitness.count(max(before.fitness)) > 1


def test_the_number_of_species_stays_near_what_is_wanted() -> None:
    evolution = Evolution(WideSpace(["a", "b"]), Settings(), random.Random(1))
    for _ in range(20):
        evolution.tell([deep_is_best(evolution.space.express(i.genome)) for i in evolution.individuals])
    counts = [len(set(g.species)) for g in evolution.history]
    assert 1 < sum(counts[8:]) / len(counts[8:]) < 9


def test_places_go_by_shared_fitness_and_add_up() -> None:
    big, small = Species(0, None, [0, 1, 2, 3]), Species(1, None, [4])
    assert shares([big, small], [0.5] * 5, 10) == [5, 5]
    assert shares([big, small], [-1.0, -1, -1, -1, 0.0], 7) == [0, 7]
    many = [Species(i, None, [i]) for i in range(9)]
    assert sum(shares(many, [0.1 * i for i in range(9)], 4)) == 4


def test_a_population_needs_room() -> None:
    with pytest.raises(UsageError, match="at least two"):
        Settings(population=1)


def test_drawings_are_plain_svg_that_escapes_and_follows_light_and_dark() -> None:
    from xml.dom.minidom import parseString

    drawn = [draw(evolve(seed, deep_is_best)) for seed in range(3)]
    graph = Graph()
    graph.node1.write.model.value = "<odd & name>"
    drawn.append(draw(graph))
    assert "&lt;odd &amp; name&gt;" in drawn[-1]
    evolution = Evolution(WideSpace(["a"]), Settings(population=6), random.Random(0))
    for _ in range(4):
        evolution.tell([simple_is_best(evolution.space.express(i.genome)) for i in evolution.individuals])
    drawn += [draw_species(evolution.history), draw_species(evolution.history[:1])]
    for text in drawn:
        parseString(text)
        assert "prefers-color-scheme: dark" in text
        assert "<script" not in text
    assert gl.Graph is Graph


def three_graphs() -> tuple[Evolution, list[Expressed]]:
    evolution = Evolution(WideSpace(["a", "b"]), Settings(population=8), random.Random(0))
    made = {e.digest: e for e in (evolution.space.express(i.genome) for i in evolution.individuals)}
    return evolution, list(made.values())[:3]


def test_where_tasks_rotate_graphs_of_an_easy_generation_do_not_lead() -> None:
    _, (weak, common, good) = three_graphs()
    solves = {  # of the easy tasks, and of the hard ones
        weak.digest: (0.8, 0.0),
        common.digest: (1.0, 0.0),
        good.digest: (1.0, 0.6),
    }

    def score(graph: Expressed, on: Sequence[gl.Task], count: int, first: int) -> Scores:
        easy, hard = solves[graph.digest]
        numbers = [int(task.task_id) for task in on]
        solved = {n: n % 5 < 5 * (easy if n < 5 else hard) for n in numbers}
        runs = [
            TaskScore(str(n), 0, float(solved[n]), "", "", Trajectory(str(n), 0, (), None, Usage()))
            for n in numbers
        ]
        return Scores(graph.digest, "visible", "simulated", {}, tuple(runs))

    fitness = Fitness(
        [gl.Task(task_id=str(i), prompt=f"Task {i}.") for i in range(10)],
        score,
        rotating=5,
        replicates=1,
        most_replicates=1,
        node_penalty=0.0,
    )
    for graph, generations in ((weak, (0,)), (common, (0, 1)), (good, (1,))):
        for generation in generations:
            fitness.of(graph, {}, generation)
    assert fitness.ranked()[0].expressed.digest == good.digest


def test_the_family_tree_is_that_of_the_best_graph_that_it_holds() -> None:
    evolution, graphs = three_graphs()
    evolution.tell([0.5] * 8)
    digests = [evolution.space.express(i.genome).digest for i in evolution.history[0].individuals]
    unknown = SimpleNamespace(expressed=SimpleNamespace(digest="first scored as the budget ended"))
    best = champion(
        evolution.history, [unknown, *(SimpleNamespace(expressed=g) for g in graphs[1:])], evolution.space
    )
    assert best is not None
    assert evolution.space.express(best.genome).digest == graphs[1].digest in digests
    assert champion(evolution.history, [unknown], evolution.space) is None

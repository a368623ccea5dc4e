"""The genome: whatever mutation and crossover make expresses to a valid program within its budget."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import partial

import greenloop as gl
import pytest
from greenloop.errors import UsageError
from greenloop.modules.blueprint import blueprint, build
from greenloop.modules.wiring import MOST_NODES, Wiring, simple_loop
from greenloop.optimizers.neat.attributes import Attributes, perturbed
from greenloop.optimizers.neat.building import build_program
from greenloop.optimizers.neat.expressing import InvalidGenome, express
from greenloop.optimizers.neat.genome import ConnectionGene, Genome, NodeGene, minimal
from greenloop.optimizers.neat.innovations import OUTPUT, Innovations
from greenloop.optimizers.neat.operators import Rates, Weights, crossover, distance, mutate
from greenloop.optimizers.neat.sketch import Sketch
from greenloop.testing import ScriptedModel
from hypothesis import given, settings
from hypothesis import strategies as st

MOST_CALLS = 12
MODELS = ("a", "b")
valid = partial(express, most_calls=MOST_CALLS)
EAGER = Rates(add_node=0.5, add_connection=0.2, toggle=0.15)
seeds = st.integers(0, 2**32 - 1)


def walk(seed: int, steps: int = 25) -> list[Genome]:
    """Genomes of one run: changed and crossed at random."""
    rng, numbers = random.Random(seed), Innovations()
    found = [minimal(numbers, Attributes(model="a"))]
    for _ in range(steps):
        parent = rng.choice(found[-6:])
        if rng.random() < 0.3:
            parent = crossover(parent, rng.choice(found), rng, valid=valid)
        found.append(mutate(parent, numbers, rng, models=MODELS, rates=EAGER, valid=valid)[0])
    return found


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_every_reachable_genome_expresses_to_a_program_within_its_limits(seed: int) -> None:
    for genome in walk(seed):
        made = express(genome)
        assert made.size <= MOST_NODES
        assert made.most_calls <= MOST_CALLS
        assert Wiring.from_plain(made.wiring.to_plain()) == made.wiring
        told = json.loads(json.dumps(genome.to_json()))
        assert [n["kind"] for n in told["nodes"]] == [n.kind for n in genome.nodes]


@settings(max_examples=8, deadline=None)
@given(seeds)
def test_programs_make_no_more_calls_than_their_genome_says_and_export(seed: int) -> None:
    task = gl.Task(task_id="f", prompt="Write f.", entry_point="f", visible_tests=["assert f(1) == 2"] * 1)
    models = {name: ScriptedModel(["I do not know."], name=name) for name in MODELS}
    for genome in walk(seed)[-4:]:
        made = express(genome)
        program = build_program(made, models)
        with gl.session() as session:
            program(problem=task.problem)
            assert session.meter.as_if.calls <= made.most_calls
        named = build_program(made, {name: f"ollama:{name}" for name in MODELS})
        assert build(blueprint(named)).wiring.value == made.wiring.to_plain()


def test_walks_reach_every_kind_of_node_and_large_graphs() -> None:
    made = [express(genome) for seed in range(12) for genome in walk(seed, 40)]
    kinds = {node.kind for one in made for node in one.wiring.nodes}
    assert kinds == set("plan generate write_tests execute critique refine route escalate select".split())
    assert max(one.size for one in made) == MOST_NODES
    assert simple_loop() in [one.wiring for one in made]


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_crossover_of_equal_parents_is_the_identity(seed: int) -> None:
    for genome in walk(seed)[-5:]:
        assert crossover(genome, genome, random.Random(seed)) == genome


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_the_distance_is_a_pseudo_metric(seed: int) -> None:
    rng, genomes = random.Random(seed), walk(seed)

    def twin(genome: Genome) -> Genome:
        nodes = [
            replace(n, attributes=replace(n.attributes, temperature=rng.random(), model=rng.choice(MODELS)))
            for n in genome.nodes
        ]
        return Genome(tuple(nodes), tuple(replace(c, enabled=rng.random() < 0.5) for c in genome.connections))

    genomes += [twin(genome) for genome in genomes[-6:]]
    for _ in range(60):
        a, b, c = (rng.choice(genomes) for _ in range(3))
        assert distance(a, a) == 0
        assert distance(a, b) == distance(b, a) >= 0
        assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-9


def test_weights_that_would_break_the_triangle_are_refused() -> None:
    with pytest.raises(UsageError, match="twice"):
        Weights(attributes=3)


def test_distance_grows_with_structure_and_attributes() -> None:
    numbers = Innovations()
    start = minimal(numbers)
    sketch = Sketch(start, numbers, random.Random(0), ("",))
    sketch.insert(start.connections[1], "refine")
    hot = replace(start, nodes=(replace(start.nodes[0], attributes=Attributes(temperature=0.9)),))
    assert 0 < distance(start, hot) < distance(start, sketch.genome())


def test_equal_structural_changes_have_equal_numbers_in_any_genome_and_order() -> None:
    numbers = Innovations()
    start = minimal(numbers)
    made = []
    for kinds in (("plan", "refine"), ("refine", "plan")):
        sketch = Sketch(start, numbers, random.Random(1), ("",))
        for kind in kinds:
            sketch.insert(start.connections[0 if kind == "plan" else 1], kind)
        made.append(sketch.genome())
    assert [n.node for n in made[0].nodes] == [n.node for n in made[1].nodes]
    assert [(c.innovation, c.source, c.target) for c in made[0].connections] == [
        (c.innovation, c.source, c.target) for c in made[1].connections
    ]


def test_add_node_disables_the_split_connection_where_the_new_node_takes_its_place() -> None:
    numbers = Innovations()
    start = minimal(numbers)
    sketch = Sketch(start, numbers, random.Random(0), ("",))
    sketch.insert(start.connections[1], "refine")
    made = sketch.genome()
    assert not made.connections[1].enabled
    assert express(made).wiring == simple_loop()


def test_a_gene_disabled_in_one_parent_stays_disabled_with_three_quarters() -> None:
    numbers = Innovations()
    start = minimal(numbers)
    extra = NodeGene(9, "generate")
    plain_one = Genome((*start.nodes, extra), (*start.connections, ConnectionGene(7, 0, 9)))
    off = Genome(plain_one.nodes, (*start.connections, ConnectionGene(7, 0, 9, enabled=False)))
    rng = random.Random(0)
    enabled = sum(crossover(plain_one, off, rng).connections[-1].enabled for _ in range(4000))
    assert enabled / 4000 == pytest.approx(0.25, abs=0.03)


def test_neutral_genomes_share_their_hash() -> None:
    numbers = Innovations()
    start = minimal(numbers)
    dead = Genome((*start.nodes, NodeGene(9, "plan")), (*start.connections, ConnectionGene(7, 0, 9)))
    unused = replace(start, nodes=(replace(start.nodes[0], attributes=Attributes(iterations=3)),))
    other_ids = Genome(
        (NodeGene(40, "generate"),), (ConnectionGene(90, 0, 40), ConnectionGene(91, 40, OUTPUT))
    )
    digests = {express(g).digest for g in (start, dead, unused, other_ids)}
    assert len(digests) == 1
    hot = replace(start, nodes=(replace(start.nodes[0], attributes=Attributes(temperature=0.9)),))
    assert express(hot).digest not in digests


def test_circles_and_empty_ports_are_pruned_and_a_genome_without_code_is_invalid() -> None:
    numbers = Innovations()
    start = minimal(numbers)
    with pytest.raises(InvalidGenome, match="no code"):
        express(replace(start, connections=tuple(replace(c, enabled=False) for c in start.connections)))
    nodes = (*start.nodes, NodeGene(5, "select"), NodeGene(6, "select"))
    circle = (ConnectionGene(10, 5, 6), ConnectionGene(11, 6, 5), ConnectionGene(12, 5, OUTPUT))
    assert express(Genome(nodes, (*start.connections, *circle))).size == 1


def test_genes_that_make_no_genome_are_refused() -> None:
    draft = NodeGene(2, "generate")
    with pytest.raises(UsageError, match="share an id"):
        Genome((draft, NodeGene(2, "plan")), ())
    with pytest.raises(UsageError, match="joins no ports"):
        Genome((draft,), (ConnectionGene(0, 0, 1),))
    with pytest.raises(UsageError, match="both ends"):
        Genome((draft,), (ConnectionGene(0, 2, OUTPUT), ConnectionGene(1, 2, OUTPUT)))
    with pytest.raises(UsageError, match="iterations lies from 1 to 3"):
        Attributes(iterations=9)


def test_a_change_of_attributes_changes_something() -> None:
    rng = random.Random(0)
    for kind in ("generate", "plan", "refine", "route", "execute", "select"):
        own = Attributes(model="a", temperature=rng.choice((0.0, 1.2)))
        for _ in range(40):
            changed = perturbed(kind, own, MODELS, rng)
            assert changed != own
            own = changed

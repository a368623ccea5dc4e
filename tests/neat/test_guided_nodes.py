"""Execution-guided drafts as nodes: there only where they are asked for, then like any other node."""

from __future__ import annotations

import random
from functools import partial

import greenloop as gl
import pytest
from greenloop.errors import UsageError
from greenloop.modules.blueprint import blueprint, build
from greenloop.modules.graph import Drafts, Graph
from greenloop.modules.wiring import DEFAULT_KINDS, KINDS, WiredNode, Wiring
from greenloop.optimizers.neat.attributes import Attributes
from greenloop.optimizers.neat.building import build_program
from greenloop.optimizers.neat.drawing import draw
from greenloop.optimizers.neat.expressing import GUIDED_ANSWERS, Expressed, express
from greenloop.optimizers.neat.genome import minimal
from greenloop.optimizers.neat.innovations import Innovations
from greenloop.optimizers.neat.operators import mutate
from greenloop.optimizers.neat.sketch import Sketch
from greenloop.testing import ScriptedModel
from greenloop.testing.token_model import TokenModel

WITH_GUIDED = (*DEFAULT_KINDS, "guided")
TASK = gl.Task(
    task_id="add",
    prompt="Write add(a, b).",
    entry_point="add",
    visible_tests=["assert add(1, 2) == 3"],
    hidden_tests=["assert add(2, 2) == 4"],
)
GOOD = "def add(a, b):\n    return a + b\n"


def walk(seed: int, kinds: tuple, steps: int = 40) -> list[Expressed]:
    rng, numbers = random.Random(seed), Innovations()
    valid = partial(express, most_calls=12)
    genome, found = minimal(numbers, Attributes(model="a")), []
    for _ in range(steps):
        genome, _what = mutate(genome, numbers, rng, models=["a", "b"], kinds=kinds, valid=valid)
        found.append(express(genome))
    return found


def kinds_in(found: list[Expressed]) -> set[str]:
    return {node.kind for one in found for node in one.wiring.nodes}


def test_they_are_in_no_space_that_does_not_name_them() -> None:
    assert set(KINDS) - set(DEFAULT_KINDS) == {"guided"}
    for seed in range(8):
        assert "guided" not in kinds_in(walk(seed, DEFAULT_KINDS))
    assert gl.NeatSearch(models=["embedded"]).kinds == DEFAULT_KINDS


def test_where_they_are_named_graphs_with_them_are_reached_built_saved_and_drawn() -> None:
    found = [one for seed in range(8) for one in walk(seed, WITH_GUIDED)]
    guided = [one for one in found if "guided" in kinds_in([one])]
    assert guided
    assert any("generate" not in kinds_in([one]) for one in guided)
    for one in guided[:10]:
        assert GUIDED_ANSWERS <= one.most_calls <= 12
        made = build_program(one, {"a": "ollama:a", "b": "ollama:b"})
        assert any(path.endswith("write.gamma") for path in gl.knobs(made))
        assert build(blueprint(made)).wiring.value == one.wiring.to_plain()
        assert ">guided" in draw(made)


def test_a_guided_draft_takes_the_place_of_a_draft_and_stands_beside_one_in_select() -> None:
    numbers = Innovations()
    start = minimal(numbers)
    sketch = Sketch(start, numbers, random.Random(0), ("",))
    sketch.insert(start.connections[1], "guided")
    assert express(sketch.genome()).wiring.text == "guided"
    sketch = Sketch(start, numbers, random.Random(0), ("",))
    sketch.insert(start.connections[1], "select")
    chosen = next(
        c for c in sketch.enabled() if sketch.nodes.get(c.target) and sketch.nodes[c.target].kind == "select"
    )
    sketch = Sketch(sketch.genome(), numbers, random.Random(0), ("",))
    sketch.insert(chosen, "guided")
    assert sorted(n.kind for n in express(sketch.genome()).wiring.nodes) == [
        "generate",
        "generate",
        "guided",
        "select",
    ]


def test_a_graph_runs_its_guided_node() -> None:
    model = TokenModel(lambda prompt: f"```python\n{GOOD}```", lambda prompt, seed: "    return a + b\n")
    graph = Graph(
        wiring=Wiring((WiredNode("guided"),), 1),
        node1=Drafts(write=gl.GuidedGenerate(model=model, name="guided")),
    )
    with gl.session():
        made = graph(problem=TASK.problem)
    assert "a + b" in made.code
    assert made.trajectory.attempts[0].stage == "guided"
    assert made.trajectory.attempts[0].sampling["mode"].startswith("true guidance")


def test_a_model_of_whole_answers_is_refused_before_anything_is_paid() -> None:
    model = ScriptedModel([f"```python\n{GOOD}```"])
    search = gl.NeatSearch(models=[model], kinds=WITH_GUIDED, store="sqlite://")
    with pytest.raises(UsageError, match="offers whole answers only"):
        search.compile(trainset=[TASK])
    assert not model.calls

"""Graph: stages wired by typed ports do what the same stages do when a program calls them."""

from __future__ import annotations

import dspy
import greenloop as gl
import pytest
from greenloop.errors import ProgramError
from greenloop.modules.blueprint import blueprint, build, is_ready_made
from greenloop.modules.graph import Drafts, Graph, Mend
from greenloop.modules.plan import GenerateByPlan, Plan
from greenloop.modules.selecting import Select
from greenloop.modules.wiring import WiredNode, Wiring, simple_loop
from greenloop.modules.write_tests import WriteTests
from greenloop.testing import ScriptedModel

GOOD = "```python\ndef add(a, b):\n    return a + b\n```"
WRONG = "```python\ndef add(a, b):\n    return a - b\n```"
LUCKY = "```python\ndef add(a, b):\n    return 3\n```"
TASK = gl.Task(
    task_id="add", prompt="Write add(a, b).", entry_point="add", visible_tests=["assert add(1, 2) == 3"]
)


def solve(program, task: gl.Task = TASK):
    with gl.session():
        return program(problem=task.problem)


def test_the_simple_loop_is_generate_execute_refine_call_for_call() -> None:
    model = ScriptedModel([WRONG, WRONG, GOOD])
    graph = Graph(
        node1=Drafts(write=gl.Generate(model=model)),
        node3=Mend(step=gl.Refine(model=model), iterations=3),
    )
    loop = gl.GenerateExecuteRefine(generate=gl.Generate(model=model), refine=gl.Refine(model=model))
    with gl.session() as session:
        mine, theirs = graph(problem=TASK.problem), loop(problem=TASK.problem)
        assert session.meter.paid.calls == 3
    assert mine.code == theirs.code
    assert [a.stage for a in mine.trajectory.attempts] == ["generate", "refine", "refine"]


def test_a_note_is_asked_for_in_every_round_and_nothing_once_it_passes() -> None:
    wiring = Wiring(
        (
            WiredNode("generate"),
            WiredNode("execute"),
            WiredNode("critique"),
            WiredNode("refine", {"code": (1,), "result": (2,), "note": (3,)}),
        ),
        4,
    )
    model = ScriptedModel([WRONG, "note one", WRONG, "note two", GOOD])
    graph = Graph(
        wiring=wiring,
        node1=Drafts(write=gl.Generate(model=model)),
        node3=gl.Critique(model=model),
        node4=Mend(step=gl.Refine(model=model), iterations=3),
    )
    assert solve(graph).execution.passed
    assert [n in model.calls[i].messages[-1]["content"] for n, i in (("note one", 2), ("note two", 4))] == [
        True,
        True,
    ]
    passing = ScriptedModel([GOOD])
    graph.node1.write.model.value = passing
    assert solve(graph).execution.passed
    assert len(passing.calls) == 1
    assert len(model.calls) == 5


def test_plan_own_tests_and_select_work_together() -> None:
    wiring = Wiring(
        (
            WiredNode("plan"),
            WiredNode("generate", {"plan": (1,)}),
            WiredNode("generate"),
            WiredNode("write_tests"),
            WiredNode("execute", {"tests": (4,)}),
            WiredNode("select", {"code": (2, 3), "result": (5,)}),
        ),
        6,
    )
    writer = ScriptedModel(["assert add(2, 2) == 4"])
    graph = Graph(
        wiring=wiring,
        node1=Plan(model=ScriptedModel(["1. Add."])),
        node2=Drafts(write=GenerateByPlan(model=ScriptedModel([LUCKY]))),
        node3=Drafts(write=gl.Generate(model=ScriptedModel([GOOD]), name="generate_2")),
        node4=WriteTests(model=writer),
        node6=Select(),
    )
    made = solve(graph)
    assert "a + b" in made.code
    assert made.execution.tests_total == 2
    assert len(writer.calls) == 3


def test_a_generate_node_that_is_left_out_writes_by_the_plan_that_is_wired_to_it() -> None:
    model = ScriptedModel(["1. Add.", GOOD])
    graph = Graph(wiring=Wiring((WiredNode("plan"), WiredNode("generate", {"plan": (1,)})), 2))
    with dspy.context(lm=model):
        assert "a + b" in solve(graph).code
    assert "1. Add." in model.calls[1].messages[-1]["content"]


def test_escalation_and_routing_are_menders() -> None:
    large = ScriptedModel([GOOD], name="large")
    for kind, step in {
        "escalate": gl.Generate(model=large, name="escalate"),
        "route": gl.Route(generate=gl.Generate(model=large), refine=gl.Refine(model=large)),
    }.items():
        nodes = (*simple_loop().nodes[:2], WiredNode(kind, {"code": (1,), "result": (2,)}))
        graph = Graph(
            wiring=Wiring(nodes, 3),
            node1=Drafts(write=gl.Generate(model=ScriptedModel([WRONG]))),
            node3=Mend(step=step),
        )
        made = solve(graph)
        assert made.execution.passed
        assert made.trajectory.attempts[-1].model == "simulated/large"


def test_samples_and_last_code() -> None:
    drafts = Graph(
        wiring=Wiring((WiredNode("generate"),), 1),
        node1=Drafts(write=gl.Generate(model=ScriptedModel([WRONG, GOOD])), samples=4),
    )
    assert len(solve(drafts).trajectory.attempts) == 2
    worse = Graph(
        node1=Drafts(write=gl.Generate(model=ScriptedModel([WRONG]))),
        node3=Mend(step=gl.Refine(model=ScriptedModel(["no code"])), keep="last"),
    )
    assert solve(worse).code == ""
    worse.node3.keep.value = "best"
    assert "a - b" in solve(worse).code


def test_it_exports_and_its_settings_are_knobs(tmp_path) -> None:
    graph = Graph(
        node1=Drafts(write=gl.Generate(model="embedded", temperature=gl.Float(0, 1)), samples=gl.Int(1, 3)),
        node3=Mend(iterations=gl.Int(1, 3)),
    )
    assert is_ready_made(graph)
    again = build(blueprint(graph))
    assert set(gl.knobs(again)) == {"node1.write.temperature", "node1.samples", "node3.iterations"}
    assert again.wiring.value == simple_loop().to_plain()
    gl.export(graph, tmp_path / "g")
    assert gl.load(tmp_path / "g").names == ("generate", "execute", "refine")


@pytest.mark.parametrize(
    ("nodes", "output"),
    [
        ((), 1),
        ((WiredNode("execute"),), 1),
        ((WiredNode("generate"), WiredNode("refine", {"code": (1,)})), 2),
        ((WiredNode("generate"), WiredNode("select", {"code": (1, 1)})), 2),
        ((WiredNode("generate", {"plan": (2,)}), WiredNode("plan")), 1),
        ((WiredNode("generate"), WiredNode("execute", {"code": (1,)})), 1),
        ((WiredNode("dream"),), 1),
        ((WiredNode("generate"),) * 9, 9),
    ],
)
def test_what_is_no_graph_is_refused(nodes, output) -> None:
    with pytest.raises(ProgramError):
        Wiring(nodes, output)


def test_modules_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ProgramError, match="takes no Execute"):
        Graph(node1=gl.Execute())
    with pytest.raises(ProgramError, match="3 nodes"):
        Graph(node4=gl.Execute())
    with pytest.raises(ProgramError, match="no wiring"):
        Graph(wiring={"nodes": 3})

"""Plan: words first, then a draft that is shown them."""

from __future__ import annotations

import greenloop as gl
from greenloop.modules.blueprint import blueprint, build
from greenloop.modules.plan import GenerateByPlan, Plan
from greenloop.testing import ScriptedModel

GOOD = "```python\ndef add(a, b):\n    return a + b\n```"
TASK = gl.Task(
    task_id="add", prompt="Write add(a, b).", entry_point="add", visible_tests=["assert add(1, 2) == 3"]
)


def test_a_plan_is_words_and_the_draft_sees_it() -> None:
    model = ScriptedModel(["1. Add both.", GOOD])
    with gl.session():
        plan = Plan(model=model)(problem=TASK.problem).plan
        draft = GenerateByPlan(model=model)(problem=TASK.problem, plan=plan)
    assert plan == "1. Add both."
    assert "a + b" in draft.code
    assert "```python block" not in model.calls[0].messages[0]["content"]
    assert "Plan:\n1. Add both." in model.calls[1].messages[1]["content"]


def test_an_empty_plan_is_not_shown() -> None:
    model = ScriptedModel([GOOD])
    with gl.session():
        GenerateByPlan(model=model)(problem=TASK.problem)
    assert "Plan:" not in model.calls[0].messages[1]["content"]


def test_a_draft_by_a_plan_takes_instructions_as_generate_does() -> None:
    model = ScriptedModel([GOOD])
    stage = build(blueprint(GenerateByPlan(model="embedded", instructions="Use no recursion.")))
    stage.model = model
    with gl.session():
        stage(problem=TASK.problem, plan="1. Add.")
    assert model.calls[0].messages[-1]["content"].endswith("Use no recursion.")


def test_settings_are_knobs_and_survive_the_blueprint() -> None:
    made = Plan(model="embedded", temperature=gl.Float(0, 1, default=0.4))
    again = build(blueprint(made))
    assert set(gl.knobs(again)) == {"temperature"}
    assert isinstance(build(blueprint(GenerateByPlan(model="embedded"))), GenerateByPlan)

"""Route: mends what crashes, draws anew what answers wrongly."""

from __future__ import annotations

import greenloop as gl
import pytest
from greenloop.errors import ProgramError
from greenloop.modules.blueprint import blueprint, build
from greenloop.modules.route import failure_kind
from greenloop.testing import ScriptedModel

GOOD = "```python\ndef add(a, b):\n    return a + b\n```"
WRONG = "```python\ndef add(a, b):\n    return a - b\n```"
CRASH = "```python\ndef add(a, b):\n    return a + c\n```"
SYNTAX = "```python\ndef add(a, b:\n    return a + b\n```"
NO_CODE = "I am sorry, I cannot do that."


@pytest.fixture
def task() -> gl.Task:
    return gl.Task(
        task_id="add",
        prompt="Write add(a, b).",
        entry_point="add",
        visible_tests=["assert add(1, 2) == 3"],
    )


def stages(answers: list[str], task: gl.Task, **settings) -> list[str]:
    model = ScriptedModel(answers)
    program = gl.Route(generate=gl.Generate(model=model), refine=gl.Refine(model=model), **settings)
    with gl.session():
        return [a.stage for a in program(problem=task.problem).trajectory.attempts]


@pytest.mark.parametrize(
    ("first", "follows"),
    [(CRASH, "refine"), (SYNTAX, "refine"), (WRONG, "generate"), (NO_CODE, "generate")],
)
def test_the_error_class_decides(first: str, follows: str, task: gl.Task) -> None:
    assert stages([first, GOOD], task) == ["generate", follows]


def test_it_loops_until_green_or_max_iterations(task: gl.Task) -> None:
    assert stages([WRONG, CRASH, GOOD, WRONG], task) == ["generate", "generate", "refine"]
    assert stages([WRONG], task, max_iterations=2) == ["generate"] * 3
    assert stages([GOOD], task) == ["generate"]


def test_a_fresh_draft_shows_no_feedback_and_is_the_draw_that_resampling_makes(task: gl.Task) -> None:
    model = ScriptedModel([WRONG])
    route = gl.Route(generate=gl.Generate(model=model), max_iterations=2)
    resample = gl.Resample(generate=gl.Generate(model=model), samples=3)
    with gl.session() as session:
        route(problem=task.problem)
        resample(problem=task.problem)
        assert session.meter.paid.calls == 3
    assert all(len(call.messages) == 2 for call in model.calls)


def test_the_rules_are_settings(task: gl.Task) -> None:
    assert stages([CRASH, GOOD], task, on_runtime_error="resample") == ["generate", "generate"]
    assert stages([WRONG, GOOD], task, on_wrong_answer="refine") == ["generate", "refine"]
    made = gl.Route(on_wrong_answer=gl.Choice(["refine", "resample"]), max_iterations=gl.Int(1, 5, default=2))
    again = build(blueprint(made))
    assert set(gl.knobs(again)) == {"on_wrong_answer", "max_iterations"}
    with pytest.raises(ProgramError, match="on_limit must be one of"):
        gl.Route(on_limit="ignore")
    with pytest.raises(ProgramError, match="keep must be"):
        gl.Route(keep="worst")


def test_kinds_of_failure() -> None:
    kinds = {
        outcome: failure_kind(gl.Execution(outcome))
        for outcome in ("error", "crashed", "failed", "timeout", "out_of_memory", "no_code")
    }
    assert kinds == {
        "error": "runtime_error",
        "crashed": "runtime_error",
        "failed": "wrong_answer",
        "timeout": "limit",
        "out_of_memory": "limit",
        "no_code": "no_code",
    }

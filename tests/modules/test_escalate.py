"""Escalate: the larger model only where the small one fails, and only under the cap."""

from __future__ import annotations

import greenloop as gl
import pytest
from greenloop.errors import ProgramError
from greenloop.modules.blueprint import blueprint, build
from greenloop.modules.escalate import Escalate
from greenloop.testing import ScriptedModel

GOOD = "```python\ndef add(a, b):\n    return a + b\n```"
WRONG = "```python\ndef add(a, b):\n    return a - b\n```"
TASK = gl.Task(
    task_id="add", prompt="Write add(a, b).", entry_point="add", visible_tests=["assert add(1, 2) == 3"]
)


def run(small: list[str], large: list[str], **settings) -> tuple[list[str], bool]:
    program = Escalate(
        generate=gl.Generate(model=ScriptedModel(small, name="small")),
        larger=gl.Generate(model=ScriptedModel(large, name="large"), name="escalate"),
        **settings,
    )
    with gl.session():
        made = program(problem=TASK.problem)
    return [a.model for a in made.trajectory.attempts], made.execution.passed


def test_the_larger_model_is_asked_only_on_failure() -> None:
    assert run([GOOD], [GOOD]) == (["simulated/small"], True)
    assert run([WRONG], [GOOD]) == (["simulated/small", "simulated/large"], True)
    assert run([WRONG], [WRONG, GOOD], small_tries=2, larger_tries=3)[0] == [
        *["simulated/small"] * 2,
        *["simulated/large"] * 2,
    ]


def test_the_cap_ends_it() -> None:
    assert run([WRONG], [GOOD], most_tokens=1) == (["simulated/small"], False)
    assert run([WRONG], [GOOD], most_tokens=10_000)[1]


def test_a_task_without_tests_does_not_escalate() -> None:
    large = ScriptedModel([GOOD])
    program = Escalate(
        generate=gl.Generate(model=ScriptedModel([WRONG])), larger=gl.Generate(model=large, name="escalate")
    )
    with gl.session():
        program(problem=TASK.copy(visible_tests=()).problem)
    assert large.calls == []


def test_settings_are_knobs_and_nonsense_is_refused() -> None:
    again = build(blueprint(Escalate(larger_tries=gl.Int(1, 3), most_tokens=gl.Int(500, 5000))))
    assert set(gl.knobs(again)) == {"larger_tries", "most_tokens"}
    with pytest.raises(ProgramError, match="small_tries must be a whole number of at least 1"):
        Escalate(small_tries=0)
    with pytest.raises(ProgramError, match="keep must be"):
        Escalate(keep="worst")

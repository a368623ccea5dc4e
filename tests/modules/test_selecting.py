"""Select: visible tests first, then agreement of outputs, then the earliest."""

from __future__ import annotations

import greenloop as gl
import pytest
from greenloop.errors import ProgramError
from greenloop.modules.blueprint import blueprint, build
from greenloop.modules.selecting import Select
from greenloop.testing import ScriptedModel

ADD = "def add(a, b):\n    return a + b"
ADD_TOO = "def add(a, b):\n    return b + a"
LUCKY = "def add(a, b):\n    return a * b + 1"
WRONG = "def add(a, b):\n    return a - b"
TASK = gl.Task(
    task_id="add", prompt="Write add(a, b).", entry_point="add", visible_tests=["assert add(1, 2) == 3"]
)


def test_the_visible_tests_come_first() -> None:
    with gl.session():
        made = Select()(problem=TASK.problem, codes=[WRONG, WRONG, ADD])
    assert made.index == 2
    assert made.execution.passed


def test_among_those_that_pass_agreement_decides() -> None:
    with gl.session():
        made = Select()(problem=TASK.problem, codes=[LUCKY, ADD, ADD_TOO])
    assert (made.index, made.agreeing) == (1, 2)


def test_without_inputs_or_agreement_the_earliest_stands() -> None:
    with gl.session():
        assert Select(most_inputs=0)(problem=TASK.problem, codes=[LUCKY, ADD, ADD_TOO]).index == 0
        assert Select()(problem=TASK.problem, codes=[LUCKY, ADD]).index == 0


def test_a_model_can_write_the_distinguishing_inputs() -> None:
    model = ScriptedModel(["add(10, 10)\nadd(3, 4)"])
    with gl.session():
        made = Select(model=model, inputs="ask")(problem=TASK.problem, codes=[LUCKY, ADD, ADD_TOO])
    assert (made.index, len(model.calls)) == (1, 1)


def test_no_call_where_nothing_is_left_to_decide() -> None:
    model = ScriptedModel(["add(10, 10)"])
    with gl.session():
        Select(model=model, inputs="ask")(problem=TASK.problem, codes=[WRONG, ADD])
    assert model.calls == []


def test_settings_are_knobs_and_nonsense_is_refused() -> None:
    again = build(blueprint(Select(inputs=gl.Choice(["vary", "ask"]), most_inputs=gl.Int(0, 8))))
    assert set(gl.knobs(again)) == {"inputs", "most_inputs"}
    with pytest.raises(ProgramError, match="inputs must be"):
        Select(inputs="guess")
    with pytest.raises(ProgramError, match="at least one program"):
        Select()(problem=TASK.problem, codes=[])

"""WriteTests: only what independent drafts agree on may steer."""

from __future__ import annotations

import greenloop as gl
import pytest
from greenloop.errors import ProgramError
from greenloop.modules.blueprint import blueprint, build
from greenloop.modules.call_text import call_tests, calls, varied
from greenloop.modules.write_tests import WriteTests, with_tests
from greenloop.testing import ScriptedModel

TASK = gl.Task(
    task_id="add",
    prompt="Write add(a, b).",
    entry_point="add",
    visible_tests=["assert add(1, 2) == 3"],
    hidden_tests=["assert add(5, 5) == 10"],
)
DRAFTS = [
    "assert add(1, 2) == 3\nassert add(0, 0) == 0\nassert add(2, 2) == 5",
    "Here:\n```python\nassert add( 0,0 ) == 0  # zero\nassert add(2, 2) == 4\n```",
    "- `assert add(0, 0) == 0`\n- `assert add(7, 1) == 8`",
]


def test_tests_stay_only_where_drafts_agree_and_visible_ones_are_not_repeated() -> None:
    model = ScriptedModel(DRAFTS)
    with gl.session():
        made = WriteTests(model=model)(problem=TASK.problem)
    assert made.tests == ("assert add(0, 0) == 0",)
    assert made.written == 5
    assert made.usage.calls == 3
    assert len({call.seed for call in model.calls}) == 3


def test_a_tie_between_results_steers_nothing() -> None:
    answers = ["assert add(2, 2) == 4", "assert add(2, 2) == 5"] * 2
    with gl.session():
        made = WriteTests(model=ScriptedModel(answers), drafts=4)(problem=TASK.problem)
    assert made.tests == ()


def test_a_task_with_enough_tests_or_nothing_to_call_costs_nothing() -> None:
    model = ScriptedModel(DRAFTS)
    with gl.session():
        assert WriteTests(model=model, enough=1)(problem=TASK.problem).tests == ()
        assert WriteTests(model=model)(problem=TASK.copy(entry_point="").problem).tests == ()
    assert model.calls == []


def test_no_hidden_test_gets_in_and_oracle_runs_keep_theirs() -> None:
    own = ("assert add(0, 0) == 0",)
    assert with_tests(TASK.problem, own).steering_tests == (*TASK.visible_tests, *own)
    assert with_tests(TASK.problem_for("oracle"), own).steering_tests == (*TASK.tests, *own)
    assert with_tests(TASK.problem, ()) is TASK.problem


def test_only_calls_with_literals_are_read() -> None:
    text = "assert f(g(1)) == 2\nassert f(1) == g(2)\nassert f(1) != 2\nassert h(1) == 2\nassert f((1, 'a')) == [1.5]"
    assert [t.source for t in call_tests(text, "f")] == ["assert f((1, 'a')) == [1.5]"]
    assert calls("1. f(1, 2)\n2. f(x)\nf([1]) == 3\nplain words f(", "f") == ["f(1, 2)", "f([1])"]
    assert varied(["f([1, 2], True)"], 9)[0] == "f([2, 1], True)"
    assert varied(["f()"], 3) == []


def test_settings_are_knobs_and_nonsense_is_refused() -> None:
    made = WriteTests(model="embedded", drafts=gl.Int(2, 4), agreement=gl.Int(2, 3))
    assert set(gl.knobs(build(blueprint(made)))) == {"drafts", "agreement"}
    with pytest.raises(ProgramError, match="must be a whole number of at least 1"):
        WriteTests(drafts=0)

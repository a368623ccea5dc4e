"""Critique: a note in words, with and without execution, that Refine takes as its feedback."""

from __future__ import annotations

import greenloop as gl
import pytest
from greenloop.errors import ProgramError
from greenloop.modules.blueprint import blueprint, build, is_ready_made
from greenloop.testing import ScriptedModel

GOOD = "```python\ndef add(a, b):\n    return a + b\n```"
CRASH = "```python\ndef add(a, b):\n    return a + c\n```"
NOTE = "The name c is never defined; it should be b."


@pytest.fixture
def task() -> gl.Task:
    return gl.Task(
        task_id="add",
        prompt="Write add(a, b).",
        entry_point="add",
        visible_tests=["assert add(1, 2) == 3"],
        hidden_tests=["assert add(5, 5) == 10"],
    )


def program(model, **settings) -> gl.GenerateCritiqueRefine:
    return gl.GenerateCritiqueRefine(
        generate=gl.Generate(model=model),
        critique=gl.Critique(model=model),
        refine=gl.Refine(model=model),
        **settings,
    )


def test_text_alone_runs_nothing_and_shows_the_note_to_the_refining_model(task: gl.Task) -> None:
    model = ScriptedModel([CRASH, NOTE, GOOD])
    with gl.session():
        result = program(model)(problem=task.problem)
    assert "a + b" in result.code
    assert result.execution is None
    assert [a.stage for a in result.trajectory.attempts] == ["generate", "refine"]
    assert result.trajectory.attempts[1].feedback == NOTE
    assert "return a + c" in model.calls[1].messages[2]["content"]
    assert NOTE in model.calls[2].messages[3]["content"]


def test_the_notes_tokens_count_though_a_note_is_no_attempt(task: gl.Task) -> None:
    with gl.session():
        trajectory = program(ScriptedModel([CRASH, NOTE, GOOD]))(problem=task.problem).trajectory
    assert trajectory.usage.calls == 3
    assert sum(a.usage.calls for a in trajectory.attempts) == 2


def test_the_critic_is_not_asked_for_code_and_sees_what_running_showed(task: gl.Task) -> None:
    model = ScriptedModel([CRASH, NOTE, GOOD])
    with gl.session():
        result = program(model, execute=gl.Execute(), rounds=3)(problem=task.problem)
    asked = model.calls[1].messages
    assert "```python block" not in asked[0]["content"]
    assert "NameError" in asked[3]["content"]
    told = model.calls[2].messages[3]["content"]
    assert "NameError" in told
    assert NOTE in told
    assert [a.execution.outcome for a in result.trajectory.attempts] == ["error", "passed"]


def test_a_draft_that_passes_is_not_criticised(task: gl.Task) -> None:
    model = ScriptedModel([GOOD])
    with gl.session():
        assert program(model, execute=gl.Execute())(problem=task.problem).execution.passed
    assert len(model.calls) == 1


def test_forced_it_criticises_what_passes_and_makes_every_round(task: gl.Task) -> None:
    model = ScriptedModel([GOOD, NOTE, CRASH, NOTE, GOOD])
    with gl.session():
        result = program(model, execute=gl.Execute(), rounds=2, stop="never")(problem=task.problem)
    assert [a.execution.outcome for a in result.trajectory.attempts] == ["passed", "error", "passed"]
    assert len(model.calls) == 5


def test_text_alone_makes_every_round(task: gl.Task) -> None:
    model = ScriptedModel([GOOD, "It is correct.", GOOD, "It is correct.", GOOD])
    with gl.session():
        program(model, rounds=2)(problem=task.problem)
    assert len(model.calls) == 5
    assert len({call.seed for call in model.calls}) == 5


def test_every_setting_is_a_value_or_a_knob_and_survives_the_blueprint(task: gl.Task) -> None:
    made = gl.GenerateCritiqueRefine(
        critique=gl.Critique(
            model="embedded", temperature=gl.Float(0, 1, default=0.4), max_tokens=gl.Choice([100, 200])
        ),
        rounds=gl.Int(1, 3, default=2),
    )
    again = build(blueprint(made))
    assert set(gl.knobs(again)) == {"critique.temperature", "critique.max_tokens", "rounds"}
    assert is_ready_made(again)
    assert again.execute is None
    assert build(blueprint(gl.GenerateCritiqueRefine(execute=gl.Execute()))).execute is not None


def test_nonsense_is_refused() -> None:
    with pytest.raises(ProgramError, match="keep must be"):
        gl.GenerateCritiqueRefine(keep="worst")
    with pytest.raises(ProgramError, match="stop must be"):
        gl.GenerateCritiqueRefine(stop="no_progress")

"""Plans and test lists as data: the schema reaches the server, whatever comes back is read."""

from __future__ import annotations

import json
import re

import greenloop as gl
import pytest
from greenloop.modules.blueprint import blueprint, build, program_digest
from greenloop.modules.plan import Plan, PlanSteps
from greenloop.modules.write_tests import TestList, WriteTests, read_tests
from greenloop.runtime.run import CallRecord
from greenloop.runtime.structured import read_answer
from greenloop.testing import ChatServer, ScriptedModel

TASK = gl.Task(task_id="add", prompt="Write add(a, b).", entry_point="add", visible_tests=[])


def test_a_structured_plan_is_shown_as_numbered_lines() -> None:
    said = json.dumps({"steps": ["Add both.", "Return it."], "missed": ["no numbers"]})
    model = ScriptedModel([said])
    with gl.session():
        plan = Plan(model=model, structured=True)(problem=TASK.problem).plan
    assert plan == "1. Add both.\n2. Return it.\nEasily missed: no numbers"
    (call,) = model.calls
    assert 'Answer as JSON with "steps"' in call.messages[-1]["content"]
    assert call.response_format is not None
    schema = call.response_format["json_schema"]["schema"]
    assert (schema["required"], schema["properties"]["steps"]["maxItems"]) == (["steps"], 5)


def test_a_plan_in_words_is_a_plan_whatever_was_asked() -> None:
    with gl.session():
        assert Plan(model=ScriptedModel(["1. Add."]), structured=True)(problem=TASK.problem).plan == "1. Add."


@pytest.mark.parametrize(
    "answer",
    [
        '{"tests": ["assert add(1, 2) == 3", "assert add(0.5, 1) == 1.5"]}',
        '```json\n{\n  "tests": [\n    "assert add(1, 2) == 3",\n    "assert add(0.5, 1) == 1.5"\n  ]\n}\n```',
        '{"tests": ["assert add(1, 2) == 3", "assert add(0.5, 1) == 1.5", "assert add(',
        "1. assert add(1, 2) == 3\n2. `assert add(0.5, 1) == 1.5`.",
        "- assert add(1, 2) == 3  # easy\n- assert add(0.5, 1) == 1.5",
    ],
)
def test_tests_are_read_from_data_and_from_lines(answer: str) -> None:
    assert [t.source for t in read_tests(answer, "add")] == [
        "assert add(1, 2) == 3",
        "assert add(0.5, 1) == 1.5",
    ]


def test_lists_in_tests_are_no_list_of_tests() -> None:
    (test,) = read_tests('assert add(["a"], ["b"]) == ["a", "b"]', "add")
    assert test.expected == "['a', 'b']"


def test_drafts_as_data_agree_like_any_others() -> None:
    drafts = ['{"tests": ["assert add(0, 0) == 0"]}', '["assert add(0,0) == 0"]', "assert add(9, 9) == 18"]
    model = ScriptedModel(drafts)
    with gl.session():
        assert WriteTests(model=model, structured=True)(problem=TASK.problem).tests == (
            "assert add(0, 0) == 0",
        )
    for call in model.calls:
        pattern = call.response_format["json_schema"]["schema"]["properties"]["tests"]["items"]["pattern"]
        assert re.fullmatch(pattern, "assert add('a', [1]) == 2.5")
        assert not any(re.fullmatch(pattern, text) for text in ("assert add(1)", "assert sub(1) == 2", "x"))


@pytest.mark.parametrize("stage", [Plan, WriteTests])
def test_structure_is_a_setting_of_the_program(stage: type) -> None:
    plain, asked = stage(model="embedded", structured=False), stage(model="embedded", structured=True)
    knob = stage(model="embedded", structured=gl.Choice([True, False]))
    assert program_digest(plain) != program_digest(asked)
    assert set(gl.knobs(build(blueprint(knob)))) == {"structured"}
    assert build(blueprint(asked)).structured.value is True


def test_a_server_that_refuses_schemas_is_asked_in_words_alone() -> None:
    """Once: afterwards it is known of this server."""
    with ChatServer(lambda body: ["1. Add."]) as server, gl.session() as session:
        server.refuses = "response_format"
        stage = Plan(model=server.name(), structured=True)
        plans = [stage(problem=task.problem).plan for task in (TASK, TASK.copy(prompt="Write sub(a, b)."))]
        assert plans == ["1. Add."] * 2
        assert [("response_format" in body) for body in server.requests] == [True, False, False]
        assert session.meter.paid.calls == 2


@pytest.mark.embedded
def test_the_embedded_model_keeps_to_the_schemas() -> None:
    settings = {"model": "embedded?num_ctx=2048", "structured": True, "temperature": 0.0, "max_tokens": 80}
    made: list[CallRecord] = []
    with gl.session() as session:
        session.on_call = (made.append,)
        plan = Plan(**settings)(problem=TASK.problem).plan
        WriteTests(**settings, drafts=1)(problem=TASK.problem)
        texts = [session.store.answer(call.key).content["text"] for call in made]
    assert plan.startswith("1. ")
    assert all("assert add(" in line for line in texts[1].splitlines() if "assert" in line)
    for text, form in zip(texts, (PlanSteps, TestList), strict=True):
        assert read_answer(text, form) is not None
        assert text.lstrip().startswith("{"), "the grammar lets nothing else through"

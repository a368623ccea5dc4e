"""Structured answers: the schema reaches the server, and whatever comes back is read leniently."""

from __future__ import annotations

from typing import Any

import dspy
import pytest
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from greenloop.runtime.language_model import language_model
from greenloop.runtime.run import session
from greenloop.runtime.structured import read_answer, schema_format
from greenloop.testing import ChatServer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel


class Plan(BaseModel):
    steps: list[str]


class Case(BaseModel):
    call: str
    expected: int


@pytest.mark.parametrize(
    "text",
    [
        '{"steps": ["a", "b"]}',
        'Here it is:\n```json\n{"steps": ["a", "b"]}\n```\nDone.',
        "{'steps': ['a', 'b',],}",
        '["a", "b"]',
        'The plan {"steps": ["a", "b"]} should work.',
        '```\n{"steps": ["a", "b"',
    ],
)
def test_a_plan_is_read_from_whatever_came(text: str) -> None:
    assert read_answer(text, Plan) == Plan(steps=["a", "b"])


@pytest.mark.parametrize(
    "text", ["", "I cannot do that.", '{"other": 1}', "[[[[", "```json\n```", '{"steps": 3}']
)
def test_what_is_no_plan_is_none(text: str) -> None:
    assert read_answer(text, Plan) is None


@given(st.text())
def test_reading_never_fails(text: str) -> None:
    read_answer(text, Case)


def test_the_schema_reaches_the_server_and_is_part_of_the_key() -> None:
    with ChatServer(lambda body: ['{"steps": ["x"]}']) as server, session():
        model = language_model(server.name())
        (answer,) = model("plan", response_format=schema_format(Plan))
        assert read_answer(answer, Plan) == Plan(steps=["x"])
        model("plan")
        asked, plain = server.requests
    assert asked["response_format"]["json_schema"]["schema"]["required"] == ["steps"]
    assert asked["response_format"]["json_schema"]["name"] == schema_format(Plan)["json_schema"]["name"]
    assert "response_format" not in plain


def test_the_schema_reaches_an_engine_of_the_users_own() -> None:
    heard: list[Request] = []

    class Own:
        def __deepcopy__(self, memo: dict[int, Any]) -> Own:
            return self

        def complete(self, request: Request) -> Response:
            heard.append(request)
            message = Message(role="assistant", parts=(TextPart('{"steps": []}'),))
            return Response(id="1", model="m", message=message, finish_reason="stop", usage=Usage(1, 1))

    with session():
        ours = language_model(dspy.LM("my/engine", engine=Own(), cache=False))
        ours("plan", response_format=schema_format(Plan))
    form = heard[0].config.response_format
    assert form is not None
    assert (form["type"], form["name"], form["schema"]["required"]) == ("json_schema", "Plan", ["steps"])


@pytest.mark.embedded
def test_the_embedded_model_keeps_to_a_schema() -> None:
    with session():
        model = language_model("embedded", max_tokens=60)
        (answer,) = model("Give one test of an add function.", response_format=schema_format(Case))
    assert isinstance(read_answer(answer, Case), Case)

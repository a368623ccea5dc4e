"""Structured answers: the schema reaches the server, and whatever comes back is read leniently."""

from __future__ import annotations

import pytest
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


@pytest.mark.embedded
def test_the_embedded_model_keeps_to_a_schema() -> None:
    with session():
        model = language_model("embedded", max_tokens=60)
        (answer,) = model("Give one test of an add function.", response_format=schema_format(Case))
    assert isinstance(read_answer(answer, Case), Case)

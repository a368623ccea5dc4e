"""A thinking model on a server: off and on, apart from the answer, counted, flagged; on a stand-in for Ollama."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import greenloop as gl
import pytest
from greenloop.modules.knobs import Choice
from greenloop.runtime.backends.embedded import embedded_model_path
from greenloop.runtime.preflight import preflight
from greenloop.runtime.run import session, use_run
from greenloop.testing.ollama_stand_in import OllamaStandIn

pytestmark = pytest.mark.embedded

THOUGHTS = ("Let ", "me ", "add ", "them.")


@pytest.fixture(scope="module")
def server() -> Iterator[OllamaStandIn]:
    running = OllamaStandIn()
    running.start()
    running.create("thinker", embedded_model_path(), thoughts=THOUGHTS)
    running.create("plain", embedded_model_path())
    yield running
    running.kill()


def name(server: OllamaStandIn, model: str = "thinker", **options: Any) -> str:
    said = "&".join(
        f"{k}={v}" for k, v in {"num_ctx": 1024, "max_tokens": 16, "retry_s": 0, **options}.items()
    )
    return f"ollama:{model}@{server.url}?{said}"


def test_thinking_is_kept_apart_counted_and_can_be_turned_off(server: OllamaStandIn) -> None:
    with session() as active, use_run(active.open_run("t")) as run:
        answers = [
            gl.language_model(name(server, **options))("Add two numbers.", seed=1)
            for options in ({}, {"think": "on"}, {"think": "off"})
        ]
        by_default, on, off = run.calls
    assert len({call.key for call in run.calls}) == 3, "thinking is part of a call's identity"
    assert by_default.thinking == on.thinking == "".join(THOUGHTS)
    assert off.thinking == ""
    assert "Let me add" not in str(answers[2])
    assert on.usage.tokens_out <= 16
    assert on.usage.tokens_out > len(THOUGHTS), "what was thought was paid for"
    assert on.flags == off.flags == ()


def test_an_answer_that_is_all_thinking_is_flagged_on_the_attempt_and_counted(server: OllamaStandIn) -> None:
    task = gl.Task(task_id="t", prompt="Write f(x).", entry_point="f", hidden_tests=["assert f(1) == 1"])
    with session():
        model = name(server, think="on")
        scores = gl.score(gl.Resample(generate=gl.Generate(model=model, max_tokens=3), samples=1), [task])
    (attempt,) = scores.items[0].trajectory.attempts
    assert (attempt.code, attempt.truncated) == ("", True)
    assert "thinking_only" in attempt.flags
    assert attempt.usage.tokens_out == 3
    assert scores.figure().truncated == 1


def test_thinking_can_be_a_knob(server: OllamaStandIn) -> None:
    knob = Choice([name(server, think="off"), name(server, think="on")])
    thought: list[str] = []
    for option in knob.options:
        knob.value = option
        with session() as active, use_run(active.open_run("t")) as run:
            gl.language_model(knob.value)("Add two numbers.")
            thought.append(run.calls[0].thinking)
    assert thought == ["", "".join(THOUGHTS)]


def test_preflight_tells_who_cannot_think_before_anything_is_spent(server: OllamaStandIn) -> None:
    unable = name(server, "plain", think="on")
    lines = preflight([name(server, think="on"), name(server, think="off"), unable])
    assert lines == [f"{unable}: the model cannot think: leave the option `think` out"]
    twice = gl.language_model(f"ollama:plain@{server.url}", think=True, hosts=(server.url, server.url))
    assert preflight([twice]) == [f"{twice.spec.name}: the model cannot think: leave the option `think` out"]


def test_what_a_server_refuses_for_good_is_one_line_at_once(server: OllamaStandIn) -> None:
    with session(), pytest.raises(Exception, match=r"refuses the call.*does not support thinking"):
        gl.language_model(name(server, "plain", think="on", retry_s=60))("x")

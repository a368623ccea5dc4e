"""Line mode on a completion endpoint: the embedded model's own server, spoken to as any OpenAI-compatible one."""

from __future__ import annotations

import os
from typing import Any

import greenloop as gl
import pytest
from greenloop.runtime.backends.failures import PromptTooLong
from greenloop.runtime.backends.token_lines import CompletionLines, LineReading
from greenloop.runtime.token_source import Prompt, token_source_for
from greenloop.testing import ChatServer

TASK = gl.Task(
    task_id="t",
    prompt="Write a function `add_pair(a, b)` that adds the two numbers and gives back the total.",
    entry_point="add_pair",
    visible_tests=["assert add_pair(2, 3) == 5"],
)


def test_a_continuation_ends_with_its_lines_and_knows_whether_the_model_ended() -> None:
    reading = LineReading(2)
    assert [reading.take(text, None) for text in ("a\n", "\n    ", "more")] == [False, True, True]
    assert reading.drawn(7).text.count("\n") == 2
    ended = LineReading(2)
    ended.take("return 1", None)
    ended.take("", "stop")
    assert (ended.drawn(7).text, ended.drawn(7).tokens_out, ended.drawn(7).ended) == ("return 1", 1, True)


def test_a_server_without_completions_is_asked_for_whole_answers() -> None:
    code = "```python\ndef add_pair(a, b):\n    return a + b\n```"
    with ChatServer(lambda body: code, models=("m",)) as server, gl.session():
        lm = gl.language_model(server.name("m"))
        attempt = gl.GuidedGenerate(model=lm)(problem=TASK.problem).attempt
    assert attempt.sampling["mode"] == "plain"
    assert attempt.flags == ("plain_no_completions",)


@pytest.fixture(scope="module")
def lm() -> Any:
    backend = gl.language_model("embedded").engine.backend
    connection = backend.connection()
    name = os.path.basename(backend.settings.path)
    return gl.language_model(
        f"openai:{name}@{connection['api_base']}", api_key=connection["api_key"], retry_s=0
    )


@pytest.mark.slow
@pytest.mark.embedded
def test_one_task_from_end_to_end(lm: Any) -> None:
    assert isinstance(token_source_for(lm.engine.backend), CompletionLines)
    with gl.session() as session:
        stage = gl.GuidedGenerate(model=lm, gamma=3.0, candidates=2, lines_ahead=2, max_tokens=64)
        attempt = stage(problem=TASK.problem).attempt
        assert session.meter.paid.tokens == attempt.usage.tokens > 0
    assert attempt.sampling["mode"] == "line mode"
    assert attempt.sampling["gamma"] == 1
    assert "line_mode_gamma_1" in attempt.flags
    assert "def add_pair(" in attempt.code
    assert attempt.sampling["guided_lines"] >= 1


@pytest.mark.slow
@pytest.mark.embedded
def test_the_server_s_own_template_renders_the_prompt_and_one_that_does_not_fit_is_said_so(lm: Any) -> None:
    source = token_source_for(lm.engine.backend)
    assert isinstance(source, CompletionLines)
    assert source.render([{"role": "user", "content": "hi"}]).text.rstrip().endswith("assistant")
    with source.seat(Prompt("x")) as seat, pytest.raises(PromptTooLong):
        seat.draw(Prompt("word " * 9000), (), seeds=[1], temperature=0, most_tokens=4, most_lines=1)

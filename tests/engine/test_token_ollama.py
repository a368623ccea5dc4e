"""Guidance over a real Ollama server: what it lists, what is probed, one task from end to end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import greenloop as gl
import pytest
from greenloop.runtime.backends.embedded import embedded_model_path
from greenloop.runtime.backends.token_ollama import OllamaTokens
from greenloop.runtime.token_mixture import choose
from greenloop.runtime.token_source import END, Piece, text_of, token_source_for
from greenloop.testing import OllamaServer
from greenloop.testing.ollama_server import find_ollama

BINARY = find_ollama()
pytestmark = [
    pytest.mark.ollama,
    pytest.mark.slow,
    pytest.mark.skipif(BINARY is None, reason="no ollama on the path or built by `make ollama`"),
]

TASK = gl.Task(
    task_id="t",
    prompt="Write a function `add_pair(a, b)` that adds the two numbers and gives back the total.",
    entry_point="add_pair",
    visible_tests=["assert add_pair(2, 3) == 5", "assert add_pair(0, -1) == -1"],
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OllamaServer]:
    running = OllamaServer(str(BINARY), tmp_path_factory.mktemp("ollama"))
    running.start()
    running.create("smollm2", embedded_model_path())
    yield running
    running.kill()


@pytest.fixture
def lm(server: OllamaServer) -> Any:
    return gl.language_model(f"ollama:smollm2@{server.url}", num_ctx=2048, num_thread=1, timeout_s=120)


def test_a_probe_finds_log_probabilities_and_the_server_s_own_prompt(lm: Any) -> None:
    source = token_source_for(lm.engine.backend)
    assert isinstance(source, OllamaTokens)
    assert source.mode == "true guidance ollama top-20"
    prompt = source.render([{"role": "user", "content": "Say hi."}])
    assert "Say hi." in prompt.text
    assert prompt.text.rstrip().endswith("assistant")


def test_a_token_at_a_time_is_the_answer_that_the_chat_gives(lm: Any) -> None:
    source = token_source_for(lm.engine.backend)
    assert isinstance(source, OllamaTokens)
    messages = [{"role": "user", "content": "Write a Python function that adds two numbers."}]
    prompt = source.render(messages)
    tokens: tuple[Piece, ...] = ()
    with source.seat(prompt) as seat:
        for _ in range(16):
            step = seat.steps({"plain": prompt}, tokens)["plain"]
            assert 2 <= len(step.top) <= 20
            assert sum(math.exp(v) for v in step.top.values()) < 1.001
            piece = choose(step.top)
            if piece == END:
                break
            tokens += (piece,)
    with gl.session():
        (chat,) = lm(messages=messages, temperature=0.0, max_tokens=16)
    assert text_of(tokens).startswith(chat[:20])


def test_one_task_from_end_to_end(lm: Any, tmp_path: Any) -> None:
    program = gl.Resample(
        generate=gl.GuidedGenerate(model=lm, gamma=0.5, candidates=2, max_tokens=60), samples=1
    )
    store = f"sqlite:///{tmp_path}/s.db"
    with gl.session(store) as session:
        scores = gl.score(program, [TASK])
        assert session.meter.paid.tokens > 0
    (attempt,) = scores.items[0].trajectory.attempts
    assert attempt.sampling["mode"] == "true guidance ollama top-20"
    assert attempt.sampling["guided_lines"] >= 1
    assert "# Call: add_pair(2, 3)" in attempt.feedback
    assert attempt.execution is not None
    with gl.session(store) as session:
        again = gl.score(program, [TASK])
        assert session.meter.paid.calls == 0
    assert again.items[0].trajectory == scores.items[0].trajectory


def test_without_log_probabilities_it_is_line_mode(lm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told = OllamaTokens.tell

    def older(self: OllamaTokens, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = told(self, path, body)
        answer.pop("logprobs", None)
        return answer

    monkeypatch.setattr(OllamaTokens, "tell", older)
    monkeypatch.setattr("greenloop.runtime.backends.token_ollama._known", {})
    with gl.session():
        found = gl.GuidedGenerate(model=lm, candidates=2, max_tokens=48)(problem=TASK.problem).attempt
    assert found.sampling["mode"] == "line mode"
    assert found.answer.strip()
    assert found.usage.tokens_out > 0

"""Thinking and answers that are data on a real Ollama server: its own parsers and its own grammar.

Ollama takes a model for one that thinks where its template puts `.Thinking` of a message between two tags, or where its
parser does (`thinking.InferTags` and `Capabilities` in its source); levels it allows with the parser `harmony` alone.
The embedded model learns both forms from examples in its Modelfile.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import greenloop as gl
import pytest
from greenloop.modules.plan import PlanSteps
from greenloop.runtime.backends import ollama_api
from greenloop.runtime.backends.embedded import embedded_model_path
from greenloop.runtime.engine import unwrap
from greenloop.runtime.preflight import preflight
from greenloop.runtime.run import CallRecord, session, use_run
from greenloop.runtime.structured import read_answer
from greenloop.testing import OllamaServer
from greenloop.testing.ollama_server import find_ollama

REAL = find_ollama()
pytestmark = [
    pytest.mark.ollama,
    pytest.mark.skipif(REAL is None, reason="needs Ollama's own parsers: `make ollama` builds a real server"),
]

QUESTION = "What is three plus three?"
EXAMPLES = (
    ("What is two plus two?", "Two and two.", "four"),
    ("What is one plus one?", "One and one.", "two"),
    ("What is three plus two?", "Three and two.", "five"),
    ("What is two plus one?", "Two and one.", "three"),
)
TAGS = """{{ range .Messages }}<|im_start|>{{ .Role }}
{{ if .Thinking }}<think>
{{ .Thinking }}
</think>
{{ end }}{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
{{ if .Think }}<think>
{{ else }}<think>

</think>
{{ end }}"""
LEVELS = """<|im_start|>system
Reasoning: {{ .ThinkLevel }}{{ if eq .ThinkLevel "high" }}, long and careful{{ end }}<|im_end|>
{{ range .Messages }}<|im_start|>{{ .Role }}
{{ .Content }}<|im_end|>
{{ end }}<|im_start|>assistant
"""


def shown(before: str, between: str) -> str:
    """The examples as lines of a Modelfile."""
    lines = [
        f'MESSAGE user {question}\nMESSAGE assistant """{before}{thought}{between}{answer}"""'
        for question, thought, answer in EXAMPLES
    ]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OllamaServer]:
    assert REAL is not None
    running = OllamaServer(REAL, tmp_path_factory.mktemp("ollama"))
    running.start()
    try:
        model = embedded_model_path()
        running.create("plain", model)
        running.create("thinker", model, template=TAGS, further=shown("<think>\n", "\n</think>\n"))
        harmony = shown(
            "<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"
        )
        running.create("levels", model, template=LEVELS, further=f"PARSER harmony\n{harmony}")
        yield running
    finally:
        running.kill()


def model(server: OllamaServer, name: str, **options: Any) -> Any:
    known = {"num_ctx": 1024, "num_thread": 1, "max_tokens": 48, "timeout_s": 300, "retry_s": 0} | options
    return gl.language_model(f"ollama:{name}@{server.url}", **known)


def asked(server: OllamaServer, name: str, **options: Any) -> tuple[str, CallRecord]:
    with session() as active, use_run(active.open_run("t")) as run:
        (answer,) = model(server, name, **options)(QUESTION)
        return answer if isinstance(answer, str) else str(answer.get("text") or ""), run.calls[0]


def test_the_server_itself_says_who_can_think(server: OllamaServer) -> None:
    for name, thinks in (("plain", False), ("thinker", True), ("levels", True)):
        assert ("thinking" in ollama_api.show(name, server.url).capabilities) == thinks
    lines = preflight([model(server, name, think=True) for name in ("plain", "thinker", "levels")])
    assert lines == [f"ollama:plain@{server.url}: the model cannot think: leave the option `think` out"]


def test_thinking_arrives_apart_is_counted_and_can_be_turned_off(server: OllamaServer) -> None:
    thought, on = asked(server, "thinker", think=True)
    plain, off = asked(server, "thinker", think=False)
    assert on.thinking.strip()
    assert thought.strip()
    assert "think>" not in thought + on.thinking + plain
    assert on.flags == ()
    assert off.thinking == ""
    assert plain.strip()
    assert on.usage.tokens_out > off.usage.tokens_out, "what was thought was paid for"
    assert on.key != off.key


def test_an_answer_that_is_all_thinking_is_flagged(server: OllamaServer) -> None:
    text, call = asked(server, "thinker", think=True, max_tokens=2)
    assert text == ""
    assert call.thinking.strip()
    assert call.truncated
    assert "thinking_only" in call.flags
    assert call.usage.tokens_out == 2


def test_a_level_reaches_the_server(server: OllamaServer) -> None:
    text, low = asked(server, "levels", think="low")
    _, high = asked(server, "levels", think="high")
    assert low.thinking.strip()
    assert text.strip()
    assert "<|" not in text + low.thinking
    assert high.usage.tokens_in > low.usage.tokens_in, "the template says more of a high level"


def test_a_level_that_the_server_does_not_allow_is_one_line(server: OllamaServer) -> None:
    with session(), pytest.raises(Exception, match="refuses the call") as caught:
        model(server, "thinker", think="low")(QUESTION)
    assert 'think value "low" is not supported for this model' in str(unwrap(caught.value)).replace("\\", "")


def test_the_schema_of_a_plan_holds_the_model(server: OllamaServer) -> None:
    task = gl.Task(
        task_id="t", prompt="Write add(a, b).", entry_point="add", hidden_tests=["assert add(1, 2) == 3"]
    )
    made: list[CallRecord] = []
    with session() as active:
        active.on_call = (made.append,)
        plan = gl.Plan(model=model(server, "plain"), structured=True, max_tokens=150)(
            problem=task.problem
        ).plan
        (call,) = made
        text = active.store.answer(call.key).content["text"]
    assert text.lstrip().startswith("{"), "the grammar lets nothing else through"
    assert read_answer(text, PlanSteps) is not None
    assert plan.startswith("1. ")
    assert "no_schema" not in call.flags
    if not call.truncated:
        assert set(json.loads(text)) <= {"steps", "missed"}

"""Line mode on a completion endpoint: the embedded model's own server, spoken to as any OpenAI-compatible one."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import greenloop as gl
import httpx
import pytest
from greenloop.errors import ModelTimeout, ModelUnavailable
from greenloop.runtime.backends import direct
from greenloop.runtime.backends.failures import PromptTooLong
from greenloop.runtime.backends.token_lines import CompletionLines, LineReading
from greenloop.runtime.token_calls import Tally, calls_to
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


def answered_by(monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response]) -> None:
    """Every plain request of this process gets an answer of the test's."""
    client = httpx.Client(transport=httpx.MockTransport(answer))
    monkeypatch.setattr(direct, "_client", lambda: client)


@pytest.mark.parametrize("end", ["it ends", "an error"])
@pytest.mark.parametrize("kind", ["ollama", "openai"])
def test_a_line_that_breaks_off_is_no_draw(kind: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A draw is stored for ever: half of one would be the answer of every rerun."""
    before, after = ("data: ", "\n\n") if kind == "openai" else ("", "\n")
    piece = {"choices": [{"text": "def f"}]} if kind == "openai" else {"response": "def f"}
    stream = before + json.dumps(piece) + after
    if end == "an error":
        stream += before + json.dumps({"error": "the runner has ended"}) + after

    def answer(request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content or b"{}")
        if request.url.path.endswith(("/completions", "/generate")) and asked.get("stream", kind == "ollama"):
            return httpx.Response(200, text=stream)
        return httpx.Response(
            200, json={"data": [{"id": "m"}], "models": [{"name": "m:latest", "digest": "d"}]} | piece
        )

    answered_by(monkeypatch, answer)
    source = token_source_for(gl.language_model(f"{kind}:m@http://{kind}-breaks-off").engine.backend)
    assert source is not None
    with (
        source.seat(Prompt("x")) as seat,
        pytest.raises(ModelUnavailable, match="broke off in mid-answer") as caught,
    ):
        seat.draw(Prompt("x"), (), seeds=[1], temperature=0, most_tokens=9, most_lines=1)
    assert ("the runner has ended" in str(caught.value)) == (end == "an error")


class Lines:
    """A server whose every answer is written by a test: what to send of each streamed completion, in turn."""

    def __init__(self, *answers: list[str | float]) -> None:
        waiting, lock, self.over = list(answers), threading.Lock(), threading.Event()
        over = self.over

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Nothing is printed."""

            def do_GET(self) -> None:
                self._send(b'{"data": [{"id": "m"}], "choices": [{"text": ""}]}')

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not asked.get("stream"):
                    self.do_GET()
                    return
                with lock:
                    pieces = waiting.pop(0)
                self._send(b"")
                for piece in pieces:
                    if isinstance(piece, float):
                        over.wait(piece)
                    else:
                        data = json.dumps({"choices": [{"text": piece}]})
                        self.wfile.write(f"data: {data}\n\n".encode())

            def _send(self, text: bytes) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.name = f"openai:m@http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


HANGS_S = 600.0


@pytest.mark.parametrize(
    ("limits", "pieces", "told"),
    [
        ({"stall_s": 0.2}, ["a", HANGS_S], r"gave no token for 0.2 s \(stall_s\)"),
        ({"timeout_s": 0.5, "stall_s": 0.4}, ["a", 0.3] * 40, r"longer than 0.5 s \(timeout_s\)"),
    ],
)
def test_a_line_keeps_the_limits_of_a_call(limits: dict[str, float], pieces: list[Any], told: str) -> None:
    with Lines(pieces) as server:
        source = token_source_for(gl.language_model(server.name, **limits).engine.backend)
        assert source is not None
        with source.seat(Prompt("x")) as seat, pytest.raises(ModelTimeout, match=told):
            seat.draw(Prompt("x"), (), seeds=[1], temperature=0, most_tokens=9, most_lines=1)


def test_where_one_draw_fails_the_others_are_ended_and_all_is_paid_for() -> None:
    endless = ["a", 0.02] * 5000
    with Lines(["a", 0.2], endless, endless) as server, gl.session() as session:
        calls = calls_to(gl.language_model(server.name, retry_s=0).engine)
        assert calls is not None

        def work(tally: Tally) -> dict[str, Any]:
            with calls.source.seat(Prompt("x")) as seat:
                seat.draw(Prompt("x"), (), seeds=[1, 2, 3], temperature=0, most_tokens=9, most_lines=1)
            raise AssertionError("a draw was taken for whole")

        with pytest.raises(ModelUnavailable, match="broke off"):
            calls.ask({}, work, most_tokens=100, seed=0, sampling={})
        assert session.meter.lost.tokens_in == 1
        assert 3 <= session.meter.lost.tokens_out < 1000


def test_the_context_is_the_one_that_the_server_names(monkeypatch: pytest.MonkeyPatch) -> None:
    answered_by(
        monkeypatch,
        lambda request: httpx.Response(
            200, json={"data": [{"id": "m", "max_model_len": 700}], "choices": [{"text": "a"}]}
        ),
    )
    source = token_source_for(gl.language_model("openai:m@http://names-its-context").engine.backend)
    assert source is not None
    assert source.context == 700


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

"""Servers that misbehave: outages, stalls, loops, breaks in mid-answer. Never a wrong score, always one line."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import httpx
import pytest
from greenloop.errors import ModelTimeout, ModelUnavailable, UnknownModel, UsageError
from greenloop.runtime.backends import direct, ollama_api
from greenloop.runtime.backends.failures import PromptTooLong
from greenloop.runtime.backends.ollama import OllamaBackend
from greenloop.runtime.backends.ollama_memory import memory_of
from greenloop.runtime.budget import Budget, Meter
from greenloop.runtime.endpoint_queue import queue_for
from greenloop.runtime.engine import unwrap
from greenloop.runtime.language_model import language_model, make_backend
from greenloop.runtime.model_spec import ModelOptions, parse_model
from greenloop.runtime.run import session, use_run
from greenloop.testing import BackendContract, ChatServer

DEFAULT_RETRY_S = ModelOptions().retry_s


def failing(model: Any, text: str = "x") -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        model(text)
    error = unwrap(caught.value)
    assert "\n" not in str(error)
    return error


class TestOpenAIServer(BackendContract):
    @pytest.fixture
    def backend(self) -> Iterator[Any]:
        with ChatServer(lambda body: [f"word{n} " for n in range(20)]) as server:
            yield language_model(server.name()).engine.backend


def test_an_outage_is_waited_out_and_the_run_goes_on() -> None:
    server = ChatServer()
    model = language_model(server.name(), retry_s=20)
    threading.Timer(0.6, server.start).start()
    with session():
        assert model("x")[0].startswith("answer ")
    server.kill()


def test_an_outage_that_lasts_is_one_clear_line_after_the_time_budget() -> None:
    server = ChatServer()
    model = language_model(server.name(), retry_s=0.5)
    started = time.monotonic()
    error = failing(model)
    assert isinstance(error, ModelUnavailable)
    assert f"no server answers at {server.url}/v1" in str(error)
    assert time.monotonic() - started < DEFAULT_RETRY_S


def test_calls_that_queue_behind_a_dead_server_share_one_patience() -> None:
    server = ChatServer()
    model = language_model(server.name(), retry_s=2.0, slots=1)
    started = time.monotonic()
    with ThreadPoolExecutor(12) as pool:
        errors = list(pool.map(lambda n: failing(model, f"q{n}"), range(12)))
    assert all(isinstance(e, ModelUnavailable) for e in errors)
    assert time.monotonic() - started < 12 * 2.0, "each waited on its own"


def test_a_connection_that_breaks_is_tried_again() -> None:
    tried: list[int] = []

    def script(body: dict[str, Any]) -> list[Any]:
        tried.append(1)
        return ["half ", None] if len(tried) == 1 else ["whole"]

    with ChatServer(script) as server, session():
        assert language_model(server.name())("x") == ["whole"]
    assert len(tried) == 2


def test_a_server_killed_and_restarted_in_mid_run_pays_nothing_twice(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    prompts = [f"task {n}" for n in range(12)]
    with ChatServer() as server:
        model = language_model(server.name(), retry_s=0)
        undisturbed = language_model(server.name(), retry_s=1)
        with session(url) as active, use_run(active.open_run("t")):
            half = [model(p) for p in prompts[:6]]
            server.kill()
            assert isinstance(failing(model, prompts[6]), ModelUnavailable)
            server.start()
        server.requests.clear()
        with session(url) as active, use_run(active.open_run("t")):
            resumed = [model(p) for p in prompts]
            assert active.meter.paid.calls == 6
        assert len(server.requests) == 6
        with session() as active, use_run(active.open_run("t")):
            assert [undisturbed(p) for p in prompts] == resumed
    assert resumed[:6] == half


def test_an_answer_that_stalls_ends_at_its_limit() -> None:
    with ChatServer(lambda body: ["one ", 30.0, "two"]) as server:
        error = failing(language_model(server.name(), stall_s=0.3, retry_s=0))
    assert isinstance(error, ModelTimeout)
    assert "gave no token for 0.3 s (stall_s)" in str(error)


def test_the_first_token_may_take_longer_than_a_stall_but_not_than_the_whole_call() -> None:
    with ChatServer(lambda body: [2.0, "late"]) as server, session():
        assert language_model(server.name(), stall_s=1.5, retry_s=0)("x") == ["late"]
        error = failing(language_model(server.name(), timeout_s=0.3, retry_s=0), "y")
    assert isinstance(error, ModelTimeout)
    assert "longer than 0.3 s (timeout_s)" in str(error)


def test_an_endless_answer_ends_at_the_total_limit() -> None:
    def drip(body: dict[str, Any]) -> Iterator[Any]:
        for number in range(1000):
            yield f"word{number} "
            yield 0.05

    with ChatServer(drip) as server:
        started = time.monotonic()
        assert isinstance(failing(language_model(server.name(), timeout_s=0.5, retry_s=0)), ModelTimeout)
        assert time.monotonic() - started < 25, "the server would go on for 50 s"


def test_a_repetition_loop_ends_the_call_and_the_connection() -> None:
    sent: list[int] = []
    over = threading.Event()

    def loop(body: dict[str, Any]) -> Iterator[Any]:
        try:
            yield "def f():\n"
            for number in range(20_000):
                sent.append(number)
                yield "    x = 1\n"
                yield 0.001
        finally:
            over.set()

    with ChatServer(loop) as server, session() as active, use_run(active.open_run("t")) as run:
        (text,) = language_model(server.name())("x")
        (record,) = run.calls
    assert text.startswith("def f():\n    x = 1\n")
    assert "repetition" in record.flags
    assert not record.truncated
    assert over.wait(120)
    assert len(sent) < 20_000, "the server was left to generate what nobody reads"


def test_thinking_is_kept_apart_counted_and_flagged() -> None:
    script = ["pondering ", "a lot", "</think>", "x = 1"]
    with ChatServer(lambda body: script) as server, session() as active, use_run(active.open_run("t")) as run:
        response = language_model(server.name())("x")
        assert response == [{"text": "x = 1", "reasoning_content": "pondering a lot"}] or response == [
            "x = 1"
        ]
        assert run.calls[0].thinking == "pondering a lot"
        assert run.calls[0].usage.tokens_out == 4
        server.script = lambda body: ["<think>", "only thoughts"]
        language_model(server.name())("y")
        assert run.calls[1].flags == ("thinking_only",)


def test_a_prompt_that_does_not_fit_is_an_error_that_says_what_to_do() -> None:
    text = "request (6031 tokens) exceeds the available context size (2048 tokens), exceed_context_size_error"
    with ChatServer(status=400, error=text) as server:
        error = failing(language_model(server.name()))
    assert isinstance(error, PromptTooLong)
    assert "raise num_ctx or shorten the prompt" in str(error)


def test_a_missing_model_names_those_that_are_there() -> None:
    with ChatServer(models=("alpha", "beta")) as server:
        error = failing(language_model(server.name("gamma")))
    assert isinstance(error, UnknownModel)
    assert "has no model 'gamma'; it has alpha, beta" in str(error)


def somebody_else(request: httpx.Request) -> httpx.Response:
    """A web server that has a page for any path, or a page that says that it has none."""
    if request.url.path.startswith("/other"):
        return httpx.Response(404, json={"error": f"unexpected endpoint {request.url.path}"})
    return httpx.Response(
        404 if request.url.path.startswith("/wrong") else 200, html="<h1>Model not found</h1>"
    )


@pytest.mark.parametrize("path", ["", "/wrong"])
def test_another_kind_of_server_is_told_as_such(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = httpx.Client(transport=httpx.MockTransport(somebody_else))
    monkeypatch.setattr(direct, "_client", lambda: client)
    url = f"http://elsewhere:1{path}"
    asked: list[Callable[[], Any]] = [
        lambda: ollama_api.list_models(url),
        lambda: ollama_api.show("m", url),
        lambda: list(ollama_api.pull("m", url)),
        lambda: ollama_api.unload("m", url),
        lambda: language_model(f"ollama:m@{url}").engine.describe(),
    ]
    for ask in asked:
        with pytest.raises(ModelUnavailable, match=f"what answers at {url} does not speak Ollama's protocol"):
            ask()
    url = "http://elsewhere:1/other" if path else url
    with pytest.raises(
        ModelUnavailable, match=f"what answers at {url}/v1 does not speak the OpenAI protocol"
    ):
        language_model(f"openai:m@{url}").engine.describe()


@pytest.mark.parametrize("url", ["http://h\x01", "http://[::1", "h:99999"])
def test_a_url_that_cannot_be_one_is_one_line(url: str) -> None:
    with pytest.raises(UsageError, match="is no URL") as caught:
        ollama_api.list_models(url)
    assert "\n" not in str(caught.value)


def test_penalties_reach_ollama_as_what_they_are() -> None:
    with ChatServer(status=400, error="no") as server:
        backend = make_backend(parse_model(f"ollama:m@{server.url}", num_ctx=512))
        assert isinstance(backend, OllamaBackend)
        asked = {"frequency_penalty": 0.5, "presence_penalty": 0.25, "top_k": 7}
        for given in (asked, {"top_k": 7}):
            memory_of(server.url).used(backend.loaded_as, backend.loading)
            with pytest.raises(ModelUnavailable):
                backend.ask(BackendContract.call(**given, max_tokens=9))
        options, plain = (request["options"] for request in server.requests)
    assert options == plain | asked
    assert (options["num_predict"], options["num_ctx"]) == (9, 512)
    assert "repeat_penalty" not in options


def test_a_refused_key_is_not_tried_again() -> None:
    with ChatServer(status=401, error="bad key") as server:
        error = failing(language_model(server.name()))
        assert len(server.requests) == 1
    assert "refuses the key" in str(error)


def waits_for_room(meter: Meter) -> bool:
    """Whether a call waits until others have settled."""
    return bool(meter._lock._waiters)


def test_a_call_that_waits_for_its_part_of_the_budget_holds_no_slot() -> None:
    """Whoever has reserved may still need a slot to get done: two orders of waiting would wait for each other."""
    meter = Meter(Budget(tokens=300))
    got = threading.Event()

    def take_a_slot() -> None:
        with queue_for(model.spec.endpoint, 1).turn("another"):
            got.set()

    with ChatServer() as server, ThreadPoolExecutor(2) as pool, session(meter=meter):
        model = language_model(server.name(), slots=1, max_tokens=50)
        assert model("warm up")
        with meter.reserve(250):
            waiting = pool.submit(copy_context().run, model, "x")
            while not waits_for_room(meter):
                assert not waiting.done()
                time.sleep(0.01)
            pool.submit(take_a_slot)
            free = got.wait(60)
        assert waiting.result(60)
    assert free


def test_a_call_refused_for_good_is_not_tried_again() -> None:
    with ChatServer(status=400, error="unknown field 'seed'") as server:
        error = failing(language_model(server.name(), retry_s=60))
        assert len(server.requests) == 1
    assert "refuses the call" in str(error)
    assert "unknown field 'seed'" in str(error)


def test_deterministic_is_refused_where_the_prompt_cache_is_out_of_reach() -> None:
    with ChatServer() as server:
        error = failing(language_model(server.name(), deterministic=True))
        assert server.requests == []
    assert isinstance(error, UsageError)
    assert "deterministic=True cannot be had from this server" in str(error)


def test_no_more_calls_are_in_flight_than_the_endpoint_serves() -> None:
    together = threading.Barrier(3)

    def all_three(body: dict[str, Any]) -> Iterator[Any]:
        together.wait(60)
        yield 0.05  # a fourth would come meanwhile
        yield "x"

    with ChatServer(all_three) as server, session():
        model = language_model(server.name(), slots=3)
        with ThreadPoolExecutor(12) as pool:
            futures = [pool.submit(copy_context().run, model, f"q{n}") for n in range(12)]
            assert all(f.result() == ["x"] for f in futures)
        assert server.most_at_once == 3


def test_server_options_reach_the_server() -> None:
    with ChatServer() as server, session():
        model = language_model(server.name(), top_k=7, min_p=0.1, repeat_penalty=1.1, stop="END", think=False)
        model("x", temperature=0.4, seed=5)
        (body,) = server.requests
    assert (body["top_k"], body["min_p"], body["repeat_penalty"], body["stop"]) == (7, 0.1, 1.1, ["END"])
    assert (body["temperature"], body["seed"]) == (0.4, 5)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}


def test_a_server_that_cuts_the_prompt_in_silence_is_found_out() -> None:
    with ChatServer() as server:
        server.count_at_most = 100
        error = failing(language_model(server.name()), "several different words " * 200)
    assert isinstance(error, PromptTooLong)
    assert "the server cut it in silence to 100 tokens" in str(error)


def test_a_prompt_far_beyond_a_declared_context_is_never_sent() -> None:
    with ChatServer() as server:
        error = failing(language_model(server.name(), num_ctx=512), "several different words " * 600)
        assert server.requests == []
    assert isinstance(error, PromptTooLong)
    assert "context of 512 tokens" in str(error)

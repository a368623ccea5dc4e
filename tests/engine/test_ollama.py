"""Ollama: a real server where there is one, else a stand-in over the embedded model (the test ids say which)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any

import httpx
import pytest
from greenloop.errors import ModelUnavailable, UnknownModel
from greenloop.runtime.backends import ollama_api
from greenloop.runtime.backends.embedded import embedded_model_path
from greenloop.runtime.backends.failures import PromptTooLong
from greenloop.runtime.backends.ollama import OllamaBackend
from greenloop.runtime.endpoint_queue import swaps
from greenloop.runtime.engine import unwrap
from greenloop.runtime.language_model import language_model, make_backend
from greenloop.runtime.model_spec import parse_model
from greenloop.runtime.preflight import preflight
from greenloop.runtime.run import session, use_run
from greenloop.testing import BackendContract, OllamaServer
from greenloop.testing.ollama_registry import OllamaRegistry
from greenloop.testing.ollama_server import find_ollama
from greenloop.testing.ollama_stand_in import OllamaStandIn

pytestmark = pytest.mark.ollama

REAL = find_ollama()
KIND = "real server" if REAL else "stand-in: no ollama on the path or built by `make ollama`"


@pytest.fixture(scope="module", params=[pytest.param(None, id=KIND)])
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OllamaServer | OllamaStandIn]:
    folder = tmp_path_factory.mktemp("ollama")
    running = OllamaServer(REAL, folder) if REAL else OllamaStandIn()
    running.start()
    running.create("smollm2", embedded_model_path())
    yield running
    running.kill()


@pytest.fixture
def real(server: Any) -> OllamaServer:
    if not isinstance(server, OllamaServer):
        pytest.skip("the stand-in does not do what this test needs; `make ollama` builds a real server")
    return server


def model(server: Any, name: str = "smollm2", **options: Any) -> Any:
    known = {"num_ctx": 512, "num_thread": 1, "max_tokens": 16, "timeout_s": 120} | options
    return language_model(f"ollama:{name}@{server.url}", **known)


class TestContract(BackendContract):
    @pytest.fixture
    def backend(self, server: Any) -> Any:
        return model(server).engine.backend


def test_listing_shows_size_quantisation_digest_and_what_is_loaded(server: Any) -> None:
    model(server).engine.backend.ask(BackendContract.call())
    (found,) = [m for m in ollama_api.list_models(server.url) if m.name == "smollm2:latest"]
    assert found.size_bytes > 9e7
    assert (found.parameters, found.quantisation) == ("134.52M", "Q4_1")
    assert len(found.digest) == 64
    assert found.loaded
    assert found.on_cpu == 1
    ollama_api.unload("smollm2", server.url)
    deadline = time.monotonic() + 60
    while ollama_api.list_models(server.url)[0].loaded and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not ollama_api.list_models(server.url)[0].loaded


def test_show_and_describe_agree(server: Any) -> None:
    card = ollama_api.show("smollm2", server.url)
    spec = model(server).engine.describe()
    assert "completion" in card.capabilities
    assert (card.context, spec.context) == (8192, 512)
    assert spec.parameters == card.parameters == 134515008
    assert spec.quantisation == "Q4_1"


def test_a_prompt_that_does_not_fit_is_an_error_and_never_cut(server: Any) -> None:
    with session(), pytest.raises(Exception, match="does not fit") as caught:
        model(server)("word " * 1500)
    error = unwrap(caught.value)
    assert isinstance(error, PromptTooLong)
    assert "context of 512 tokens; raise num_ctx" in str(error)


def test_without_our_flags_this_very_server_cuts_in_silence(real: OllamaServer) -> None:
    body = {
        "model": "smollm2",
        "messages": [{"role": "user", "content": "word " * 1500}],
        "stream": False,
        "options": {"num_ctx": 512, "num_predict": 2, "num_thread": 1},
    }
    cut = httpx.post(f"{real.url}/api/chat", json=body, timeout=120).json()
    assert cut["prompt_eval_count"] <= 512, "the reason why `truncate: false` has to reach it"
    refused = httpx.post(f"{real.url}/api/chat", json=body | {"truncate": False}, timeout=120)
    assert refused.status_code == 400


def test_a_full_context_ends_the_answer_and_is_flagged(real: OllamaServer) -> None:
    with session() as active, use_run(active.open_run("t")) as run:
        model(real, max_tokens=400)("word " * 490, temperature=2.0)
        (call,) = run.calls
    assert call.truncated, "shift: false reached the server: the context was not shifted"
    assert "context_full" in call.flags
    assert call.usage.tokens_in + call.usage.tokens_out <= 513


def test_options_reach_the_server(server: Any) -> None:
    with session():
        (text,) = model(server, stop=("four",), max_tokens=60, top_k=1, top_p=0.9, min_p=0.01, think=False)(
            "Count in words: one, two, three, four, five, six, seven."
        )
    assert "four" not in text


def test_loading_is_timed_apart_from_the_call(real: OllamaServer) -> None:
    backend = make_backend(
        parse_model(f"ollama:smollm2@{real.url}", num_ctx=768, num_thread=1, keep_alive="1m")
    )
    first = backend.ask(BackendContract.call())
    second = backend.ask(BackendContract.call("Say another word."))
    assert first.load_s > 0.05
    assert second.load_s == 0
    loaded = real.request("GET", "/api/ps")["models"][0]
    assert loaded["context_length"] == 768


def test_a_model_that_is_let_go_after_each_call_is_loaded_apart_each_time(real: OllamaServer) -> None:
    backend = make_backend(parse_model(f"ollama:smollm2@{real.url}", num_ctx=800, num_thread=1, keep_alive=0))
    answers = [backend.ask(BackendContract.call(f"Say {n}.", max_tokens=2)) for n in ("one", "two")]
    assert all(answer.load_s > 0.05 for answer in answers)


def test_a_model_made_anew_under_its_name_is_another_one_for_the_cache(server: Any) -> None:
    server.create("changing", embedded_model_path())
    backend = model(server, "changing").engine.backend
    assert isinstance(backend, OllamaBackend)
    with session() as active:
        ask = model(server, "changing")
        ask("x")
        before = backend.digest()
        server.create("changing", embedded_model_path(), system="You answer in one word.")
        backend.forget()
        assert backend.digest() != before
        ask("x")
        assert active.meter.paid.calls == 2
        ask("x")
        assert active.meter.paid.calls == 2


def test_an_absent_model_is_named_with_what_to_run(server: Any) -> None:
    with pytest.raises(
        UnknownModel, match=r"no model 'smollm3': fetch it with `ollama pull smollm3`.*smollm2"
    ):
        model(server, "smollm3").engine.describe()
    with pytest.raises(UnknownModel, match="no model 'none'"):
        ollama_api.show("none", server.url)


def test_pulling_an_absent_name_or_without_a_registry_is_one_line(server: Any) -> None:
    with pytest.raises((UnknownModel, ModelUnavailable)) as caught:
        list(ollama_api.pull("greenloop-no-such-model", server.url))
    assert "\n" not in str(caught.value)


def test_pulling_fetches_the_model_and_tells_how_far_it_is(server: Any, tmp_path: Path) -> None:
    """Against a real server: from a registry on the loopback address, onto a server that has nothing yet."""
    if isinstance(server, OllamaServer):
        fresh = OllamaServer(server.binary, tmp_path)
        fresh.start()
        try:
            with OllamaRegistry(server.models) as registry:
                name = registry.name("smollm2")
                with pytest.raises(ModelUnavailable, match="could not fetch"):
                    list(ollama_api.pull(f"127.0.0.1:1/library/{name}", fresh.url, insecure=True))
                steps = list(ollama_api.pull(name, fresh.url, insecure=True))
            (found,) = ollama_api.list_models(fresh.url)
            (source,) = [m for m in ollama_api.list_models(server.url) if m.name == "smollm2:latest"]
            assert (found.size_bytes, found.quantisation) == (source.size_bytes, source.quantisation)
            assert model(fresh, name).engine.backend.ask(BackendContract.call()).text
        finally:
            fresh.kill()
    else:
        name = "offered:latest"
        server.offer(name, embedded_model_path())
        steps = list(ollama_api.pull(name, server.url))
        (found,) = [m for m in ollama_api.list_models(server.url) if m.name == name]
    assert found.name == ollama_api.full_name(name)
    whole = max(step.total_bytes for step in steps)
    assert whole == pytest.approx(found.size_bytes, rel=0.01)
    assert max(step.done_bytes for step in steps) == whole
    assert steps[-1].status == "success"


def test_models_that_push_each_other_out_are_seen_and_taken_in_turns(
    real: OllamaServer, tmp_path: Path
) -> None:
    """Nothing is declared: `ps` shows that the server holds one model at a time."""
    small = OllamaServer(real.binary, tmp_path, parallel=1, max_loaded=1)
    small.start()
    try:
        small.create("one", embedded_model_path())
        small.create("two", embedded_model_path(), system="You answer in one word.")
        pair = [model(small, name, max_tokens=4, slots=2) for name in ("one", "two")]
        with session() as active, use_run(active.open_run("t")) as run:
            pair[0]("first"), pair[1]("first")
            assert pair[0].engine.backend.seen_apart == {frozenset(("one:latest", "two:latest"))}
            before = swaps()
            with ThreadPoolExecutor(8) as pool:
                asked = [pool.submit(copy_context().run, lm, f"Say {n}.") for n in range(6) for lm in pair]
                assert all(a.result() for a in asked)
            turns = swaps() - before
            assert 1 <= turns <= 4, "first come, first served would change models up to eleven times"
            assert sum(call.swapped for call in run.calls[2:]) == turns
            assert sum(call.load_s > 0 for call in run.calls[2:]) <= turns + 1
    finally:
        small.kill()


def test_one_model_with_two_contexts_is_loaded_anew_few_times(server: Any) -> None:
    contexts = 576, 640  # no other test loads these
    pair = [model(server, max_tokens=4, slots=2, num_ctx=context) for context in contexts]
    with session() as active, use_run(active.open_run("t")) as run:
        before = swaps()
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(copy_context().run, lm, f"Say {n}.") for n in range(6) for lm in pair]
            assert all(a.result() for a in asked)
        turns = swaps() - before
    assert 1 <= turns <= 4, "first come, first served would load it anew up to eleven times"
    assert sum(call.swapped for call in run.calls) == turns
    assert sum(call.load_s > 0 for call in run.calls) <= turns + 1


def test_deterministic_is_one_call_at_a_time_on_a_model_loaded_anew(real: OllamaServer) -> None:
    ask = model(real, deterministic=True, max_tokens=24)
    backend = ask.engine.backend
    assert backend.slots == 1
    calls = [BackendContract.call(f"Tell me about {t}.", temperature=0.8) for t in ("rain", "stone")]
    first = [backend.ask(call) for call in calls]
    again = [backend.ask(call) for call in reversed(calls)]
    assert [a.text for a in again] == [a.text for a in first][::-1]
    assert all(a.load_s > 0 for a in [*first, *again])


def test_preflight_says_everything_at_once(server: Any) -> None:
    models = [
        model(server),
        f"ollama:none@{server.url}",
        "ollama:any@127.0.0.1:1",
        f"ollama:smollm2@{server.url}",
    ]
    lines = preflight(models, longest_prompt_tokens=600)
    assert len(lines) == 3
    assert "need 616 tokens, the context has 512: set num_ctx to 616 or more" in lines[0]
    assert "fetch it with `ollama pull none` or `greenloop models pull none --url" in lines[1]
    assert lines[2] == "Ollama does not answer at http://127.0.0.1:1: start it with `ollama serve`"
    thinking = language_model(f"ollama:smollm2@{server.url}", think=True)
    assert preflight([thinking]) == [
        f"{thinking.spec.name}: the model cannot think: leave the option `think` out"
    ]


def test_a_server_killed_and_restarted_in_mid_run_is_used_again(server: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    prompts = [f"Say {n}." for n in ("one", "two", "three", "four")]
    patient, brittle = model(server, retry_s=60), model(server, retry_s=0)
    try:
        with session(url) as active, use_run(active.open_run("t")):
            first = [patient(p) for p in prompts[:2]]
            server.kill()
            with pytest.raises(Exception, match="does not answer") as caught:
                brittle(prompts[2])
            assert isinstance(unwrap(caught.value), ModelUnavailable)
            server.start()
            patient(prompts[2])
            assert active.meter.paid.calls == 3
        with session(url) as active, use_run(active.open_run("t")):
            assert [patient(p) for p in prompts[:2]] == first
            patient(prompts[3])
            assert active.meter.paid.calls == 1
    finally:
        if server.url and not _answers(server.url):
            server.start()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/version", timeout=2).is_success
    except httpx.HTTPError:
        return False

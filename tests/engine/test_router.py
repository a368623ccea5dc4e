"""Several hosts for one model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from greenloop.errors import ModelTimeout, UsageError
from greenloop.runtime.backends.embedded import EmbeddedServer, ServerSettings, embedded_model_path
from greenloop.runtime.backends.litellm_chat import LitellmBackend
from greenloop.runtime.backends.router import RouterBackend
from greenloop.runtime.language_model import language_model
from greenloop.runtime.model_spec import parse_model, with_host
from greenloop.runtime.run import session
from greenloop.testing import ChatServer


def test_a_call_goes_to_the_host_that_is_less_busy() -> None:
    """Calls begin one after the other, and none is answered before all have come."""
    came: list[str] = []
    changed = threading.Condition()

    def host(name: str) -> Callable[[dict[str, Any]], Iterator[Any]]:
        def answer(body: dict[str, Any]) -> Iterator[Any]:
            with changed:
                came.append(name)
                changed.notify_all()
                changed.wait_for(lambda: len(came) == 6, 60)
            yield "x"

        return answer

    with ChatServer(host("one")) as one, ChatServer(host("two")) as two, session():
        model = language_model(one.name(), hosts=(one.url, two.url))
        with ThreadPoolExecutor(6) as pool:
            futures: list[Future[Any]] = []
            for n in range(6):
                futures.append(pool.submit(copy_context().run, model, f"q{n}"))
                with changed:
                    assert changed.wait_for(lambda n=n: len(came) > n, 60)
            assert all(f.result() == ["x"] for f in futures)
    assert sorted(came) == ["one"] * 3 + ["two"] * 3


def test_a_host_that_is_away_is_left_out() -> None:
    with ChatServer(lambda body: ["x"]) as one, ChatServer(lambda body: ["x"]) as two, session():
        model = language_model(one.name(), hosts=(one.url, two.url), retry_s=20)
        model("first")
        one.kill()
        assert [model(f"q{n}") for n in range(6)] == [["x"]] * 6


def test_a_host_that_hangs_is_asked_once_in_a_while_and_the_others_serve() -> None:
    spec = parse_model("openai:m@http://one", hosts=("http://one", "http://two"))
    asked: list[str] = []

    class Host(LitellmBackend):
        def identity(self) -> str:
            asked.append(str(self.spec.api_base))
            if self.spec.api_base in away:
                raise ModelTimeout(f"no answer from {self.spec.api_base}")
            return "same"

    away = ["http://one"]
    router = RouterBackend(spec, [Host(with_host(spec, host)) for host in spec.options.hosts])
    assert [router.digest(), router.digest()] == ["same", "same"]
    assert asked == ["http://one", "http://two", "http://two"]
    away.append("http://two")
    with pytest.raises(ModelTimeout, match="no answer from"):
        router.digest()
    away.clear()
    assert router.digest() == "same", "who retries asks all of them"


def test_hosts_of_a_model_of_litellm_s_have_one_identity() -> None:
    hosts = ("http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1")
    one, other = (language_model("hosted_vllm/m", hosts=order).engine for order in (hosts, hosts[::-1]))
    assert one.backend.digest() == other.backend.digest()


def test_hosts_with_different_models_are_refused() -> None:
    with pytest.raises(UsageError, match="name two or more hosts"):
        language_model("openai:m@http://127.0.0.1:9", hosts="http://127.0.0.1:9")


@pytest.mark.embedded
def test_two_real_servers_share_the_calls() -> None:
    settings = ServerSettings(embedded_model_path(), slots=1, context=512, threads=1, prompt_cache=True)
    servers = [EmbeddedServer(settings, key="test-key") for _ in range(2)]
    name = f"openai:SmolLM2-135M-Instruct.Q4_1.gguf@{servers[0].url}"
    with session() as active:
        model = language_model(name, hosts=[s.url for s in servers], api_key="test-key", max_tokens=8)
        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(copy_context().run, model, f"Say {n}.") for n in range(6)]
            assert all(f.result()[0] for f in futures)
        assert active.meter.paid.calls == 6
    for server in servers:
        server.close()

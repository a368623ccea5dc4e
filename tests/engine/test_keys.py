"""Keys of the environment: to servers that the user named, never to one that a name from elsewhere names."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dspy
import greenloop as gl
import pytest
from greenloop.errors import UsageError
from greenloop.runtime.backends import keys
from greenloop.runtime.backends.keys import how_to_name, is_trusted, key_for
from greenloop.runtime.engine import unwrap
from greenloop.runtime.language_model import language_model
from greenloop.runtime.preflight import preflight

SECRET = "sk-of-the-environment"
PROVIDERS = ("OPENAI_API_KEY", "OLLAMA_API_KEY", "HOSTED_VLLM_API_KEY", "GREENLOOP_API_KEY")


class Listener:
    """A server that notes every header that it is sent, and refuses every call as one without a key."""

    def __init__(self) -> None:
        heard = self.heard = []

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                """Nothing is printed."""

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                heard.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                known = self.path in ("/v1/models", "/api/tags", "/api/ps", "/api/generate")
                body = (
                    {"data": [{"id": "m"}], "models": [{"name": "m:latest", "digest": "d"}]} if known else {}
                )
                text = json.dumps(body).encode()
                self.send_response(200 if known else 401)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_POST(self) -> None:
                self.do_GET()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def sent(self) -> str:
        return json.dumps(self.heard)


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    """A server that stands for one elsewhere: its address is none of this machine's for what decides on keys."""
    listener = Listener()
    for name in PROVIDERS:
        monkeypatch.setenv(name, SECRET)
    monkeypatch.delenv("GREENLOOP_API_KEYS", raising=False)
    monkeypatch.setattr(keys, "is_loopback", lambda host: False)
    yield listener
    listener.close()


def refused(name: str) -> str:
    with gl.session(), pytest.raises(Exception) as caught:  # noqa: PT011
        language_model(name, retry_s=0)("x")
    line = str(unwrap(caught.value))
    assert "\n" not in line
    assert SECRET not in line
    return line


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_no_key_of_the_environment_goes_to_a_server_that_a_name_names(foreign: Listener, kind: str) -> None:
    line = refused(f"{kind}:m@{foreign.url}")
    assert [path for path, _ in foreign.heard if "chat" in path], "the call itself was made"
    assert SECRET not in foreign.sent
    assert "none was sent: a URL in a name is no consent" in line
    assert how_to_name(foreign.url) in line


def test_an_export_that_names_a_server_is_not_sent_a_key(foreign: Listener, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    gl.export(gl.Resample(generate=gl.Generate(model=f"openai:m@{foreign.url}?retry_s=0"), samples=1), folder)
    program = gl.load(folder, check_models=False)
    task = gl.Task(task_id="t", prompt="Write f.", entry_point="f", hidden_tests=["assert f() == 1"])
    with gl.session(), pytest.raises(Exception, match="none was sent"):
        program(problem=task.problem)
    assert SECRET not in foreign.sent


def test_hosts_behind_a_providers_name_are_refused_before_anything_is_sent(foreign: Listener) -> None:
    hosts = f"hosts={foreign.url}&hosts={foreign.url}"
    for provider in ("openai", "hosted_vllm"):
        with pytest.raises(UsageError, match=r"a provider's keys are not sent to .*GREENLOOP_API_KEYS"):
            language_model(f"{provider}/m?{hosts}")
    assert foreign.heard == []
    refused(f"ollama_chat/m?{hosts}")
    assert foreign.heard, "litellm's name of an Ollama server, which is asked as by our own"
    assert SECRET not in foreign.sent


def test_a_url_inside_a_providers_name_is_refused() -> None:
    """litellm takes it for the address (`huggingface/https://…`), and sends the provider's key there."""
    with pytest.raises(UsageError, match="a provider's name holds no URL"):
        language_model("huggingface/https://evil.example/v1")


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_a_server_that_the_user_named_is_sent_its_own_key_and_no_other(
    foreign: Listener, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = foreign.url.removeprefix("http://")
    monkeypatch.setenv("GREENLOOP_API_KEYS", f"elsewhere=no {place}=its-own")
    assert "refuses the key: set" in refused(f"{kind}:m@{foreign.url}")
    assert SECRET not in foreign.sent
    assert {headers["authorization"] for _, headers in foreign.heard} == {"Bearer its-own"}


def test_a_key_given_in_python_goes_with_its_model(foreign: Listener) -> None:
    with gl.session(), pytest.raises(Exception, match="refuses the key"):
        language_model(f"ollama:m@{foreign.url}", api_key="given", retry_s=0)("x")
    assert {headers["authorization"] for _, headers in foreign.heard} == {"Bearer given"}
    plain = dspy.LM("openai/m", api_base=f"{foreign.url}/v1", api_key="given-too")
    with gl.session(), pytest.raises(Exception, match="refuses the key"):
        language_model(plain, retry_s=0)("x")
    assert foreign.heard[-1][1]["authorization"] == "Bearer given-too"


def test_servers_on_this_machine_are_sent_the_plain_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLOOP_API_KEY", "local")
    monkeypatch.setenv("GREENLOOP_API_KEYS", "[::1]:9=six,Box=upper,box:8000=eight,open=")
    urls = ["http://127.0.0.1:1", "http://localhost/v1", "http://[::1]:9", "http://[::1]:8"]
    assert [key_for(url) for url in urls] == ["local", "local", "six", "local"]
    assert [key_for(u) for u in ("http://box", "https://BOX:8000/v1", "http://open")] == [
        "upper",
        "eight",
        None,
    ]
    assert is_trusted("http://open")
    strangers = [
        "http://127.0.0.1.evil.com",
        "http://evil.com",
        "http://box.evil.com",
        "http://localhost.evil",
        "",
    ]
    assert [key_for(url) for url in strangers] == [None] * 5
    assert not any(map(is_trusted, strangers))


def test_an_entry_that_cannot_be_read_is_one_line_that_shows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLOOP_API_KEYS", f"box=k https://host={SECRET}")
    (line,) = preflight(["openai:m@http://box"])
    assert line == "GREENLOOP_API_KEYS: entry 2 is not of the form HOST=KEY or HOST:PORT=KEY"


def test_a_server_of_another_provider_at_an_address_of_ones_own_says_how_it_is_named() -> None:
    with pytest.raises(UsageError, match="is named openai:m@http://box:8000/v1"):
        language_model(dspy.LM("hosted_vllm/m", api_base="http://box:8000/v1", api_key="k"))

"""Model servers on this machine are asked directly, whatever proxy the environment names."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from greenloop.runtime.backends.direct import keep_direct

ASK_ALL = """
import greenloop as gl
from greenloop.runtime.backends import ollama_api
from greenloop.runtime.backends.embedded import embedded_model_path
from greenloop.testing import ChatServer
from greenloop.testing.ollama_stand_in import OllamaStandIn

small = {"max_tokens": 4, "num_ctx": 512, "retry_s": 0}
with ChatServer() as server:
    print(gl.language_model(server.name(), retry_s=0)("x"))
stand_in = OllamaStandIn()
stand_in.start()
stand_in.create("m", embedded_model_path())
print(ollama_api.list_models(stand_in.url)[0].name)
print(gl.language_model(f"ollama:m@{stand_in.url}", **small)("x"))
embedded = gl.language_model("embedded", slots=1, **small)
print(embedded.engine.backend.count_tokens("two words"), embedded("x"))
stand_in.kill()
"""


@pytest.mark.embedded
def test_a_proxy_that_is_away_keeps_nobody_from_servers_on_this_machine() -> None:
    dead = "http://127.0.0.1:9"
    names = [n for p in ("http_proxy", "https_proxy", "all_proxy") for n in (p, p.upper())]
    kept = {k: v for k, v in os.environ.items() if k.lower() != "no_proxy"}
    environment = kept | dict.fromkeys(names, dead)
    done = subprocess.run(
        [sys.executable, "-c", ASK_ALL], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 4


def test_what_the_user_excepts_stays_excepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "example.org, 127.0.0.1")
    monkeypatch.setenv("no_proxy", "")
    keep_direct("http://127.0.0.7:11434")
    assert os.environ["NO_PROXY"] == "example.org,127.0.0.1,localhost,::1,127.0.0.7"
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"]
    keep_direct("https://far.example.com/v1")
    assert "far" not in os.environ["NO_PROXY"]


def test_without_a_proxy_the_environment_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NO_PROXY", "example.org")
    keep_direct("http://127.0.0.1:11434")
    assert os.environ["NO_PROXY"] == "example.org"

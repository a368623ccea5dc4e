"""A model on an Ollama server, through litellm's `ollama_chat`, with every option of ours at its place.

`truncate: false` and `shift: false` go into the body of each call: a prompt that does not fit is an error
and never cut in silence. The digest that Ollama publishes is part of each call's identity. Loading the model
is timed apart from the call that needed it.
"""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from typing import Any

from ...errors import ModelUnavailable, UnknownModel
from ..model_spec import ModelSpec
from . import ollama_api
from .base import Answer, Call
from .failures import not_there, translate
from .litellm_chat import LitellmBackend
from .ollama_memory import WARM_S, memory_of, staying, stays_s

DEFAULT_CONTEXT = 4096
_PENALTIES = ("presence_penalty", "frequency_penalty")
"""Ollama has both. litellm refuses the first, and sends the second as `repeat_penalty`, where less than 1 rewards
repeating: options with one of them are therefore put into the body in full."""
_MEMORY_S = 10.0
"""How long a digest is taken as still true, in seconds: a model re-pulled during a run is noticed."""
_UNLOAD_S = 30.0
"""How long Ollama may take to free a model's memory, in seconds."""


class OllamaBackend(LitellmBackend):
    """One model on one Ollama server.

    Args:
        spec: "ollama:NAME" or "ollama:NAME@URL".
    """

    default_slots = 4

    def __init__(self, spec: ModelSpec) -> None:
        context = spec.options.num_ctx or DEFAULT_CONTEXT
        super().__init__(spec.model_copy(update={"context": context}))
        self._lock = threading.Lock()
        self._known: tuple[float, dict[str, Any]] | None = None
        self._memory = memory_of(self.url)

    @property
    def url(self) -> str:
        """The server's base URL."""
        return self._spec.api_base or ""

    @property
    def loaded_as(self) -> str:
        """The model as the server's memory knows it: with its tag."""
        return ollama_api.full_name(self._spec.short_name)

    @property
    def loading(self) -> str:
        """The options that the model is loaded with: Ollama loads it anew for others."""
        return json.dumps(self._loading_options(), sort_keys=True)

    @property
    def seen_apart(self) -> frozenset[frozenset[str]]:
        """Pairs of models that `ps` showed not to fit together."""
        return self._memory.apart

    def digest(self) -> str:
        """The digest that Ollama publishes for the model's name now."""
        return str(self._model()["digest"])

    def identity(self) -> str:
        """The same: it says nothing of the server."""
        return self.digest()

    def forget(self) -> None:
        """Ask the server anew for what it has: after a pull, say."""
        with self._lock:
            self._known = None
            self._memory.forget(self.loaded_as)

    def describe(self) -> ModelSpec:
        """The spec with what `/api/tags` and `/api/show` tell."""
        model = self._model()
        details = model.get("details") or {}
        info = self._tell("POST", "/api/show", {"model": self._spec.short_name}).get("model_info") or {}
        trained = info.get(f"{info.get('general.architecture', '')}.context_length")
        context = self._spec.context
        found = {
            "digest": str(model["digest"]),
            "parameters": info.get("general.parameter_count"),
            "quantisation": details.get("quantization_level"),
            "size_bytes": model.get("size"),
            "context": min(context, trained) if context and trained else context,
        }
        return self._spec.model_copy(update=found)

    def arguments(self, call: Call) -> dict[str, Any]:
        """Ollama's options, and in the body that nothing is to be cut or shifted."""
        given: dict[str, Any] = {k: v for k, v in call.sampling.items() if v is not None}
        given |= self._loading_options()
        given["seed"] = call.seed
        body: dict[str, Any] = {"truncate": False, "shift": False}
        if not given.keys().isdisjoint(_PENALTIES):
            body["options"] = {n: v for n, v in given.items() if n not in ("max_tokens", "think")}
            body["options"]["num_predict"] = call.max_tokens
            given = {n: v for n, v in given.items() if n not in _PENALTIES}
        if self._spec.options.keep_alive is not None:
            given["keep_alive"] = self._spec.options.keep_alive
        if call.response_format is not None:
            given["response_format"] = call.response_format
        given["extra_body"] = body
        return given

    def ask(self, call: Call) -> Answer:
        """Make one call, the model loaded first; see `Backend.ask`."""
        self.prepare()
        load_s = self._load()
        try:
            answer = super().ask(call)
        except ModelUnavailable:
            self._memory.forget(self.loaded_as)  # a server that comes back has nothing loaded
            raise
        self._memory.used(self.loaded_as, self.loading, self._spec.options.keep_alive)
        return dataclasses.replace(answer, load_s=load_s)

    def _load(self) -> float:
        """Have the model loaded, anew where answers are to repeat; the seconds that took."""
        fresh = self._spec.options.deterministic
        if not fresh and self._memory.is_warm(self.loaded_as, self.loading):
            return 0.0
        with self._memory.loading:
            if not fresh and self._memory.is_warm(self.loaded_as, self.loading):
                return 0.0
            started = time.monotonic()
            if fresh:
                self._unload()
            before = self._running()
            body: dict[str, Any] = {"model": self._spec.short_name, "options": self._loading_options()}
            keep_alive = self._spec.options.keep_alive
            if keep_alive is not None and stays_s(keep_alive) >= WARM_S:  # 0 would mean: unload it
                body["keep_alive"] = keep_alive
            self._tell("POST", "/api/generate", body, timeout_s=self._spec.options.timeout_s)
            self._memory.used(self.loaded_as, self.loading, self._spec.options.keep_alive)
            if before:
                self._memory.loaded(self.loaded_as, before, self._running())
            return time.monotonic() - started

    def _unload(self) -> None:
        """Take the model out of memory, and with it the prompts that Ollama remembers."""
        if self.loaded_as not in self._running():
            return
        self._tell("POST", "/api/generate", {"model": self._spec.short_name, "keep_alive": 0}, _UNLOAD_S)
        ends = time.monotonic() + _UNLOAD_S
        while self.loaded_as in self._running():
            if time.monotonic() > ends:
                raise ModelUnavailable(
                    f"{self._spec.name}: deterministic=True needs the model unloaded before each call, and "
                    "another client of the server keeps it loaded"
                )
            time.sleep(0.02)

    def _running(self) -> dict[str, float]:
        """What the server has in memory, and for how many seconds more."""
        return staying(self._tell("GET", "/api/ps").get("models") or [])

    def _loading_options(self) -> dict[str, Any]:
        """Options that a model is loaded with: another value makes Ollama load it anew."""
        options: dict[str, Any] = {"num_ctx": self._spec.context}
        if self._spec.options.num_thread is not None:
            options["num_thread"] = self._spec.options.num_thread
        return options

    def _model(self) -> dict[str, Any]:
        """Ollama's own entry for the model."""
        with self._lock:
            if self._known and time.monotonic() - self._known[0] < _MEMORY_S:
                return self._known[1]
        models = self._tell("GET", "/api/tags").get("models") or []
        full = ollama_api.full_name(self._spec.short_name)
        for model in models:
            if full in (model.get("name"), model.get("model")):
                with self._lock:
                    self._known = (time.monotonic(), model)
                return model
        raise UnknownModel(not_there(self._spec) + _nearest(full, [str(m.get("name")) for m in models]))

    def _tell(
        self, method: str, path: str, body: dict[str, Any] | None = None, timeout_s: float = 10
    ) -> dict[str, Any]:
        import httpx

        try:
            key = self._spec.options.api_key
            return ollama_api.request(self.url, method, path, body, timeout_s, key)
        except (httpx.HTTPError, ValueError) as error:
            raise translate(error, self._spec) from error


def _nearest(name: str, present: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, present, n=3, cutoff=0.4)
    return f"; it has {', '.join(near)}" if near else ""

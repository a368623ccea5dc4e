"""A model on an Ollama server, through litellm's `ollama_chat`, with every option of ours at its place.

`truncate: false` and `shift: false` go into the body of each call: a prompt that does not fit is an error and
never cut in silence. The digest that Ollama publishes is part of each call's identity.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from ...errors import UnknownModel
from ..model_spec import ModelSpec
from .base import Call
from .failures import not_there, translate
from .litellm_chat import LitellmBackend

DEFAULT_CONTEXT = 4096
_MEMORY_S = 10.0
"""How long a digest is taken as still true, in seconds: a model re-pulled during a run is noticed."""


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

    def digest(self) -> str:
        """The digest that Ollama publishes for the model's name now."""
        return str(self._model()["digest"])

    def describe(self) -> ModelSpec:
        """The spec with what `/api/tags` and `/api/show` tell."""
        model = self._model()
        details = model.get("details") or {}
        info = (self._request("POST", "/api/show", {"model": self._spec.short_name})).get("model_info") or {}
        architecture = info.get("general.architecture", "")
        trained = info.get(f"{architecture}.context_length")
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
        options = self._spec.options
        given: dict[str, Any] = {k: v for k, v in call.sampling.items() if v is not None}
        given["num_ctx"] = self._spec.context
        given["seed"] = call.seed
        if options.num_thread is not None:
            given["num_thread"] = options.num_thread
        if options.keep_alive is not None:
            given["keep_alive"] = options.keep_alive
        if call.response_format is not None:
            given["response_format"] = call.response_format
        given["extra_body"] = {"truncate": False, "shift": False}
        return given

    def _model(self) -> dict[str, Any]:
        """Ollama's own entry for the model."""
        with self._lock:
            if self._known and time.monotonic() - self._known[0] < _MEMORY_S:
                return self._known[1]
        name = self._spec.short_name
        full = name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
        models = self._request("GET", "/api/tags").get("models") or []
        for model in models:
            if model.get("name") == full or model.get("model") == full:
                with self._lock:
                    self._known = (time.monotonic(), model)
                return model
        raise UnknownModel(not_there(self._spec) + _nearest(full, [str(m.get("name")) for m in models]))

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        import httpx

        try:
            answer = httpx.request(method, f"{self._spec.api_base}{path}", json=body, timeout=10)
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise translate(error, self._spec) from error


def _nearest(name: str, present: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, present, n=3, cutoff=0.4)
    return f"; it has {', '.join(near)}" if near else ""

"""Any server of the OpenAI protocol at a URL of the user's: vLLM, LM Studio, llama-server, ...."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

from ...errors import UnknownModel, UsageError
from ..model_spec import ModelSpec
from . import direct
from .base import Call
from .failures import data_of, not_there, translate
from .litellm_chat import LitellmBackend, openai_arguments

_MEMORY_S = 10.0
"""How long what the server said of itself is taken as still true, in seconds."""


class OpenAIServerBackend(LitellmBackend):
    """A model on a server of the OpenAI protocol.

    Args:
        spec: "openai:MODEL@URL"; the URL with or without its "/v1".
    """

    def __init__(self, spec: ModelSpec) -> None:
        base = spec.api_base or ""
        base = (
            base
            if base.rsplit("/", 1)[-1].startswith("v") and base.rsplit("/", 1)[-1][1:].isdigit()
            else f"{base}/v1"
        )
        super().__init__(spec.model_copy(update={"api_base": base, "context": spec.options.num_ctx}))
        self._lock = threading.Lock()
        self._known: tuple[float, dict[str, Any]] | None = None
        self._slots = 0
        self._props: dict[str, Any] = {}

    @property
    def slots(self) -> int:
        """The option `slots`, else what llama.cpp's `/props` publishes, else a cautious default."""
        options = self._spec.options
        return 1 if options.deterministic else options.slots or self._slots or self.default_slots

    @property
    def learns_slots(self) -> bool:
        """Learned where the server does not publish it."""
        return super().learns_slots and not self._slots

    def arguments(self, call: Call) -> dict[str, Any]:
        """OpenAI's settings by name, the server's own in the body."""
        given = openai_arguments(call)
        if self._spec.options.deterministic:
            given["extra_body"] = {**given.get("extra_body", {}), "cache_prompt": False}
        return given

    def digest(self) -> str:
        """A digest of name, server and what the server says of the model: weights are not published."""
        return hashlib.sha256(f"{self.identity()}|{self._spec.api_base}".encode()).hexdigest()

    def identity(self) -> str:
        """A digest of name and of what the server says of the model."""
        model = self._model()
        meta = {k: v for k, v in (model.get("meta") or {}).items() if k in ("n_params", "size", "n_vocab")}
        published = sorted(({"root": model.get("root")} | meta).items(), key=str)
        return hashlib.sha256(f"{self._spec.model}|{published!r}".encode()).hexdigest()

    def describe(self) -> ModelSpec:
        """The spec with what `/v1/models` and llama.cpp's `/props` tell."""
        model = self._model()
        meta = model.get("meta") or {}
        context = meta.get("n_ctx") or model.get("max_model_len") or self._spec.options.num_ctx
        served = (self._props.get("default_generation_settings") or {}).get("n_ctx")
        found = {
            "digest": self.digest(),
            "parameters": meta.get("n_params"),
            "context": served or context,
            "size_bytes": meta.get("size"),
        }
        return self._spec.model_copy(update=found)

    def _read_slots(self) -> None:
        """llama.cpp publishes how many calls it serves at once."""
        if not self._slots:
            self._props = self._get("props", optional=True) or {}
            self._slots = int(self._props.get("total_slots") or 0)
        if self._spec.options.deterministic and not self._slots:
            raise UsageError(
                f"{self._spec.name}: deterministic=True cannot be had from this server (it is no llama.cpp, its "
                "prompt cache is out of reach): leave it out; stored answers repeat in any case"
            )

    def _model(self) -> dict[str, Any]:
        """The server's own entry for the model."""
        with self._lock:
            if self._known and time.monotonic() - self._known[0] < _MEMORY_S:
                return self._known[1]
        listed = (self._get("models") or {}).get("data") or []
        name = self._spec.short_name
        for entry in listed:
            if entry.get("id") == name or name in (entry.get("aliases") or []):
                self._read_slots()
                with self._lock:
                    self._known = (time.monotonic(), entry)
                return entry
        raise UnknownModel(
            f"{not_there(self._spec)}; it has {', '.join(str(e.get('id')) for e in listed) or 'none'}"
        )

    def _get(self, path: str, optional: bool = False) -> dict[str, Any] | None:
        import httpx

        base = self._spec.api_base or ""
        url = f"{base.rsplit('/', 1)[0]}/{path}" if path == "props" else f"{base}/{path}"
        key = self.connection()["api_key"]
        try:
            answer = direct.request("GET", url, headers={"Authorization": f"Bearer {key}"}, timeout=10)
            answer.raise_for_status()
            return data_of(answer)
        except (httpx.HTTPError, ValueError) as error:
            if optional:
                return None
            raise translate(error, self._spec) from error

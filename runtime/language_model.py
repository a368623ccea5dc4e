"""From a model's name to a language model that DSPy programs use as it is."""

from __future__ import annotations

import inspect
import json
import logging
import os
import threading
from contextvars import ContextVar
from typing import Any, cast

import dspy
from dspy.clients.base_lm import LM_CLASS_STATE_KEY
from pydantic import SecretStr

from ..errors import UsageError
from .backends.base import Backend
from .backends.litellm_chat import LitellmBackend
from .engine import AsyncEngine, Engine, rollout
from .model_spec import ModelSpec, options_of, parse_model, with_host

_engines: dict[str, Engine] = {}
_lock = threading.Lock()

_asking: ContextVar[bool] = ContextVar("greenloop_asking", default=False)

_CLIENT_SETTINGS = ("api_key", "api_base", "base_url", "timeout")
_NO_SETTINGS = {
    *(set(inspect.signature(dspy.LM.__init__).parameters) - {"temperature", "max_tokens"}),
    *_CLIENT_SETTINGS,
    LM_CLASS_STATE_KEY,
}
"""What DSPy saves of a language model beside its generation settings."""


class _TruncationsAreCounted(logging.Filter):
    """Drops DSPy's warning about a truncated answer of ours: it is flagged on the call and counted in
    reports."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (_asking.get() and "truncated" in record.getMessage())


logging.getLogger("dspy.clients.lm").addFilter(_TruncationsAreCounted())


class LanguageModel(dspy.LM):
    """A `dspy.LM` on our engine. DSPy's own cache and retries are off: the engine's store and patience hold.

    Args:
        engine: The engine.
        **settings: Temperature, max_tokens and the like for all calls, as for `dspy.LM`.
    """

    def __init__(self, engine: Engine, **settings: Any) -> None:
        super().__init__(
            model=engine.backend.spec.model,
            engine=engine,
            async_engine=AsyncEngine(engine),
            cache=False,
            num_retries=0,
            **settings,
        )

    @property
    def spec(self) -> ModelSpec:
        """What the model is: see `ModelSpec`."""
        return cast(Engine, self.engine).spec

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the model; see `dspy.LM`."""
        token = rollout.set(kwargs.get("rollout_id", self.kwargs.get("rollout_id")))
        asking = _asking.set(True)
        try:
            return super().__call__(*args, **kwargs)
        finally:
            _asking.reset(asking)
            rollout.reset(token)

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """Ask the model from asyncio; see `dspy.LM`."""
        token = rollout.set(kwargs.get("rollout_id", self.kwargs.get("rollout_id")))
        asking = _asking.set(True)
        try:
            return await super().acall(*args, **kwargs)
        finally:
            _asking.reset(asking)
            rollout.reset(token)

    @classmethod
    def load_state(cls, state: dict[str, Any], *, allow_custom_lm_class: bool = False) -> LanguageModel:
        """The model that `dump_state` described; keys have to be given anew."""
        saved = state["engine"]["state"]
        settings = {k: v for k, v in state.items() if v is not None and k not in _NO_SETTINGS}
        return cls(Engine.load_state(saved), **settings)


def language_model(model: str | dspy.BaseLM, **options: Any) -> LanguageModel:
    """The language model of a name, with our engine in front of it.

    Args:
        model: "embedded", "gguf:PATH", "ollama:NAME[@URL]", "openai:MODEL@URL", "provider/model" as litellm
            has it, or a `dspy.LM`, whose litellm model and settings are taken over.
        **options: See `ModelOptions`. Engines are shared: the same name and options give the same engine.

    Raises:
        UnknownModel: No such model or file; the message offers the nearest names.
        UsageError: An option is unknown or out of range.
        ModelUnavailable: A package that the backend needs is not installed.

    Example:
        >>> lm = language_model("embedded", max_tokens=64)  # doctest: +SKIP
        >>> lm("Say hello.")  # doctest: +SKIP
    """
    if isinstance(model, LanguageModel):
        return model if not options else _taken_over(model, options)
    if isinstance(model, str):
        return LanguageModel(engine_for(model, **options))
    if not isinstance(model, dspy.BaseLM):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"a model is a name or a dspy.LM, not {type(model).__name__}")
    return _taken_over(model, options)


def engine_for(name: str, **options: Any) -> Engine:
    """The process's one engine for a name and options; see `language_model`."""
    spec = parse_model(name, **options)
    secret = spec.options.api_key.get_secret_value() if spec.options.api_key else ""
    known = json.dumps([spec.model_dump(mode="json"), secret], sort_keys=True)
    with _lock:
        if known not in _engines:
            _engines[known] = Engine(make_backend(spec))
        return _engines[known]


def make_backend(spec: ModelSpec) -> Backend:
    """The backend that serves a spec; several hosts get a router in front.

    Raises:
        UsageError: `deterministic` is asked of what cannot be held to it.
    """
    if spec.options.deterministic and (spec.options.hosts or spec.backend == "litellm"):
        where = "several hosts" if spec.options.hosts else "a provider whose slots and caches are its own"
        raise UsageError(f"{spec.name}: deterministic=True cannot be had from {where}: leave it out")
    if spec.options.num_ctx is not None and spec.backend == "litellm":
        raise UsageError(f"{spec.name}: num_ctx cannot be set at a provider: leave it out")
    if spec.options.hosts and spec.backend in ("ollama", "openai", "litellm"):
        from .backends.keys import how_to_name, is_trusted
        from .backends.router import RouterBackend

        foreign = [host for host in spec.options.hosts if not is_trusted(with_host(spec, host).api_base)]
        if spec.backend == "litellm" and foreign:
            raise UsageError(
                f"{spec.name}: a provider's keys are not sent to {foreign[0]}, which only a name names: set "
                f"{how_to_name(with_host(spec, foreign[0]).api_base)} if it is yours"
            )
        hosts = [with_host(spec, host) for host in spec.options.hosts]
        return RouterBackend(spec, [cast(LitellmBackend, make_backend(host)) for host in hosts])
    if spec.backend == "embedded":
        from .backends.embedded import EmbeddedBackend

        return EmbeddedBackend(spec)
    if spec.backend == "ollama":
        from .backends.ollama import OllamaBackend

        return OllamaBackend(spec)
    if spec.backend == "openai":
        from .backends.openai_server import OpenAIServerBackend

        return OpenAIServerBackend(spec)
    return LitellmBackend(spec)


def _changed(engine: Engine, options: dict[str, Any]) -> Engine:
    spec = engine.backend.spec
    if not options:
        return engine
    if spec.backend == "custom":
        raise UsageError(f"{spec.name}: options of a model object of your own are given where it is made")
    kept = spec.options.model_dump(exclude_defaults=True) | {"api_key": spec.options.api_key}
    return engine_for(spec.name, **{k: v for k, v in (kept | options).items() if v is not None})


def _settings(lm: dspy.BaseLM) -> dict[str, Any]:
    """Generation settings of a language model, without what belongs to its connection."""
    return {k: v for k, v in lm.kwargs.items() if v is not None and k not in _CLIENT_SETTINGS}


def _taken_over(lm: dspy.BaseLM, options: dict[str, Any]) -> LanguageModel:
    """Our engine around a `dspy.LM`: around its litellm model, or around its own engine where it has one."""
    engine = getattr(lm, "engine", None)
    if isinstance(engine, Engine):
        return LanguageModel(_changed(engine, options), **_settings(lm))
    if isinstance(lm, dspy.LM) and isinstance(engine, str):
        given = dict(options)
        if (key := lm.kwargs.get("api_key")) is not None:
            given.setdefault("api_key", SecretStr(str(key)))
        if isinstance(limit := lm.kwargs.get("timeout"), (int, float)):
            given.setdefault("timeout_s", limit)
        base = lm.kwargs.get("api_base") or lm.kwargs.get("base_url")
        return LanguageModel(engine_for(_our_name(lm.model, base), **given), **_settings(lm))
    from .backends.custom import DspyBackend

    chosen = options_of(lm.model, options)
    with _lock:
        known = f"object {id(lm)} {chosen.model_dump_json()}"
        if known not in _engines:
            spec = ModelSpec(name=lm.model, backend="custom", model=lm.model, options=chosen)
            _engines[known] = Engine(DspyBackend(lm, spec))
        return LanguageModel(_engines[known], **_settings(lm))


def _our_name(model: str, base: str | None) -> str:
    """The name by which we know a litellm model at a base URL."""
    provider, _, rest = model.partition("/")
    if provider in ("ollama_chat", "ollama"):
        base = base or os.environ.get("OLLAMA_API_BASE")
        return f"ollama:{rest}" + (f"@{base}" if base else "")
    if provider == "openai" and base:
        return f"openai:{rest}@{base}"
    if base:
        raise UsageError(
            f"{model}: a server of your own at {base} is named openai:{rest}@{base}, if it speaks that protocol; "
            "for another provider set the address in the variable that litellm reads"
        )
    return model

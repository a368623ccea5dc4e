"""What a model is, as a value: the name that a user writes, taken apart."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from ..errors import UnknownModel, UsageError
from .validation import first_problem

OLLAMA_URL = "http://127.0.0.1:11434"

BackendName = Literal["embedded", "ollama", "openai", "litellm", "custom"]


class ModelOptions(BaseModel):
    """Options of a model that are fixed for all its calls. None leaves a setting to the server.

    Attributes:
        temperature: Sampling temperature where a stage names none, in [0, 2].
        max_tokens: Most answer tokens where a stage names none.
        num_ctx: Context in tokens, prompt and answer together. Changing it makes a server reload the model.
        num_thread: Decoder threads.
        keep_alive: How long Ollama keeps the model loaded after a call: "5m", seconds, -1 for always.
        top_p: Nucleus sampling, in (0, 1].
        top_k: Sample among the k likeliest tokens.
        min_p: Least probability relative to the likeliest token, in [0, 1].
        repeat_penalty: Penalty of repeated tokens; 1 is none.
        stop: Texts that end an answer.
        think: Thinking off, on, or a level where the model has levels.
        timeout_s: Wall seconds for a whole call.
        stall_s: Most seconds without a new token (the first one has `timeout_s`: the model may be loading).
        retry_s: Seconds in which an outage is retried before it stops a run.
        slots: Calls in flight at once; None takes what the endpoint publishes or learns it.
        hosts: Base URLs of several servers with the same model; calls are spread over them.
        deterministic: One call in flight and no prompt cache, so that a seed repeats its text (slower). Ollama
            remembers prompts as long as a model is loaded: there the model is loaded anew for each call, and
            other clients of the server are not kept out. Refused where it cannot be had.
        exclusive: The model does not fit beside others: queued calls are grouped so that it is loaded rarely.
            What Ollama's `ps` shows of models pushing each other out is found without it.
        memory_gb: Declared memory of the loaded model, where the server publishes none.
        api_key: Key of the server, never written anywhere. Without it, servers on this machine are sent
            GREENLOOP_API_KEY, and those that GREENLOOP_API_KEYS names by host theirs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float | None = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=1024, gt=0)
    num_ctx: int | None = Field(default=None, ge=64)
    num_thread: int | None = Field(default=None, gt=0)
    keep_alive: str | int | None = None
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, gt=0)
    min_p: float | None = Field(default=None, ge=0, le=1)
    repeat_penalty: float | None = Field(default=None, gt=0)
    stop: tuple[str, ...] = ()
    think: bool | Literal["low", "medium", "high"] | None = None
    timeout_s: float = Field(default=600, gt=0)
    stall_s: float = Field(default=60, gt=0)
    retry_s: float = Field(default=30, ge=0)
    slots: int | None = Field(default=None, gt=0)
    hosts: tuple[str, ...] = ()
    deterministic: bool = False
    exclusive: bool = False
    memory_gb: float | None = Field(default=None, gt=0)
    api_key: SecretStr | None = Field(default=None, exclude=True, repr=False)

    @field_validator("stop", "hosts", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_slot(self) -> ModelOptions:
        if self.deterministic and (self.slots or 1) > 1:
            raise ValueError("deterministic means one slot: leave slots out")
        return self

    def shaping(self) -> dict[str, Any]:
        """The options that shape an answer: part of a call's identity."""
        names = ("num_ctx", "top_p", "top_k", "min_p", "repeat_penalty", "think")
        chosen = {n: getattr(self, n) for n in names if getattr(self, n) is not None}
        return chosen | ({"stop": list(self.stop)} if self.stop else {})


class ModelSpec(BaseModel):
    """A model, named and described.

    Attributes:
        name: As the user wrote it: "embedded", "gguf:PATH", "ollama:NAME", "openai:MODEL@URL", or a litellm
            name; with the options that stood behind a question mark.
        backend: Which backend serves it.
        model: The model string that litellm is given.
        api_base: Base URL of the server; None where litellm knows it or an embedded server is not started
            yet.
        path: The GGUF file of an embedded model.
        digest: Digest of the weights; empty until `describe` was asked.
        parameters: Number of parameters.
        quantisation: Such as "Q4_1".
        context: Context in tokens that calls get (prompt and answer together).
        size_bytes: Size of the weights.
        options: See `ModelOptions`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    backend: BackendName
    model: str
    api_base: str | None = None
    path: str | None = None
    digest: str = ""
    parameters: int | None = None
    quantisation: str | None = None
    context: int | None = None
    size_bytes: int | None = None
    options: ModelOptions = Field(default_factory=ModelOptions)

    @property
    def endpoint(self) -> str:
        """What calls queue for: the server, or the file of an embedded model."""
        if self.options.hosts:
            return ",".join(self.options.hosts)
        return self.path or self.api_base or self.model.split("/", 1)[0]

    @property
    def short_name(self) -> str:
        """The model as its server calls it."""
        return self.model.split("/", 1)[-1]

    @property
    def unnamed_options(self) -> dict[str, Any]:
        """Options that shape answers and do not stand in the name: models of one name may differ in them.

        Example:
            >>> parse_model("ollama:m?top_k=7", num_ctx=512).unnamed_options
            {'num_ctx': 512}
        """
        named = options_of(self.name, _from_query(self.name, self.name.partition("?")[2])).shaping()
        own = self.options.shaping()
        return {k: v for k, v in own.items() if named.get(k) != v}


def parse_model(name: str, **options: Any) -> ModelSpec:
    """Take a model's name apart; no server is asked.

    Args:
        name: "embedded", "gguf:PATH", "ollama:NAME[@URL]", "openai:MODEL@URL", or "provider/model" as
            litellm has it; options may follow, as in "ollama:NAME?num_ctx=8192&think=off".
        **options: See `ModelOptions`; they win over those in the name.

    Raises:
        UnknownModel: The name follows no known form; the message offers the forms.
        UsageError: An option is unknown or out of range.

    Example:
        >>> parse_model("ollama:qwen2.5-coder:3b", num_ctx=4096).model
        'ollama_chat/qwen2.5-coder:3b'
        >>> parse_model("embedded?num_ctx=2048").options.num_ctx
        2048
    """
    written = name
    name, _, query = name.partition("?")
    chosen = options_of(written, _from_query(written, query) | options)
    scheme, separator, rest = name.partition(":")
    if name == "embedded":
        return ModelSpec(name=written, backend="embedded", model="openai/embedded", options=chosen)
    if separator and scheme == "gguf" and rest:
        path = os.path.abspath(os.path.expanduser(rest))
        model = f"openai/{os.path.basename(path)}"
        return ModelSpec(name=written, backend="embedded", model=model, path=path, options=chosen)
    # litellm's names of it
    theirs = re.fullmatch(r"ollama(?:_chat)?/(.+)", name) if "://" not in name else None
    if theirs or (separator and scheme == "ollama" and rest):
        model, _, url = (theirs[1], "", "") if theirs else rest.partition("@")
        base = ollama_url(url, ("OLLAMA_API_BASE", "OLLAMA_HOST") if theirs else ("OLLAMA_HOST",))
        return ModelSpec(
            name=written, backend="ollama", model=f"ollama_chat/{model}", api_base=base, options=chosen
        )
    if separator and scheme == "openai" and "@" in rest:
        model, _, url = rest.rpartition("@")
        return ModelSpec(
            name=written, backend="openai", model=f"openai/{model}", api_base=_url(url), options=chosen
        )
    if "/" in name and "://" in name:
        # litellm takes some of these for an address, and sends its provider's key there.
        raise UsageError(
            f"{written!r}: a provider's name holds no URL; a server of your own is openai:MODEL@URL"
        )
    if "/" in name and not name.startswith("/") and " " not in name and not name.endswith(".gguf"):
        return ModelSpec(name=written, backend="litellm", model=name, options=chosen)
    raise UnknownModel(_unknown(name))


def options_of(name: str, given: dict[str, Any]) -> ModelOptions:
    """The options of a model, checked.

    Raises:
        UsageError: One is unknown or out of range.
    """
    try:
        return ModelOptions(**given)
    except ValidationError as error:
        raise UsageError(
            f"model {name!r}: {first_problem(error, ModelOptions.model_fields, 'option')}"
        ) from error


def _from_query(name: str, query: str) -> dict[str, Any]:
    """The options that stand in a model's name behind a question mark."""
    from urllib.parse import parse_qs

    try:
        found = parse_qs(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise UsageError(f"model {name!r}: options are written ?option=value&other=value") from error
    if "api_key" in found:
        raise UsageError(
            "a key does not belong in a name, names are written down: set GREENLOOP_API_KEYS=HOST=KEY"
        )
    one = {option: values[0] if len(values) == 1 else tuple(values) for option, values in found.items()}
    return {
        option: int(value) if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value) else value
        for option, value in one.items()
    }


def ollama_url(text: str | None = None, variables: Sequence[str] = ("OLLAMA_HOST",)) -> str:
    """The base URL of an Ollama server in full: the one written, else what the first of `variables` says that is set,
    else this machine's usual one.

    Raises:
        UnknownModel: It is no URL.
    """
    variable = next((name for name in variables if os.environ.get(name)), "")
    value = text or os.environ.get(variable) or OLLAMA_URL
    here = "127.0.0.1" if re.fullmatch(r":[0-9]+", value) else ""  # Ollama itself takes a port alone
    try:
        return _url(here + value, default_port=11434)
    except UnknownModel as error:
        raise UnknownModel(f"{error}" if text else f"{variable}: {error}") from error


def with_host(spec: ModelSpec, host: str) -> ModelSpec:
    """The same model on one of its hosts."""
    base = _url(host, default_port=11434 if spec.backend == "ollama" else None)
    options = spec.options.model_copy(update={"hosts": ()})
    return spec.model_copy(update={"api_base": base, "options": options})


def _unknown(name: str) -> str:
    import difflib

    forms = ["embedded", "gguf:PATH", "ollama:NAME", "openai:MODEL@URL"]
    if os.path.exists(os.path.expanduser(name)) or name.endswith(".gguf"):
        return f"unknown model {name!r}: for a GGUF file write gguf:{name}"
    known = ["embedded", f"ollama:{name}"]
    schemes = {form.partition(":")[0]: form for form in forms}
    near = difflib.get_close_matches(name.partition(":")[0].lower(), schemes, n=1, cutoff=0.5)
    offered = [schemes[n] for n in near] or known
    return (
        f"unknown model {name!r}: did you mean {' or '.join(offered)}? "
        f"Names are {', '.join(forms)}, or litellm's provider/model"
    )


def _url(text: str, default_port: int | None = None) -> str:
    """A base URL in full: with a scheme, the default port where none is named, no slash at the end."""
    from urllib.parse import urlsplit

    url = (text if "://" in text else f"http://{text}").rstrip("/")
    try:
        parts = urlsplit(url)
        named = parts.port
    except ValueError as error:
        raise UnknownModel(f"{text!r} is no URL: {error}") from error
    host = "127.0.0.1" if parts.hostname == "0.0.0.0" else parts.hostname or ""
    if not host:
        raise UnknownModel(f"{text!r} is no URL: write http://HOST:PORT")
    netloc = f"[{host}]" if ":" in host else host
    port = named or (default_port if parts.scheme == "http" else None)
    return f"{parts.scheme}://{netloc}{f':{port}' if port else ''}{parts.path}"

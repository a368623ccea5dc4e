"""What went wrong with a call, as one line that says what to do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...errors import GreenloopError, ModelTimeout, ModelUnavailable, ProgramError, UnknownModel
from ..model_spec import ModelSpec
from .keys import how_to_name, key_for

if TYPE_CHECKING:
    import httpx


class PromptTooLong(ProgramError):
    """The prompt, with room for the answer, does not fit into the model's context."""


class Refused(ModelUnavailable):
    """The server refuses the call for good: trying again does not help."""


class Unauthorised(Refused):
    """The server refuses the key, or wants one."""


class Stalled(Exception):
    """No piece of the answer came within the stall limit."""


class BrokenOff(Exception):
    """The answer ended in the middle; its text is what the server said of that, if anything."""


class OtherProtocol(ValueError):
    """What answers is another kind of server."""


def data_of(answer: httpx.Response) -> dict[str, Any]:
    """The JSON object that a server answered; empty for an empty answer.

    Raises:
        OtherProtocol: It is none.
    """
    try:
        data = answer.json() if answer.content else {}
    except ValueError as error:
        raise OtherProtocol(answer.text[:100]) from error
    if not isinstance(data, dict):
        raise OtherProtocol(answer.text[:100])
    return data


def away(spec: ModelSpec) -> str:
    """One line: the server does not answer, and what to run."""
    if spec.backend == "ollama":
        return f"Ollama does not answer at {spec.api_base}: start it with `ollama serve`"
    if spec.backend == "embedded":
        return f"the embedded server of {spec.name} has stopped: run the command again"
    return (
        f"{spec.name}: no server answers at {spec.api_base or 'the provider'}: start it, or check the address"
    )


def not_there(spec: ModelSpec) -> str:
    """One line: the server does not have the model, and what to run."""
    if spec.backend == "ollama":
        return absent(spec.short_name, spec.api_base)
    return f"{spec.name}: the server at {spec.api_base or 'the provider'} has no model {spec.short_name!r}"


def absent(name: str, url: str | None) -> str:
    """One line: an Ollama server does not have a model, and the two ways to fetch it."""
    where = f" --url {url}" if url else ""
    pull = f"`ollama pull {name}` or `greenloop models pull {name}{where}`"
    return f"Ollama has no model {name!r}: fetch it with {pull}"


def nothing_there(url: str | None, *, ollama: bool) -> str:
    """One line: something answers at the URL that does not speak the protocol."""
    protocol = "Ollama's" if ollama else "the OpenAI"
    return f"what answers at {url or 'the provider'} does not speak {protocol} protocol: check address, port and path"


def misses_a_model(answer: httpx.Response) -> bool:
    """Whether a server says by "not found" that it lacks a model, and not that it has no such page."""
    try:
        answer.json()
    except ValueError:
        return False
    return "model" in answer.text.lower() and not answer.request.url.path.endswith("/models")


def too_long(spec: ModelSpec) -> str:
    """One line: the prompt does not fit, and what to do."""
    size = f" of {spec.context} tokens" if spec.context else ""
    return f"{spec.name}: the prompt does not fit into the context{size}; raise num_ctx or shorten the prompt"


def translate(error: BaseException, spec: ModelSpec) -> GreenloopError:
    """An error of litellm, httpx or asyncio as one of ours.

    Returns:
        ModelTimeout, UnknownModel, PromptTooLong or, for everything else, ModelUnavailable.
    """
    if isinstance(error, GreenloopError):
        return error
    options = spec.options
    if isinstance(error, Stalled):
        return ModelTimeout(f"{spec.name} gave no token for {options.stall_s:g} s (stall_s)")
    if isinstance(error, BrokenOff):
        why = f" ({_tail(said)})" if (said := " ".join(str(error).split())) else ""
        return ModelUnavailable(f"{spec.name}: the connection broke off in mid-answer{why}")
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return ModelTimeout(f"{spec.name} took longer than {options.timeout_s:g} s (timeout_s)")
    kind = type(error).__name__
    status = _status(error)
    answer: httpx.Response | None = getattr(error, "response", None) if kind == "HTTPStatusError" else None
    if isinstance(error, OtherProtocol) or (answer is not None and status == 404):
        if answer is not None and misses_a_model(answer):
            return UnknownModel(not_there(spec))
        return Refused(f"{spec.name}: {nothing_there(spec.api_base, ollama=spec.backend == 'ollama')}")
    text = " ".join(str(error).split())
    lowered = text.lower()
    if (
        "exceed_context_size" in lowered
        or "context length" in lowered
        or kind == "ContextWindowExceededError"
    ):
        return PromptTooLong(too_long(spec) + f" ({_tail(text)})")
    if kind == "NotFoundError" or ("not found" in lowered and "model" in lowered):
        return UnknownModel(not_there(spec))
    if kind == "ReadTimeout":
        return ModelTimeout(
            f"{spec.name}: the server at {spec.api_base or 'the provider'} took too long to answer"
        )
    if kind == "Timeout":
        return ModelTimeout(f"{spec.name} took longer than {options.timeout_s:g} s (timeout_s)")
    if kind in ("AuthenticationError", "PermissionDeniedError") or status in (401, 403):
        return Unauthorised(_unknown_here(spec))
    refused = (
        "connection refused",
        "connect call failed",
        "cannot connect",
        "connection error",
        "all connection",
    )
    if any(r in lowered for r in refused):
        return ModelUnavailable(away(spec))
    if status in (400, 422):
        return Refused(f"{spec.name}: the server refuses the call ({_tail(text)})")
    return ModelUnavailable(f"{spec.name}: the call failed ({kind}: {_tail(text)})")


def _unknown_here(spec: ModelSpec) -> str:
    """One line about a server that wants a key, or another one."""
    if spec.api_base is None:
        return f"{spec.name}: the provider refuses the key; set the one that litellm reads for it, or api_key"
    sent = spec.options.api_key is not None or key_for(spec.api_base) is not None
    why = "" if sent else " (none was sent: a URL in a name is no consent to send one)"
    return f"{spec.name}: the server refuses the key{why}: set {how_to_name(spec.api_base)}, or api_key in Python"


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error of litellm, its clients or httpx tells."""
    answer = getattr(error, "response", None)
    found = getattr(error, "status_code", None) or getattr(answer, "status_code", None)
    return found if isinstance(found, int) else None


def _tail(text: str, most: int = 200) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"

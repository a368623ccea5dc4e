"""Somebody else's DSPy engine or language model as a backend: fakes, and engines that DSPy users bring."""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import Any

import dspy
import dspy.utils.exceptions as theirs
from dspy.lm15 import Config, Message, Request, TextPart, ThinkingPart

from ...errors import GreenloopError, ModelTimeout, ModelUnavailable, UsageError
from ..model_spec import ModelSpec
from .answer_text import split_thinking, strip_escapes
from .base import Answer, Call
from .failures import PromptTooLong, Refused, too_long
from .stream_reading import CHARACTERS_PER_TOKEN

_OUT_OF_REACH = (
    *("deterministic", "hosts", "num_ctx", "num_thread", "keep_alive", "min_p", "repeat_penalty", "think"),
    *("timeout_s", "stall_s", "api_key"),
)
"""Options that cannot be passed on to a model of somebody else's."""
_REFUSALS = (
    theirs.LMAuthError,
    theirs.LMBillingError,
    theirs.LMInvalidRequestError,
    theirs.LMConfigurationError,
)


class DspyBackend:
    """Any `dspy.BaseLM` that is not ours, asked through its own call.

    A `dspy.LM` with an engine of its own is sent the seed and counts its tokens. An older subclass with
    `forward` gets no seed, its tokens are estimated and its cut answers pass unflagged; DSPy 3.5 drops it.
    Timeouts, streaming and the context are the wrapped model's own affair.

    Args:
        lm: The language model; DSPy's cache is left out of its calls.
        spec: How it is named in accounts.

    Raises:
        UsageError: An option cannot be passed on to it.
    """

    def __init__(self, lm: Any, spec: ModelSpec) -> None:
        if beyond := [name for name in _OUT_OF_REACH if name in spec.options.model_fields_set]:
            raise UsageError(
                f"{spec.name}: {beyond[0]} cannot be passed on to a model of your own: set it there"
            )
        self.original = lm
        self.lm = lm.copy(cache=False)
        self._identity = uuid.uuid4().hex
        self._spec = spec

    @property
    def spec(self) -> ModelSpec:
        """What the model is."""
        return self._spec

    @property
    def slots(self) -> int:
        """The option `slots`, else 8."""
        return self._spec.options.slots or 8

    def digest(self) -> str:
        """A digest of the model's name and of this object: what is inside it cannot be known, so no two
        agree."""
        return hashlib.sha256(f"{self._spec.name}|{self._identity}".encode()).hexdigest()

    def describe(self) -> ModelSpec:
        """The spec with its digest."""
        return self._spec.model_copy(update={"digest": self.digest()})

    def close(self) -> None:
        """Nothing is held open."""

    def ask(self, call: Call) -> Answer:
        """Ask the wrapped model: an engine by a typed request, an older `BaseLM` by its messages.

        What its own code raises beside outages and refusals goes through as it is.
        """
        try:
            return self._asked(call)
        except Exception as error:
            if (ours := _translated(error, self._spec)) is None:
                raise
            raise ours from error

    def _asked(self, call: Call) -> Answer:
        started = time.monotonic()
        if isinstance(self.lm, dspy.LM):
            response = self.lm(_request(self.lm.model, call))
            text, thinking = _texts(response)
            usage = response.usage
            counted = usage.input_tokens, usage.output_tokens
            finish = "length" if response.finish_reason == "length" else "stop"
        else:
            names = ("temperature", "max_tokens", "top_p", "stop")
            sampling = {k: v for k, v in call.sampling.items() if k in names}
            first = self.lm(messages=[dict(m) for m in call.messages], **sampling)[0]
            text, thinking = first if isinstance(first, str) else str(first.get("text") or ""), ""
            counted, finish = (None, None), "stop"
        seconds = time.monotonic() - started
        text, inner = split_thinking(strip_escapes(text))
        thinking = "\n".join(t for t in (thinking, inner) if t)
        flags = ("thinking_only",) if thinking and not text.strip() else ()
        if None in counted:
            tokens_in = round(call.prompt_characters / CHARACTERS_PER_TOKEN)
            tokens_out = round((len(text) + len(thinking)) / CHARACTERS_PER_TOKEN)
            return Answer(
                text,
                thinking,
                finish,
                tokens_in,
                tokens_out,
                seconds=seconds,
                flags=(*flags, "estimated_tokens"),
            )
        return Answer(
            text, thinking, finish, int(counted[0] or 0), int(counted[1] or 0), seconds=seconds, flags=flags
        )


def _translated(error: Exception, spec: ModelSpec) -> GreenloopError | None:
    """An outage or a refusal as one of ours; None for what is neither. DSPy hands an engine's own exception on as the
    cause of another."""
    import httpx

    found: BaseException | None = error
    while found is not None:
        told = f"{spec.name}: the call failed ({type(found).__name__}: {' '.join(str(found).split())[:200]})"
        if isinstance(found, GreenloopError):
            return found
        if isinstance(found, theirs.ContextWindowExceededError):
            return PromptTooLong(too_long(spec))
        if isinstance(found, _REFUSALS):
            return Refused(told)
        if isinstance(found, (TimeoutError, theirs.LMTimeoutError, httpx.TimeoutException)):
            return ModelTimeout(told)
        transient = isinstance(found, (OSError, httpx.TransportError, theirs.LMProviderError))
        if transient or (isinstance(found, Exception) and theirs.is_retryable_lm_error(found)):
            return ModelUnavailable(told)
        found = found.__cause__
    return None


def _request(model: str, call: Call) -> Request:
    """The call as DSPy's typed request."""
    known = ("temperature", "max_tokens", "top_p", "top_k", "presence_penalty", "frequency_penalty")
    config: dict[str, Any] = {n: call.sampling[n] for n in known if call.sampling.get(n) is not None}
    if stop := call.sampling.get("stop"):
        config["stop"] = tuple(stop)
    if (form := call.response_format) is not None:
        config["response_format"] = {"type": form["type"], **form.get("json_schema", {})}
    system = "\n\n".join(m["content"] for m in call.messages if m["role"] == "system")
    turns: Any = tuple(
        Message(role=m["role"], parts=(TextPart(m["content"]),))  # pyright: ignore[reportArgumentType]
        for m in call.messages
        if m["role"] != "system"
    )
    return Request(
        model=model, messages=turns, system=system or None, config=Config(seed=call.seed, **config)
    )


def _texts(response: Any) -> tuple[str, str]:
    """Answer and thinking text of a response."""
    parts = response.message.parts
    answer = "".join(p.text for p in parts if isinstance(p, TextPart))
    return answer, "\n".join(p.text for p in parts if isinstance(p, ThinkingPart))

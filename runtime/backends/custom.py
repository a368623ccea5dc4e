"""Somebody else's DSPy engine or language model as a backend: fakes, and engines that DSPy users bring."""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import Any

import dspy
from dspy.lm15 import Config, Message, Request, TextPart, ThinkingPart

from ..model_spec import ModelSpec
from .answer_text import split_thinking, strip_escapes
from .base import Answer, Call
from .stream_reading import CHARACTERS_PER_TOKEN


class DspyBackend:
    """Any `dspy.BaseLM` that is not ours, asked through its own call.

    A `dspy.LM` with an engine of its own is sent the seed and counts its tokens. An older subclass with
    `forward` gets no seed, its tokens are estimated and its cut answers pass unflagged; DSPy 3.5 drops it.
    Timeouts, streaming and the context are the wrapped model's own affair.

    Args:
        lm: The language model; DSPy's cache is left out of its calls.
        spec: How it is named in accounts.
    """

    slots = 8

    def __init__(self, lm: Any, spec: ModelSpec) -> None:
        self.original = lm
        self.lm = lm.copy(cache=False)
        self._identity = uuid.uuid4().hex
        self._spec = spec

    @property
    def spec(self) -> ModelSpec:
        """What the model is."""
        return self._spec

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
        """Ask the wrapped model: an engine by a typed request, an older `BaseLM` by its messages."""
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

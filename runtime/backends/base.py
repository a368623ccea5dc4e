"""The seam between engine and server: a `Call` goes in, an `Answer` comes out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from ..budget import Usage
from ..model_spec import ModelSpec

KEY_VERSION = 1
"""Part of every call's content address: raise it when the same content would be asked differently."""


@dataclass(frozen=True, slots=True)
class Call:
    """One question to a model, in full.

    Attributes:
        messages: ``{"role": …, "content": …}`` in order.
        sampling: What shapes the answer: temperature, max_tokens, top_p, top_k, min_p, stop, think, num_ctx,
            ….
        seed: Seed to send, in [0, 2**31).
        rollout_id: DSPy's number of the draw; None where none was asked for.
        response_format: An OpenAI-style ``response_format`` (JSON schema); None for free text.
    """

    messages: tuple[dict[str, str], ...]
    sampling: dict[str, Any] = field(default_factory=dict[str, Any])
    seed: int = 0
    rollout_id: int | None = None
    response_format: dict[str, Any] | None = None

    @property
    def max_tokens(self) -> int:
        """Most tokens the answer may have."""
        return int(self.sampling.get("max_tokens") or 1024)

    @property
    def prompt_characters(self) -> int:
        """Characters of all messages."""
        return sum(len(m["content"]) for m in self.messages)

    def key(self, digest: str) -> str:
        """The content address: equal for calls that ask one model the same in the same way.

        Args:
            digest: Digest of the model's weights.
        """
        content = [
            KEY_VERSION,
            digest,
            self.messages,
            self.sampling,
            self.seed,
            self.rollout_id,
            self.response_format,
        ]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered, and what it cost.

    Attributes:
        text: The answer without thinking text and without escape sequences.
        thinking: Thinking text, set apart.
        finish_reason: "stop", "length" (ended by max_tokens) or "repetition" (ended by us).
        tokens_in: Prompt tokens as the server counted them.
        tokens_out: Answer tokens, thinking included.
        cached_tokens_in: Prompt tokens that the server had in its own cache.
        seconds: Wall seconds of the call; waiting for a slot and loading the model excluded.
        load_s: Seconds that went into loading the model before, where the backend can tell.
        lost_tokens: Tokens of earlier tries of the call that ended without an answer; the engine counts them. They
            were paid for and are no part of `usage`.
        flags: Things worth counting. "repetition": it repeated itself and was ended. "thinking_only": all of
            it was thinking. "context_full": the context was full before `max_tokens`. "estimated_tokens": the
            server did not count. "no_schema": it refused the schema of `response_format`, and was asked without.
    """

    text: str
    thinking: str = ""
    finish_reason: str = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    cached_tokens_in: int = 0
    seconds: float = 0.0
    load_s: float = 0.0
    lost_tokens: int = 0
    flags: tuple[str, ...] = ()

    @property
    def truncated(self) -> bool:
        """Whether `max_tokens` ended the answer."""
        return self.finish_reason == "length"

    @property
    def usage(self) -> Usage:
        """The answer's cost as one call."""
        return Usage(1, self.tokens_in, self.tokens_out, self.seconds)

    def to_json(self) -> dict[str, Any]:
        """The answer as plain JSON data; `from_json` reads it back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Answer:
        """Read what `to_json` wrote; fields of a later version are left out."""
        known = {f.name for f in dataclasses.fields(cls)}
        kept = {k: v for k, v in data.items() if k in known}
        kept["flags"] = tuple(kept.get("flags", ()))
        return cls(**kept)


@runtime_checkable
class Backend(Protocol):
    """One model on one server. Implementations are safe to use from many threads.

    `greenloop.testing.BackendContract` is the test class that every implementation passes.
    """

    @property
    def spec(self) -> ModelSpec:
        """What the model is, without asking the server."""
        ...

    @property
    def slots(self) -> int:
        """How many calls the endpoint serves at once."""
        ...

    def digest(self) -> str:
        """Digest of the model's weights as they are now; of name and server where none is published.

        Raises:
            ModelUnavailable: The server does not answer.
            UnknownModel: The server does not have the model.
        """
        ...

    def describe(self) -> ModelSpec:
        """The spec with what the server or file knows: digest, parameters, quantisation, context.

        Raises:
            ModelUnavailable: The server does not answer.
            UnknownModel: There is no such model.
        """
        ...

    def ask(self, call: Call) -> Answer:
        """Make one call, once.

        Raises:
            ModelUnavailable: The server does not answer or refuses the call.
            ModelTimeout: The answer stalled or took longer than its limit.
            UsageError: The prompt does not fit into the context.
        """
        ...

    def close(self) -> None:
        """Release what was opened; closing twice does nothing."""
        ...

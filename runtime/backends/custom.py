"""Somebody else's DSPy engine or language model as a backend: fakes, and engines that DSPy users bring."""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import Any

from ..model_spec import ModelSpec
from .base import Answer, Call
from .litellm_chat import CHARACTERS_PER_TOKEN


class DspyBackend:
    """Any `dspy.BaseLM` that is not ours, asked through its own call.

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
        """Ask the wrapped model."""
        started = time.monotonic()
        sampling = {
            k: v for k, v in call.sampling.items() if k in ("temperature", "max_tokens", "top_p", "stop")
        }
        outputs = self.lm(messages=[dict(m) for m in call.messages], **sampling)
        first = outputs[0]
        text = first if isinstance(first, str) else str(first.get("text") or "")
        tokens_in = round(call.prompt_characters / CHARACTERS_PER_TOKEN)
        tokens_out = round(len(text) / CHARACTERS_PER_TOKEN)
        seconds = time.monotonic() - started
        return Answer(text, "", "stop", tokens_in, tokens_out, 0, seconds, flags=("estimated_tokens",))

"""A language model that says what a test wants, on the real engine: cache, seeds and accounts are real."""

from __future__ import annotations

import hashlib
import inspect
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..runtime.backends.base import Answer, Call
from ..runtime.engine import Engine
from ..runtime.language_model import LanguageModel
from ..runtime.model_spec import ModelOptions, ModelSpec

Script = Sequence[str] | Iterable[str] | Callable[..., str]


class ScriptedBackend:
    """Answers from a list (over and over), an iterator (until it ends) or a callable.

    Attributes:
        calls: Every call that reached the backend, in order; stored answers never do.
    """

    def __init__(self, script: Script, spec: ModelSpec, slots: int, seconds: float, identity: str) -> None:
        self._script = script
        self._spec = spec
        self._slots = slots
        self._seconds = seconds
        self._identity = identity
        self._lock = threading.Lock()
        self._iterator: Iterator[str] | None = None
        if not callable(script) and not isinstance(script, (list, tuple)):
            self._iterator = iter(script)
        self.calls: list[Call] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> ScriptedBackend:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return ScriptedBackend, (self._script, self._spec, self._slots, self._seconds, self._identity)

    @property
    def spec(self) -> ModelSpec:
        """What the fake says it is; always labelled as simulated."""
        return self._spec

    @property
    def slots(self) -> int:
        """Calls served at once."""
        return self._slots

    def digest(self) -> str:
        """The digest of its identity."""
        return hashlib.sha256(self._identity.encode()).hexdigest()

    def describe(self) -> ModelSpec:
        """The spec with its digest."""
        return self._spec.model_copy(
            update={"digest": self.digest(), "parameters": 1, "quantisation": "simulated"}
        )

    def close(self) -> None:
        """Nothing is held open."""

    def ask(self, call: Call) -> Answer:
        """The script's next answer; tokens are counted as words."""
        with self._lock:
            number = len(self.calls)
            self.calls.append(call)
        text = self._say(call, number)
        words = sum(len(m["content"].split()) for m in call.messages)
        pieces = text.split()
        if len(pieces) > call.max_tokens:
            text = " ".join(pieces[: call.max_tokens])
            return Answer(text, "", "length", words, call.max_tokens, seconds=self._seconds)
        return Answer(text, "", "stop", words, len(pieces), seconds=self._seconds)

    def _say(self, call: Call, number: int) -> str:
        if callable(self._script):
            messages = [dict(m) for m in call.messages]
            offered: dict[str, Any] = {"seed": call.seed, "sampling": dict(call.sampling)}
            wanted = inspect.signature(self._script).parameters
            return self._script(messages, **{k: v for k, v in offered.items() if k in wanted})
        if self._iterator is not None:
            with self._lock:
                return next(self._iterator)
        script: Sequence[str] = self._script  # pyright: ignore[reportAssignmentType]
        return script[number % len(script)]


class ScriptedModel(LanguageModel):
    """A `dspy.LM` that answers from a script, through the same engine as real models.

    Use it where a test needs a model whose answers are known. Whatever it is part of is *simulated*: its name
    begins with "simulated/", and so do the figures' model names.

    Args:
        script: A list of answers (from its beginning again at its end), an iterable (each answer once), or
            ``callable(messages, seed=…, sampling=…) -> text``, which may take only some of these.
        name: Shown after "simulated/".
        slots: Calls served at once.
        seconds: Model seconds that each call is booked with; nobody waits for them.
        identity: Fakes of one identity share stored answers; by default none do.
        retry_s: Seconds in which an outage is retried before it stops a run.
        **settings: As for `dspy.LM`: temperature, max_tokens, ….

    Example:
        >>> model = ScriptedModel(lambda messages, seed: f"seed {seed % 1}")
        >>> model("hello"), model.call_count
        (['seed 0'], 1)
    """

    def __init__(
        self,
        script: Script,
        *,
        name: str = "script",
        slots: int = 8,
        seconds: float = 0.01,
        identity: str | None = None,
        retry_s: float = 30.0,
        **settings: Any,
    ) -> None:
        spec = ModelSpec(
            name=f"simulated/{name}",
            backend="custom",
            model=f"simulated/{name}",
            options=ModelOptions(slots=slots, retry_s=retry_s),
        )
        self.backend = ScriptedBackend(script, spec, slots, seconds, identity or uuid.uuid4().hex)
        super().__init__(Engine(self.backend), **settings)

    @property
    def calls(self) -> list[Call]:
        """The calls that reached the model; stored answers never do."""
        return self.backend.calls

    @property
    def call_count(self) -> int:
        """How many calls reached the model."""
        return len(self.backend.calls)

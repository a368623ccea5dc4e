"""A scripted model that can be asked a token at a time: what guided generation is tested on."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..runtime.backends.base import Call
from ..runtime.engine import Engine
from ..runtime.language_model import LanguageModel
from ..runtime.model_spec import ModelOptions, ModelSpec
from ..runtime.token_source import END, Drawn, Mode, Piece, Prompt, Seat, Step, Which, text_of
from .fake_model import ScriptedBackend

_TOKEN = re.compile(r"\w+|\n[ ]*|[ ]+|[^\w\s]")


class TokenBackend(ScriptedBackend):
    """See `TokenModel`.

    Attributes:
        asked: How many next tokens and continuations were asked for.
        seats: Attempts that may be worked on at the same time.
        trouble: Raised instead of the next answer, where it is set; once.
    """

    def __init__(
        self,
        answer: Callable[[str], str],
        continuations: Callable[[str, int], str],
        spec: ModelSpec,
        mode: Mode,
        identity: str,
        seats: int = 8,
    ) -> None:
        super().__init__(self._whole, spec, 8, 0.01, identity)
        self.answer = answer
        self.continuations = continuations
        self.mode: Mode = mode
        self.context = 4096
        self.asked = 0
        self.seats = seats
        self._free = threading.BoundedSemaphore(seats)
        self.trouble: list[Exception] = []

    def token_source(self) -> TokenBackend:
        """It is its own token source."""
        return self

    def render(self, messages: Sequence[Mapping[str, str]]) -> Prompt:
        """The messages' text; a token is a word, a space or a sign."""
        text = _rendered(messages)
        return Prompt(text, tuple(range(len(_TOKEN.findall(text)))))

    @contextmanager
    def seat(self, prompt: Prompt) -> Generator[Seat]:
        """Itself: it has no caches; as many at a time as there are seats."""
        with self._free:
            yield self

    def steps(self, contexts: Mapping[Which, Prompt], written: Sequence[Piece]) -> dict[Which, Step]:
        """0.9 for the answer's next token, the rest for a sign that never belongs there."""
        self._fail()
        self.asked += len(contexts)
        return {which: self._step(prompt, written) for which, prompt in contexts.items()}

    def draw(
        self,
        prompt: Prompt,
        written: Sequence[Piece],
        *,
        seeds: Sequence[int],
        temperature: float,
        most_tokens: int,
        most_lines: int,
    ) -> list[Drawn]:
        """The answer's next lines at temperature 0, else what `continuations` says."""
        self._fail()
        self.asked += len(seeds)
        text = text_of(written)
        drawn: list[Drawn] = []
        for seed in seeds:
            whole = self._rest(prompt, text) if temperature == 0 else self.continuations(text, seed)
            lines = whole.splitlines(keepends=True)[:most_lines]
            tokens = len(_TOKEN.findall("".join(lines)))
            size = len(prompt.tokens or ()) + len(_TOKEN.findall(text))
            drawn.append(Drawn("".join(lines), tokens, size, "".join(lines) == whole))
        return drawn

    def _whole(self, messages: list[dict[str, str]]) -> str:
        return self.answer(_rendered(messages))

    def _step(self, prompt: Prompt, written: Sequence[Piece]) -> Step:
        rest = self._rest(prompt, text_of(written))
        found = _TOKEN.match(rest)
        piece = Piece(-1, found.group().encode()) if found else END
        other = Piece(-1, b"?")
        return Step({piece: math.log(0.9), other: math.log(0.1)}, prompt.size + len(written))

    def _rest(self, prompt: Prompt, text: str) -> str:
        whole = self.answer(prompt.text)
        return whole[len(text) :] if whole.startswith(text) else ""

    def _fail(self) -> None:
        if self.trouble:
            raise self.trouble.pop()


class TokenModel(LanguageModel):
    """A `dspy.LM` that writes what a test wants, token by token, through the real engine, store and accounts.

    Args:
        answer: From a prompt to the whole answer; the prompt of the guided context holds the signal.
        continuations: From the text so far and a seed to a continuation of it.
        mode: The mode that it claims; in "line mode" it is asked for lines.
        identity: Models of one identity share stored answers.
        seats: Attempts that may be worked on at the same time.

    Attributes:
        backend: Counts what it was asked.

    Example:
        >>> TokenModel(lambda prompt: "x = 1").backend.mode
        'true guidance embedded'
    """

    def __init__(
        self,
        answer: Callable[[str], str],
        continuations: Callable[[str, int], str] = lambda text, seed: "return 0\n",
        *,
        mode: Mode = "true guidance embedded",
        identity: str = "token model",
        seats: int = 8,
    ) -> None:
        name = "simulated/tokens"
        spec = ModelSpec(name=name, backend="custom", model=name, options=ModelOptions(slots=8, retry_s=0))
        self.backend = TokenBackend(answer, continuations, spec, mode, identity, seats)
        super().__init__(Engine(self.backend))

    @property
    def calls(self) -> list[Call]:
        """Whole answers that were asked for."""
        return self.backend.calls


def _rendered(messages: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(str(m["content"]) for m in messages)

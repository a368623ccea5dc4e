"""Models asked a token at a time: what a decoder that mixes two contexts needs of a backend.

A *source* renders chat messages into a prompt and hands out *seats*; a seat holds the caches of two contexts, `plain`
and `guided`. What was written so far is a sequence of pieces, the same ones in both contexts: text is never tokenised
again where the backend takes token ids. A source in line mode has no log-probabilities; it only draws text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .backends.base import Backend

Mode = Literal["true guidance embedded", "true guidance ollama top-20", "line mode", "plain"]
"""How tokens are chosen: from the mixture of both contexts over 100 log-probabilities each (embedded) or over 20
(Ollama), from the guided context alone a line at a time, or with no guidance at all."""

Which = Literal["plain", "guided"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A token as it was written.

    Attributes:
        id: Its number in the vocabulary; −1 where the backend tells none, −2 for the end of the answer.
        raw: Its bytes, which need not be whole characters.
    """

    id: int
    raw: bytes

    def to_json(self) -> list[Any]:
        """The piece as plain JSON data."""
        return [self.id, self.raw.decode("latin-1")]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Piece:
        """Read what `to_json` wrote."""
        return cls(int(data[0]), str(data[1]).encode("latin-1"))


END = Piece(-2, b"")
"""The end of the answer, whichever of its end tokens a model uses."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt.

    Attributes:
        text: The prompt with its chat markers; part of what identifies a stored line.
        tokens: Its token ids, where the backend takes them.
    """

    text: str
    tokens: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """Tokens; an estimate on the high side where there are no ids."""
        return len(self.tokens) if self.tokens is not None else math.ceil(len(self.text) / 2.5)


@dataclass(frozen=True, slots=True)
class Step:
    """The likeliest next tokens of a context.

    Attributes:
        top: Token to natural log-probability.
        prompt_tokens: Tokens of the context so far, as the backend counted them.
    """

    top: Mapping[Piece, float]
    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A continuation.

    Attributes:
        text: The text.
        tokens_out: Tokens that were generated for it.
        prompt_tokens: Tokens of the context it continues.
        ended: The model ended its answer there.
    """

    text: str
    tokens_out: int
    prompt_tokens: int
    ended: bool


class Seat(Protocol):
    """The caches of one pair of contexts, for one attempt at a time."""

    def steps(self, contexts: Mapping[Which, Prompt], written: Sequence[Piece]) -> dict[Which, Step]:
        """The likeliest next tokens after `written` in each of the contexts.

        Raises:
            InfrastructureError: The server is away.
            PromptTooLong: It does not fit into the context.
        """
        ...

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
        """Continue what was written, once for each seed and at the same time.

        Args:
            prompt: The context.
            written: What was written.
            seeds: One for each continuation.
            temperature: 0 for greedy.
            most_tokens: Most tokens of each.
            most_lines: Most lines of each; the last one's newline is included.
        """
        ...


class TokenSource(Protocol):
    """A backend that can be asked a token (or a line) at a time; safe to use from many threads."""

    @property
    def mode(self) -> Mode:
        """How it guides."""
        ...

    @property
    def context(self) -> int:
        """Tokens that prompt and answer may have together."""
        ...

    def render(self, messages: Sequence[Mapping[str, str]]) -> Prompt:
        """Messages as a prompt that ends where the answer begins."""
        ...

    @property
    def seats(self) -> int:
        """Attempts that it can work on at the same time without reading their prompts again and again."""
        ...

    def seat(self, prompt: Prompt) -> AbstractContextManager[Seat]:
        """Wait for a seat, one that knows `prompt` already where there is one; it is held for a whole attempt."""
        ...


def token_source_for(backend: Backend) -> TokenSource | None:
    """The token source of a backend; None where it has none, and only whole answers can be had.

    A backend of your own offers one by a method `token_source()`.

    Raises:
        InfrastructureError: Its server is away.
    """
    own = getattr(backend, "token_source", None)
    if own is not None:
        return own()
    kind = backend.spec.backend
    if backend.spec.options.hosts:
        return None
    if kind == "embedded":
        from .backends.embedded import EmbeddedBackend
        from .backends.token_embedded import embedded_tokens

        return embedded_tokens(backend) if isinstance(backend, EmbeddedBackend) else None
    if kind == "ollama":
        from .backends.ollama import OllamaBackend
        from .backends.token_ollama import ollama_tokens

        return ollama_tokens(backend) if isinstance(backend, OllamaBackend) else None
    if kind == "openai":
        from .backends.openai_server import OpenAIServerBackend
        from .backends.token_lines import completion_lines

        return completion_lines(backend) if isinstance(backend, OpenAIServerBackend) else None
    return None


def text_of(written: Sequence[Piece]) -> str:
    """What was written as text; an unfinished character at the end is left out.

    Example:
        >>> text_of([Piece(1, b"a"), Piece(2, b"\\xc3")])
        'a'
    """
    raw = b"".join(piece.raw for piece in written)
    for cut in range(4):
        try:
            return raw[: len(raw) - cut].decode("utf-8")
        except UnicodeDecodeError as error:
            if error.start < len(raw) - 4:
                break
    return raw.decode("utf-8", errors="replace")

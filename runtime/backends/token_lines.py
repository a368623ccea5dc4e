"""Line mode: any completion endpoint, asked for a line at a time; it lists no log-probabilities."""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from ...errors import ProgramError
from ..endpoint_queue import queue_of
from ..forking import Threads
from ..token_source import Drawn, Mode, Piece, Prompt, Step, Which, text_of
from . import direct
from .failures import translate
from .openai_server import OpenAIServerBackend

DEFAULT_CONTEXT = 4096

Chunks = Iterator[tuple[str, str | None]]
"""Pieces of a streamed completion with the reason why it ended, None until it did."""

_threads = Threads(32, "greenloop-lines")
_lock = threading.Lock()
_offers: dict[str, bool] = {}


class LineReading:
    """Puts a streamed continuation together, and ends it after so many lines.

    Example:
        >>> reading = LineReading(1)
        >>> reading.take("a", None), reading.take("b\\nc", None), reading.text
        (False, True, 'ab\\n')
    """

    def __init__(self, most_lines: int) -> None:
        self.text = ""
        self._tokens = 0
        self._ended = False
        self._most_lines = most_lines

    def take(self, text: str, reason: str | None) -> bool:
        """Take a chunk; True where there are enough lines."""
        self.text += text
        self._tokens += reason is None or bool(text)
        if self.text.count("\n") >= self._most_lines:
            self.text = "\n".join(self.text.split("\n")[: self._most_lines]) + "\n"
            return True
        self._ended = reason == "stop"
        return False

    def drawn(self, prompt_tokens: int) -> Drawn:
        """The continuation; a chunk counts as a token."""
        return Drawn(self.text, self._tokens, prompt_tokens, self._ended)


class TextSeat:
    """Continues text through an endpoint that streams completions.

    Args:
        stream: Called with prompt, seed, temperature and most tokens.
        size: Tokens of a text.
        turn: Entered around each completion: waits for a slot of the endpoint.
    """

    def __init__(
        self,
        stream: Callable[[str, int, float, int], AbstractContextManager[Chunks]],
        size: Callable[[str], int],
        turn: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self._stream = stream
        self._size = size
        self._turn = turn

    def steps(self, contexts: Mapping[Which, Prompt], written: Sequence[Piece]) -> dict[Which, Step]:
        """There are no log-probabilities here."""
        raise ProgramError("line mode has no log-probabilities: draw whole lines")

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
        """See `Seat.draw`."""
        text = prompt.text + text_of(written)

        def one(seed: int) -> Drawn:
            reading = LineReading(most_lines)
            with self._turn(), self._stream(text, seed, temperature, most_tokens) as chunks:
                for piece, reason in chunks:
                    if reading.take(piece, reason):
                        break
            return reading.drawn(self._size(text))

        asked = [_threads.submit(contextvars.copy_context().run, one, seed) for seed in seeds]
        return [future.result() for future in asked]


class CompletionLines:
    """Line mode on the `/completions` of an OpenAI-compatible server.

    The chat template is the server's own where it offers to apply it (llama-server does); otherwise the messages are
    plain text, one after the other.

    Args:
        backend: The server's backend.
    """

    mode: Mode = "line mode"

    def __init__(self, backend: OpenAIServerBackend) -> None:
        self._backend = backend

    @property
    def seats(self) -> int:
        """As many as there are slots: a line asks one context."""
        return self._backend.slots

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together."""
        return self._backend.spec.options.num_ctx or DEFAULT_CONTEXT

    def render(self, messages: Sequence[Mapping[str, str]]) -> Prompt:
        """Messages as the server's chat template has them, else as plain text."""
        import httpx

        base, key = self._address()
        url = f"{base.rsplit('/', 1)[0]}/apply-template"
        try:
            answer = direct.request(
                "POST", url, json={"messages": [dict(m) for m in messages]}, headers=key, timeout=30
            )
        except httpx.HTTPError as error:
            raise translate(error, self._backend.spec) from error
        if answer.is_success and "prompt" in answer.json():
            return Prompt(str(answer.json()["prompt"]))
        return plain_text(messages)

    @contextmanager
    def seat(self, prompt: Prompt) -> Generator[TextSeat]:
        """A seat; each completion waits for a slot of the endpoint."""
        spec = self._backend.spec
        queue = queue_of(self._backend)
        yield TextSeat(
            self._stream,
            lambda text: Prompt(text).size,
            lambda: queue.turn(spec.model, spec.options.exclusive),
        )

    def offered(self) -> bool:
        """Whether the server completes text at all; one token is asked for."""
        import httpx

        base, key = self._address()
        body = {"model": self._backend.spec.short_name, "prompt": "a", "max_tokens": 1}
        limit = self._backend.spec.options.timeout_s
        try:
            answer = direct.request("POST", f"{base}/completions", json=body, headers=key, timeout=limit)
        except httpx.HTTPError as error:
            raise translate(error, self._backend.spec) from error
        if answer.status_code in (404, 405, 501):
            return False
        if answer.is_error:
            raise translate(
                httpx.HTTPStatusError(answer.text[:300], request=answer.request, response=answer),
                self._backend.spec,
            )
        choices: list[dict[str, Any]] = answer.json().get("choices") or [{}]
        return "text" in choices[0]

    @contextmanager
    def _stream(self, prompt: str, seed: int, temperature: float, most_tokens: int) -> Generator[Chunks]:
        import httpx

        spec = self._backend.spec
        base, key = self._address()
        body = {
            "model": spec.short_name,
            "prompt": prompt,
            "max_tokens": most_tokens,
            "temperature": temperature,
            "seed": seed,
            "stream": True,
        }
        limit = httpx.Timeout(10, read=spec.options.timeout_s)
        try:
            with direct.stream(
                "POST", f"{base}/completions", json=body, headers=key, timeout=limit
            ) as answer:
                if answer.is_error:
                    answer.read()
                    raise httpx.HTTPStatusError(answer.text[:300], request=answer.request, response=answer)
                yield (_choice(json.loads(line[6:])) for line in answer.iter_lines() if _holds_data(line))
        except httpx.HTTPError as error:
            raise translate(error, spec) from error

    def _address(self) -> tuple[str, dict[str, str]]:
        connection = self._backend.connection()
        return str(connection["api_base"]), {"Authorization": f"Bearer {connection['api_key']}"}


def completion_lines(backend: OpenAIServerBackend) -> CompletionLines | None:
    """Line mode on a server of the OpenAI protocol; None where it has no `/completions`, which is asked once.

    Raises:
        InfrastructureError: The server is away.
    """
    source = CompletionLines(backend)
    with _lock:
        known = _offers.get(backend.spec.api_base or "")
    if known is None:
        known = source.offered()
        with _lock:
            _offers[backend.spec.api_base or ""] = known
    return source if known else None


def plain_text(messages: Sequence[Mapping[str, str]]) -> Prompt:
    """Messages as plain text, for endpoints whose chat template cannot be had."""
    return Prompt("\n\n".join(str(m["content"]) for m in messages) + "\n\n```python\n")


def _holds_data(line: str) -> bool:
    return line.startswith("data: ") and line.strip() != "data: [DONE]"


def _choice(chunk: dict[str, Any]) -> tuple[str, str | None]:
    choices: list[dict[str, Any]] = chunk.get("choices") or [{}]
    return str(choices[0].get("text") or ""), choices[0].get("finish_reason")

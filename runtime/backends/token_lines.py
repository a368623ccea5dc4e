"""Line mode: any completion endpoint, asked for a line at a time; it lists no log-probabilities."""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from ...errors import GreenloopError, ProgramError
from ..budget import Usage
from ..endpoint_queue import queue_of
from ..forking import Threads
from ..token_source import Drawn, Mode, Piece, Prompt, Step, Which, text_of
from . import direct
from .failures import BrokenOff, OtherProtocol, data_of, translate
from .openai_server import OpenAIServerBackend
from .text_stream import Chunk, chunks_of

if TYPE_CHECKING:
    import httpx

DEFAULT_CONTEXT = 4096

Chunks = Iterator[Chunk]

_threads = Threads(32, "greenloop-lines")
_lock = threading.Lock()
_offers: dict[str, bool] = {}


class LineReading:
    """Puts a streamed continuation together, and ends it after so many lines.

    Attributes:
        text: What came so far.
        tokens: Its tokens; a chunk counts as one.
        over: Set it to have the continuation ended: nobody wants more.

    Example:
        >>> reading = LineReading(1)
        >>> reading.take("a", None), reading.take("b\\nc", None), reading.text
        (False, True, 'ab\\n')
    """

    def __init__(self, most_lines: int) -> None:
        self.text = ""
        self.tokens = 0
        self.over = False
        self._reason = ""
        self._most_lines = most_lines

    @property
    def whole(self) -> bool:
        """Whether there are enough lines, or the server said why there are fewer."""
        return bool(self._reason)

    def take(self, text: str, reason: str | None) -> bool:
        """Take a chunk; True where there are enough lines, or nobody wants more."""
        self.text += text
        self.tokens += reason is None or bool(text)
        if self.text.count("\n") >= self._most_lines:
            self.text = "\n".join(self.text.split("\n")[: self._most_lines]) + "\n"
            self._reason = "lines"
            return True
        self._reason = reason or self._reason
        return self.over

    def drawn(self, prompt_tokens: int) -> Drawn:
        """The continuation; a chunk counts as a token."""
        return Drawn(self.text, self.tokens, prompt_tokens, self._reason == "stop")


def drawn_together(
    one: Callable[[int, LineReading], None],
    readings: Sequence[LineReading],
    prompt_tokens: int,
    at_once: bool = True,
) -> list[Drawn]:
    """Draw continuations. Where one fails the others are ended, and its error tells what all cost.

    Args:
        one: Fills the reading of a number.
        readings: One for each continuation.
        prompt_tokens: Tokens of the context that they continue.
        at_once: At the same time, and not one after the other.
    """

    def row(numbers: Sequence[int]) -> None:
        for number in numbers:
            one(number, readings[number])

    numbers = range(len(readings))
    rows = [[number] for number in numbers] if at_once else [numbers]
    asked = [_threads.submit(contextvars.copy_context().run, row, numbers) for numbers in rows]
    try:
        wait(asked, return_when=FIRST_EXCEPTION)
        failed = next((error for future in asked if future.done() and (error := future.exception())), None)
    finally:
        for reading in readings:
            reading.over = True
    if failed is None:
        return [reading.drawn(prompt_tokens) for reading in readings]
    wait(asked)
    tokens = sum(reading.tokens for reading in readings)
    if tokens and isinstance(failed, GreenloopError):
        failed.cost = Usage(0, prompt_tokens, tokens)
    raise failed


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

        def one(number: int, reading: LineReading) -> None:
            with self._turn(), self._stream(text, seeds[number], temperature, most_tokens) as chunks:
                for piece, reason in chunks:
                    if reading.take(piece, reason):
                        break
                if not reading.whole:
                    raise BrokenOff

        return drawn_together(one, [LineReading(most_lines) for _ in seeds], self._size(text))


class CompletionLines:
    """Line mode on the `/completions` of an OpenAI-compatible server.

    The chat template is the server's own where it offers to apply it (llama-server does); otherwise the messages are
    plain text, one after the other.

    Args:
        backend: The server's backend.

    Raises:
        InfrastructureError: The server is away.
    """

    mode: Mode = "line mode"

    def __init__(self, backend: OpenAIServerBackend) -> None:
        self._backend = backend
        self._context = backend.describe().context or DEFAULT_CONTEXT

    @property
    def seats(self) -> int:
        """As many as there are slots: a line asks one context."""
        return self._backend.slots

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together, as the server says."""
        return self._context

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
        rendered = _offered(answer).get("prompt")
        return plain_text(messages) if rendered is None else Prompt(str(rendered))

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
        choices: list[dict[str, Any]] = _offered(answer).get("choices") or [{}]
        return "text" in choices[0]

    @contextmanager
    def _stream(self, prompt: str, seed: int, temperature: float, most_tokens: int) -> Generator[Chunks]:
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
        with chunks_of(spec, f"{base}/completions", body, key, _choice) as chunks:
            yield chunks

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


def _offered(answer: httpx.Response) -> dict[str, Any]:
    """What a page holds; nothing where the server does not have it, which some say by a page of their own."""
    try:
        return data_of(answer) if answer.is_success else {}
    except OtherProtocol:
        return {}


def _choice(line: str) -> Chunk | None:
    """What a line of the stream holds; None for comments and for its end."""
    field, _, value = line.partition(":")
    if field not in ("data", "error") or value.strip() in ("", "[DONE]"):
        return None
    data: dict[str, Any] = json.loads(value) if field == "data" else {"error": value.strip()}
    if error := data.get("error"):
        raise BrokenOff(str(error.get("message") or error) if isinstance(error, dict) else str(error))
    choices: list[dict[str, Any]] = data.get("choices") or [{}]
    return str(choices[0].get("text") or ""), choices[0].get("finish_reason")

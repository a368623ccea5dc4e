"""Putting a streamed answer together, watching that it goes on, and counting what it cost where it was ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..budget import Usage
from .answer_text import RepetitionWatch, split_thinking, strip_escapes
from .base import Answer, Call
from .wire import Piece

CHARACTERS_PER_TOKEN = 3.5
"""Rough size of a token where nobody counts: such answers carry the flag "estimated_tokens"."""

_LONGEST_PIECES = 8.0
"""Local servers send a piece for each token; pieces that are longer than this on the average hold several."""


class StreamReading:
    """Puts the pieces of one answer together.

    A server counts the tokens at the answer's end. Where the end never comes, the pieces are counted, and the prompt
    by the backend.

    Args:
        call: The call that is answered.

    Attributes:
        finish: Why the server ended the answer; empty until it said so.
        pieces: Pieces with text so far.
        seconds: Wall seconds of the call, once it has ended.
    """

    def __init__(self, call: Call) -> None:
        self.finish = ""
        self.pieces = 0
        self.seconds = 0.0
        self._call = call
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._watch = RepetitionWatch()
        self._tokens: tuple[int, int, int] | None = None
        self._repeats = False

    def take(self, piece: Piece) -> bool:
        """Take the next piece; True where the answer has begun to repeat itself and should be ended."""
        self._tokens = piece.tokens or self._tokens
        self.finish = piece.finish or self.finish
        self.pieces += bool(piece.text or piece.thinking)
        self._text.append(piece.text)
        self._thinking.append(piece.thinking)
        self._repeats = self._repeats or self._watch.feed(piece.text or piece.thinking)
        return self._repeats

    def is_repetition(self, error: Exception) -> bool:
        """Whether litellm itself ended the call because one chunk came a hundred times."""
        self._repeats = self._repeats or "repeating the same chunk" in str(error)
        return self._repeats

    def answer(self, count_prompt: Callable[[], int]) -> Answer:
        """The answer, cleaned, with its cost.

        Args:
            count_prompt: Counts the prompt's tokens; asked only where the server did not.
        """
        text, thinking = split_thinking(strip_escapes("".join(self._text)))
        thought = strip_escapes("".join(self._thinking)).strip()
        thinking = "\n".join(t for t in (thought, thinking) if t)
        flags: list[str] = []
        finish = "repetition" if self._repeats else "length" if self.finish == "length" else "stop"
        if self._repeats:
            flags.append("repetition")
        if thinking and not text.strip():
            flags.append("thinking_only")
        tokens_in, tokens_out, cached = self._tokens or (count_prompt(), self._streamed_tokens(), 0)
        if self._tokens is None:
            flags.append("estimated_tokens")
        elif finish == "length" and tokens_out < self._call.max_tokens:
            flags.append("context_full")
        return Answer(text, thinking, finish, tokens_in, tokens_out, cached, self.seconds, flags=tuple(flags))

    def cost(self, count_prompt: Callable[[], int]) -> Usage:
        """What the call has cost where it ended without an answer. Its number of calls is 0: it is made again, or ends
        the run."""
        if self._tokens is not None:
            return Usage(0, self._tokens[0], self._tokens[1], self.seconds)
        return Usage(0, count_prompt(), self._streamed_tokens(), self.seconds)

    def _streamed_tokens(self) -> int:
        characters = sum(map(len, self._text)) + sum(map(len, self._thinking))
        if characters > _LONGEST_PIECES * self.pieces:
            return round(characters / CHARACTERS_PER_TOKEN)
        return self.pieces


class StallWatch:
    """Cancels the task that made it where it hears nothing for too long.

    One timer for the whole answer: a limit on each piece would cost a task for each token, and before Python
    3.12 `asyncio.wait_for` inside another one may swallow the outer one's timeout.

    Args:
        stall_s: Most seconds from one `heard` to the next.

    Attributes:
        stalled: Whether it cancelled the task.
    """

    def __init__(self, stall_s: float) -> None:
        self.stalled = False
        self._stall_s = stall_s
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def heard(self) -> None:
        """A piece has come."""
        self._last = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._stall_s, self._look)

    def end(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        left = self._last + self._stall_s - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        elif self._task is not None:
            self.stalled = True
            self._task.cancel()

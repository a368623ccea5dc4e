"""Chat over litellm: any server that litellm speaks to. Answers are streamed, cleaned and timed."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import time
from typing import Any

from ..model_spec import ModelSpec
from .answer_text import RepetitionWatch, split_thinking, strip_escapes
from .base import Answer, Call
from .direct import keep_direct
from .event_loop import wait_for
from .failures import BrokenOff, PromptTooLong, Stalled, too_long, translate
from .wire import Piece, pieces

CHARACTERS_PER_TOKEN = 3.5
"""Rough size of a token where a server counts none: such answers carry the flag "estimated_tokens"."""


_SURELY_LONGER = 1.5
"""A prompt whose estimate exceeds the context by this factor does not fit, whatever the model's tokeniser."""
_SURELY_CUT = 0.6
"""A server that counts fewer than this part of our estimate has cut the prompt."""


@functools.cache
def load_litellm() -> Any:
    """litellm, imported quietly: no cost map is fetched, nothing is logged or reported."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_LOG", "ERROR")
    import logging

    import litellm

    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    litellm.suppress_debug_info = True
    return litellm


class LitellmBackend:
    """One model behind litellm's chat interface.

    Args:
        spec: The model; `spec.model` is litellm's model string.
    """

    default_slots = 8

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec

    @property
    def spec(self) -> ModelSpec:
        """What the model is, without asking the server."""
        return self._spec

    @property
    def slots(self) -> int:
        """One where answers are to repeat, else the option `slots`, else a cautious default: these servers
        publish no number."""
        options = self._spec.options
        return 1 if options.deterministic else options.slots or self.default_slots

    @property
    def learns_slots(self) -> bool:
        """Whether the number of slots is to be learned from throughput: neither named nor published."""
        return self._spec.options.slots is None and not self._spec.options.deterministic

    def digest(self) -> str:
        """A digest of name and server: these servers publish none of the weights."""
        return hashlib.sha256(f"{self._spec.model}|{self._spec.api_base or ''}".encode()).hexdigest()

    def identity(self) -> str:
        """What tells the model from others wherever it is served: the digest, without the server's address."""
        return self.digest()

    def describe(self) -> ModelSpec:
        """The spec with its digest."""
        return self._spec.model_copy(update={"digest": self.digest()})

    def close(self) -> None:
        """Nothing is held open."""

    def ask(self, call: Call) -> Answer:
        """Make one call, streamed; see `Backend.ask`."""
        self.prepare()
        if self._spec.context is not None and self.estimate(call) > self._spec.context * _SURELY_LONGER:
            raise PromptTooLong(too_long(self._spec))
        answer = wait_for(self.stream(call))
        if self._was_cut(call, answer):
            raise PromptTooLong(
                f"{too_long(self._spec)} (the server cut it in silence to {answer.tokens_in} tokens)"
            )
        return answer

    def estimate(self, call: Call) -> int:
        """Prompt tokens by a tokeniser of our own: other models' agree with it within some twenty percent."""
        if call.prompt_characters < 1000:  # no context is so short
            return 0
        count = load_litellm().token_counter
        return int(count(model="gpt-3.5-turbo", messages=[dict(m) for m in call.messages]))

    def _was_cut(self, call: Call, answer: Answer) -> bool:
        """Whether the server read far fewer tokens than it was sent; older ones cut without a word."""
        if "estimated_tokens" in answer.flags:
            return False
        roughly = call.prompt_characters / CHARACTERS_PER_TOKEN
        return (
            answer.tokens_in < roughly * _SURELY_CUT and answer.tokens_in < self.estimate(call) * _SURELY_CUT
        )

    def prepare(self) -> None:
        """Do what is not part of the first call's time: importing litellm, starting a server."""
        load_litellm()

    def arguments(self, call: Call) -> dict[str, Any]:
        """What litellm is called with for `call`, beyond model, messages and transport."""
        sampling = dict(call.sampling)
        plain = ("temperature", "top_p", "max_tokens", "stop", "presence_penalty", "frequency_penalty")
        given = {name: sampling.pop(name) for name in plain if sampling.get(name) is not None}
        think = sampling.pop("think", None)
        sampling.pop("num_ctx", None)
        if think is not None:
            given["reasoning_effort"] = think if isinstance(think, str) else ("medium" if think else "none")
        if call.response_format is not None:
            given["response_format"] = call.response_format
        return {**given, **sampling, "seed": call.seed, "drop_params": True}

    def connection(self) -> dict[str, Any]:
        """Where and as whom to call: api_base and key."""
        key = self._spec.options.api_key
        found: dict[str, Any] = {}
        keep_direct(self._spec.api_base)
        if self._spec.api_base is not None:
            found["api_base"] = self._spec.api_base
        if key is not None:
            found["api_key"] = key.get_secret_value()
        return found

    async def stream(self, call: Call) -> Answer:
        """One streamed call on the model loop, under the stall and the total limit."""
        started = time.monotonic()
        reading = StreamReading(call)
        try:
            await asyncio.wait_for(self._read(call, reading), self._spec.options.timeout_s)
        except Exception as error:
            if not reading.is_repetition(error):
                raise translate(error, self._spec) from error
        return reading.answer(time.monotonic() - started)

    async def _read(self, call: Call, reading: StreamReading) -> None:
        chunks = await self.open_stream(call)
        stalls = StallWatch(self._spec.options.stall_s)
        try:
            async for piece in pieces(chunks):
                stalls.heard()  # not before: the first token may wait for the model to load
                if reading.take(piece):
                    return
            if not reading.finish:
                raise BrokenOff
        except asyncio.CancelledError as error:
            if stalls.stalled:
                raise Stalled from error
            raise
        finally:
            stalls.end()
            await _close(chunks)

    async def open_stream(self, call: Call) -> Any:
        """Start the call; its chunks follow as litellm gives them."""
        litellm = load_litellm()
        return await litellm.acompletion(
            model=self._spec.model,
            messages=[dict(m) for m in call.messages],
            stream=True,
            stream_options={"include_usage": True},
            timeout=self._spec.options.timeout_s,
            num_retries=0,
            max_retries=0,
            cache={"no-cache": True, "no-store": True},
            **self.connection(),
            **self.arguments(call),
        )


def openai_arguments(call: Call) -> dict[str, Any]:
    """litellm's arguments for a server of the OpenAI protocol: standard settings by name, others in the
    body."""
    sampling = dict(call.sampling)
    standard = ("temperature", "top_p", "max_tokens", "stop", "presence_penalty", "frequency_penalty")
    given = {name: sampling.pop(name) for name in standard if sampling.get(name) is not None}
    sampling.pop("num_ctx", None)
    think = sampling.pop("think", None)
    body = {name: value for name, value in sampling.items() if value is not None}
    if think is not None:
        body["chat_template_kwargs"] = {"enable_thinking": think is not False}
    if body:
        given["extra_body"] = body
    if call.response_format is not None:
        given["response_format"] = call.response_format
    return {**given, "seed": call.seed}


class StreamReading:
    """Puts the pieces of one answer together.

    Attributes:
        finish: Why the server ended the answer; empty until it said so.
    """

    def __init__(self, call: Call) -> None:
        self.finish = ""
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
        self._text.append(piece.text)
        self._thinking.append(piece.thinking)
        self._repeats = self._repeats or self._watch.feed(piece.text or piece.thinking)
        return self._repeats

    def is_repetition(self, error: Exception) -> bool:
        """Whether litellm itself ended the call because one chunk came a hundred times."""
        self._repeats = self._repeats or "repeating the same chunk" in str(error)
        return self._repeats

    def answer(self, seconds: float) -> Answer:
        """The answer so far, cleaned, with its cost."""
        raw, thought = "".join(self._text), "".join(self._thinking)
        text, thinking = split_thinking(strip_escapes(raw))
        thinking = "\n".join(t for t in (strip_escapes(thought).strip(), thinking) if t)
        flags: list[str] = []
        finish = "repetition" if self._repeats else "length" if self.finish == "length" else "stop"
        if self._repeats:
            flags.append("repetition")
        if thinking and not text.strip():
            flags.append("thinking_only")
        if self._tokens is not None:
            tokens_in, tokens_out, cached = self._tokens
            if finish == "length" and tokens_out < self._call.max_tokens:
                flags.append("context_full")
        else:
            flags.append("estimated_tokens")
            tokens_in = round(self._call.prompt_characters / CHARACTERS_PER_TOKEN)
            tokens_out, cached = round((len(raw) + len(thought)) / CHARACTERS_PER_TOKEN), 0
        return Answer(text, thinking, finish, tokens_in, tokens_out, cached, seconds, flags=tuple(flags))


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


async def _close(chunks: Any) -> None:
    """Close the connection, so that a server stops generating what nobody reads."""
    inner = getattr(chunks, "completion_stream", chunks)
    for close in (getattr(inner, "close", None), getattr(inner, "aclose", None)):
        if close is not None:
            result = close()
            if asyncio.iscoroutine(result):
                await result
            return

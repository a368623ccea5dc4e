"""Chat over litellm: any server that litellm speaks to. Answers are streamed, cleaned and timed."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import hashlib
import os
import re
import time
from typing import Any

from ...errors import GreenloopError, ModelTimeout, UnknownModel
from ..model_spec import ModelSpec
from .base import Answer, Call
from .direct import keep_direct
from .event_loop import wait_for
from .failures import BrokenOff, PromptTooLong, Refused, Stalled, Unauthorised, too_long, translate
from .keys import NO_KEY, key_for
from .stream_reading import CHARACTERS_PER_TOKEN, StallWatch, StreamReading
from .wire import pieces

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


def address_of(model: str) -> str:
    """The server that the environment names for a model of litellm's; empty where it is the provider's own.

    Raises:
        UnknownModel: litellm knows no such provider.

    Example:
        >>> os.environ["HOSTED_VLLM_API_BASE"] = "http://gpu-box:8000/v1"
        >>> address_of("hosted_vllm/m"), address_of("groq/m")
        ('http://gpu-box:8000/v1', '')
        >>> del os.environ["HOSTED_VLLM_API_BASE"]
    """
    litellm = load_litellm()
    try:
        found = litellm.get_llm_provider(model)[3]
    except litellm.BadRequestError as error:
        raise UnknownModel(f"{model}: litellm knows no such provider: see https://docs.litellm.ai") from error
    # Where it resolves none, the provider's own code reads these; a provider's usual address stands in no variable.
    stem = re.sub(r"\W", "_", model.partition("/")[0]).upper()
    named = {os.environ.get(f"{stem}_{end}") for end in ("API_BASE", "BASE_URL", "ENDPOINT", "URL")}
    resolved = {found} & set(os.environ.values())
    return " ".join(sorted(address for address in named | resolved | {litellm.api_base} if address))


class LitellmBackend:
    """One model behind litellm's chat interface.

    Args:
        spec: The model; `spec.model` is litellm's model string.
    """

    default_slots = 8

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._without_schemas = False

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
        """A digest of name and server: these servers publish none of the weights.

        Raises:
            UnknownModel: litellm knows no such provider.
        """
        server = self._spec.api_base or address_of(self._spec.model)
        return hashlib.sha256(f"{self._spec.model}|{server}".encode()).hexdigest()

    def identity(self) -> str:
        """What tells the model from others wherever it is served: its name, as nothing of the weights is published."""
        return hashlib.sha256(self._spec.model.encode()).hexdigest()

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
        if call.response_format is None:
            return self._answer(call)
        if not self._without_schemas:
            try:
                return self._answer(call)
            except Unauthorised:
                raise
            except Refused:  # for the schema, if the same call goes through without
                pass
        answer = self._answer(dataclasses.replace(call, response_format=None))
        self._without_schemas = True
        return dataclasses.replace(answer, flags=(*answer.flags, "no_schema"))

    def _answer(self, call: Call) -> Answer:
        """One call as it is."""
        reading = StreamReading(call)
        try:
            wait_for(self.stream(call, reading))
            answer = reading.answer(lambda: self.count_prompt(call))
            if self._was_cut(call, answer):
                raise PromptTooLong(
                    f"{too_long(self._spec)} (the server cut it in silence to {answer.tokens_in} tokens)"
                )
        except GreenloopError as error:
            if reading.pieces or isinstance(error, ModelTimeout):
                error.cost = reading.cost(lambda: self.count_prompt(call))
            raise
        return answer

    def count_prompt(self, call: Call) -> int:
        """Prompt tokens by a tokeniser of our own: other models' agree with it within some twenty percent."""
        count = load_litellm().token_counter
        return int(count(model="gpt-3.5-turbo", messages=[dict(m) for m in call.messages]))

    def estimate(self, call: Call) -> int:
        """Prompt tokens where they may be too many; 0 for a prompt that no context is too short for."""
        return LitellmBackend.count_prompt(self, call) if call.prompt_characters >= 1000 else 0

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
        """Where and as whom to call: address and key. A server at a URL is sent the key that is meant for it (see
        `keys`), else a placeholder: without one, litellm would send it a provider's key of the environment."""
        keep_direct(self._spec.api_base)
        given = self._spec.options.api_key
        key = given.get_secret_value() if given else None
        if self._spec.api_base is None:
            return {"api_key": key} if key else {}
        return {"api_base": self._spec.api_base, "api_key": key or key_for(self._spec.api_base) or NO_KEY}

    async def stream(self, call: Call, reading: StreamReading) -> None:
        """One streamed call on the model loop, under the stall and the total limit."""
        started = time.monotonic()
        try:
            await asyncio.wait_for(self._read(call, reading), self._spec.options.timeout_s)
        except Exception as error:
            if not reading.is_repetition(error):
                raise translate(error, self._spec) from error
        finally:
            reading.seconds = time.monotonic() - started

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


async def _close(chunks: Any) -> None:
    """Close the connection, so that a server stops generating what nobody reads."""
    inner = getattr(chunks, "completion_stream", chunks)
    for close in (getattr(inner, "close", None), getattr(inner, "aclose", None)):
        if close is not None:
            result = close()
            if asyncio.iscoroutine(result):
                await result
            return

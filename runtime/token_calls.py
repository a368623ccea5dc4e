"""Stored, metered and recorded: the engine's rules for work that is done a token at a time.

One call here is one line of an answer, or one batch of continuations. Its key is its content, so a rerun pays nothing,
and a run that broke off goes on at the line where it ended.

**What counts as tokens.** Prompt tokens: a context's prompt in full when it is new (at the start, and again with every
new signal) and with every batch of continuations once, whatever the server had in its cache. Answer tokens: one for
each token and context, and all of every continuation.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import GreenloopError
from .budget import Settle, Usage
from .endpoint_queue import EndpointQueue, queue_for
from .engine import Engine
from .run import CallRecord, check_not_stopped, current_run, current_session, current_stage
from .token_source import Prompt, TokenSource, token_source_for

FORMAT = 1
"""Raised when the same content would be asked differently: old entries are not found any more."""


@dataclass(slots=True)
class Tally:
    """Tokens of a call while it is under way."""

    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0

    def usage(self) -> Usage:
        """The cost so far, as one call."""
        return Usage(1, self.tokens_in, self.tokens_out, self.seconds)


Work = Callable[[Tally], dict[str, Any]]
"""Does a call and counts its tokens; its result is JSON data."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a call yielded, and its record."""

    content: dict[str, Any]
    record: CallRecord


def calls_to(engine: Engine) -> TokenCalls | None:
    """Calls to an engine's model, where it can be asked a token or a line at a time; None where it cannot.

    Raises:
        InfrastructureError: Its server is away for longer than `retry_s`.
    """
    backend = engine.backend
    source = _queue(engine).look_ups.call(lambda: token_source_for(backend), backend.spec.options.retry_s)
    return None if source is None else TokenCalls(engine, source)


class TokenCalls:
    """Calls to one token source.

    Args:
        engine: The engine of its model.
        source: The source.
    """

    def __init__(self, engine: Engine, source: TokenSource) -> None:
        self.engine = engine
        self.source = source

    def render(self, messages: Sequence[Mapping[str, str]]) -> Prompt:
        """Messages as a prompt; see `TokenSource.render`. An outage is waited for as in every call."""
        retry_s = self.engine.backend.spec.options.retry_s
        return _queue(self.engine).look_ups.call(lambda: self.source.render(messages), retry_s)

    def ask(
        self,
        what: dict[str, Any],
        work: Work,
        *,
        most_tokens: int,
        seed: int,
        sampling: dict[str, Any],
    ) -> Stored:
        """The stored outcome of this content, else that of `work`.

        Args:
            what: All that shapes the outcome, as JSON data.
            work: Does it. A seat that it needs must be held already: who waits for one in here might wait for someone
                who waits for this key.
            most_tokens: Most that it can cost, prompt and answer: reserved before it starts.
            seed: For the record.
            sampling: For the record.

        Raises:
            InfrastructureError: The model's server is away for longer than `retry_s`.
            BudgetExhausted: It would not fit into the session's budget.
        """
        session, run = current_session(), current_run()
        backend = self.engine.backend
        spec = backend.spec
        queue = _queue(self.engine)
        digest = queue.look_ups.call(backend.digest, spec.options.retry_s)
        key = _key(digest, self.source.mode, what)

        def attempt(settle: Settle) -> tuple[dict[str, Any], Usage]:
            check_not_stopped()
            settle.again()
            tally, started = Tally(), time.monotonic()
            try:
                content = work(tally)
            except BaseException as error:
                tally.seconds = time.monotonic() - started
                cost = error.cost if isinstance(error, GreenloopError) else None
                settle.lost(replace(tally.usage() + (cost or Usage()), calls=0))
                raise
            tally.seconds = time.monotonic() - started
            return content, tally.usage()

        def made() -> dict[str, Any]:
            with session.meter.reserve(most_tokens) as settle:
                content, usage = queue.patience.call(lambda: attempt(settle), spec.options.retry_s)
                settle(usage)
            told = {"content": content, "usage": usage.to_json(), "model": spec.name, "asked": what}
            return {**told, "lost_tokens": settle.lost_usage.tokens}

        stored, cached = session.store.first_answer(key, made, label=spec.name)
        usage = Usage(**stored.content["usage"])
        if cached:
            session.meter.saw(usage)
        record = CallRecord(
            key=key,
            model=spec.name,
            digest=digest,
            seed=seed,
            usage=usage,
            cached=cached,
            sampling={**sampling, "mode": self.source.mode},
            lost_tokens=stored.content.get("lost_tokens", 0),
            stage=current_stage(),
        )
        if run is not None:
            run.record(record)
        for listener in session.on_call:
            listener(record)
        return Stored(stored.content["content"], record)


def _queue(engine: Engine) -> EndpointQueue:
    return queue_for(f"{engine.backend.spec.endpoint}|tokens", 1, False)


def _key(digest: str, mode: str, what: dict[str, Any]) -> str:
    text = json.dumps([FORMAT, "tokens", digest, mode, what], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()

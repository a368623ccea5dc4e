"""The one way to a model: a DSPy engine that adds seed, stored answers, accounts, order and clear errors.

A call's seed comes from the task, the replicate and the prompt's place among the run's calls, never from a
trial; its key is its content. One key is asked once, whoever asks, and **the stored answer is the draw**:
local servers do not repeat a seed exactly, so nothing promises that a fresh store repeats a figure.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import json
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from dspy.lm15 import Request, Response

from ..errors import GreenloopError, UsageError
from .backends.base import Answer, Backend, Call
from .budget import Settle
from .endpoint_queue import EndpointQueue, queue_of
from .forking import Threads
from .model_spec import ModelSpec
from .request_form import messages_of, most_tokens, response_format, response_of, think
from .run import CallRecord, Run, Session, check_not_stopped, current_run, current_session, current_stage

rollout: ContextVar[int | None] = ContextVar("greenloop_rollout", default=None)
"""DSPy's `rollout_id` of the call under way: DSPy strips it before an engine sees the request."""

_threads = Threads(64, "greenloop-async")


class Engine:
    """A DSPy engine around one backend.

    Args:
        backend: The model and its server.

    Example:
        >>> from greenloop.testing import ScriptedModel
        >>> lm = ScriptedModel(["def add(a, b): return a + b"])
        >>> lm("Add two numbers.")
        ['def add(a, b): return a + b']
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._described: ModelSpec | None = None
        self._own_queue = EndpointQueue(backend.slots) if backend.spec.backend == "custom" else None

    def __deepcopy__(self, memo: dict[int, Any]) -> Engine:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by name and options, without keys; a backend of the user's own must be picklable itself."""
        if self.backend.spec.backend == "custom":
            return Engine, (self.backend,)
        return Engine.load_state, (self.dump_state(),)

    def __repr__(self) -> str:
        return f"Engine({self.backend.spec.name!r})"

    @property
    def spec(self) -> ModelSpec:
        """What the model is, described by its server or file where that could be asked already."""
        return self._described or self.backend.spec

    def describe(self) -> ModelSpec:
        """Ask server or file for digest, parameters, quantisation and context.

        Raises:
            ModelUnavailable: The server does not answer.
            UnknownModel: There is no such model.
        """
        self._described = self.backend.describe()
        return self._described

    def digest(self) -> str:
        """Digest of the model's weights: what answers are stored under.

        Raises:
            ModelUnavailable: The server is away for longer than `retry_s`.
            UnknownModel: There is no such model.
        """
        return self._queue.look_ups.call(self.backend.digest, self.backend.spec.options.retry_s)

    def dump_state(self) -> dict[str, Any]:
        """The model's name and options, without keys: DSPy saves programs with it."""
        spec = self.backend.spec
        state = {"name": spec.name, "options": spec.options.model_dump(mode="json", exclude_defaults=True)}
        return state | ({"own": True} if spec.backend == "custom" else {})

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> Engine:
        """The engine that `dump_state` described.

        Raises:
            UsageError: It was one around a model object of the user's own, which its name does not bring back.
        """
        from .language_model import engine_for

        if state.get("own"):
            raise UsageError(
                f"{state['name']} was a model object of your own: save the program without it, and set it after loading"
            )
        return engine_for(str(state["name"]), **state.get("options", {}))

    def complete(self, request: Request) -> Response:
        """Answer a request: from the store, else from the model.

        Raises:
            InfrastructureError: The model's server is away, or took too long, for longer than `retry_s`.
            BudgetExhausted: The session's budget has no room for the call.
            ProgramError: The request holds what small local models don't take (images, tools), or its prompt
                does not fit into the context.
        """
        session, run = current_session(), current_run()
        call = self._call(request, session, run)
        spec = self.backend.spec
        digest = self.digest()
        key = call.key(digest)
        turns: list[bool] = []
        stored, cached = session.store.first_answer(
            key, lambda: self._made(call, digest, session, turns), label=spec.name
        )
        answer = Answer.from_json(stored.content)
        if cached:
            session.meter.saw(answer.usage)
        record = CallRecord(
            key=key,
            model=spec.name,
            digest=digest,
            seed=call.seed,
            usage=answer.usage,
            cached=cached,
            truncated=answer.truncated,
            flags=answer.flags,
            sampling=call.sampling,
            thinking=answer.thinking,
            cached_tokens_in=answer.cached_tokens_in,
            load_s=answer.load_s,
            lost_tokens=answer.lost_tokens,
            swapped=any(turns),
            stage=current_stage(),
        )
        if run is not None:
            run.record(record)
        for listener in session.on_call:
            listener(record)
        return response_of(request, answer, key)

    @property
    def _queue(self) -> EndpointQueue:
        if self._own_queue is not None:
            return self._own_queue
        return queue_of(self.backend)

    def _made(self, call: Call, digest: str, session: Session, turns: list[bool]) -> dict[str, Any]:
        """Ask the model; the answer as it is stored, with what was asked (for `store export`)."""
        answer = self._ask(call, session, turns)
        asked = {
            "model": self.backend.spec.name,
            "digest": digest,
            "messages": list(call.messages),
            "sampling": call.sampling,
            "seed": call.seed,
        }
        return answer.to_json() | asked

    def _ask(self, call: Call, session: Session, turns: list[bool]) -> Answer:
        spec, queue = self.backend.spec, self._queue
        most = most_tokens(call)
        loaded_as = str(getattr(self.backend, "loaded_as", spec.model))
        loading = str(getattr(self.backend, "loading", ""))
        with (  # in this order, as `token_calls` has it: who waits for the budget holds no slot that others need
            session.meter.reserve(most) as settle,
            queue.turn(loaded_as, spec.options.exclusive, spec.options.deterministic, loading) as swaps,
        ):
            turns.append(swaps)
            answer = queue.patience.call(lambda: self._try(call, settle), spec.options.retry_s)
            settle(answer.usage)
            if not spec.options.deterministic:  # alone whatever the server can do: that teaches nothing
                queue.learn(answer.tokens_out)
            for one, other in getattr(self.backend, "seen_apart", ()):
                queue.keep_apart(one, other)
        return replace(answer, lost_tokens=settle.lost_usage.tokens)

    def _try(self, call: Call, settle: Settle) -> Answer:
        """One try; what it cost is booked where it ends without an answer, too."""
        check_not_stopped()  # it may have waited long for its slot
        settle.again()
        try:
            return self.backend.ask(call)
        except GreenloopError as error:
            if error.cost is not None:
                settle.lost(error.cost)
            raise

    def _call(self, request: Request, session: Session, run: Run | None) -> Call:
        config = request.config
        options = self.backend.spec.options
        messages = tuple(messages_of(request))
        sampling: dict[str, Any] = {"temperature": options.temperature, "max_tokens": options.max_tokens}
        sampling |= options.shaping()
        asked = {
            "temperature": config.temperature,
            "max_tokens": config.max_tokens,
            "top_p": config.top_p,
            "top_k": config.top_k,
            "stop": list(config.stop) or None,
            "presence_penalty": config.presence_penalty,
            "frequency_penalty": config.frequency_penalty,
            "think": think(config.reasoning.effort) if config.reasoning is not None else None,
        }
        sampling |= {name: value for name, value in asked.items() if value is not None}
        sampling |= dict(config.extensions or {})
        rollout_id = rollout.get()
        seed = config.seed
        if seed is None:
            place = "lm:" + hashlib.sha256(json.dumps(messages).encode()).hexdigest()[:16]
            run = run or Run(session, task_key="")
            seed = run.seed(place, run.next_iteration(place), rollout_id)
        return Call(messages, sampling, seed, rollout_id, response_format(config.response_format))


class AsyncEngine:
    """The same engine for `acall`: the work runs in threads, the caller's context goes along.

    Args:
        engine: The engine whose answers, accounts and slots it shares.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def __deepcopy__(self, memo: dict[int, Any]) -> AsyncEngine:
        return self

    def dump_state(self) -> dict[str, Any]:
        """See `Engine.dump_state`."""
        return self.engine.dump_state()

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> AsyncEngine:
        """See `Engine.load_state`."""
        return cls(Engine.load_state(state))

    async def complete(self, request: Request) -> Response:
        """See `Engine.complete`."""
        context = contextvars.copy_context()

        def work() -> Response:
            return context.run(self.engine.complete, request)

        return await asyncio.get_running_loop().run_in_executor(_threads, work)


def unwrap(error: BaseException) -> BaseException:
    """The error of ours behind what DSPy made of it, else the error itself.

    DSPy hands an engine's exception on as `LMUnexpectedError`; ours is in its chain of causes.

    Example:
        >>> from greenloop.errors import ModelUnavailable
        >>> outer = RuntimeError("wrapped")
        >>> outer.__cause__ = ModelUnavailable("away")
        >>> unwrap(outer)
        ModelUnavailable('away')
    """
    seen: BaseException | None = error
    visited: set[int] = set()
    while seen is not None and id(seen) not in visited:
        if isinstance(seen, GreenloopError):
            return seen
        visited.add(id(seen))
        seen = seen.__cause__ or seen.__context__
    return error

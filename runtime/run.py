"""Where a call stands: the session (store, seed, accounts) and the run of one task that is under way.

Stages and engine find both through context variables, so a program needs no extra arguments. A bare thread pool
does not carry context variables along: use `contextvars.copy_context().run` as `evals.score` does.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..errors import InfrastructureError
from .budget import Meter, Usage

if TYPE_CHECKING:
    from .attempt import Attempt
    from .execution import Execution
    from .sandbox import Sandbox
    from .store import Store


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One model call, as it is told to the run, to the accounts and to `on_call` callbacks.

    Attributes:
        key: Content address of the call (model digest, messages, sampling, seed).
        model: The model's name as the user wrote it.
        digest: Digest of the model's weights or, where none is published, of its name and server.
        seed: Seed that was sent.
        usage: Tokens and seconds at the call's first making.
        cached: True where the store answered: nothing was paid for it now.
        truncated: The answer was ended by `max_tokens`.
        flags: Other things worth counting: "repetition", "thinking_only".
        sampling: Temperature, top_p, max_tokens and the like, as sent.
        thinking: Thinking text that was set apart from the answer.
        cached_tokens_in: Prompt tokens that the server took from its prompt cache.
        load_s: Seconds in which the model was loaded for this call.
        lost_tokens: Tokens of tries of it that ended without an answer: paid for, no part of `usage`.
        swapped: The call made its endpoint change models just now; False where the store answered.
        stage: Name of the stage that asked; empty outside of any.
    """

    key: str
    model: str
    digest: str
    seed: int
    usage: Usage
    cached: bool
    truncated: bool = False
    flags: tuple[str, ...] = ()
    sampling: dict[str, Any] = field(default_factory=dict[str, Any])
    thinking: str = ""
    cached_tokens_in: int = 0
    load_s: float = 0.0
    lost_tokens: int = 0
    swapped: bool = False
    stage: str = ""


class Run:
    """One program on one task at one replicate: counts calls by place, and collects what happened.

    Attributes:
        task_id: The task's name.
        replicate: Number of the replicate, from 0.
        calls: The model calls so far, in the order in which they ended.
        attempts: The attempts so far; stages fill this.
    """

    def __init__(self, session: Session, task_key: str, replicate: int = 0, task_id: str = "") -> None:
        self.session = session
        self.task_key = task_key
        self.task_id = task_id or task_key
        self.replicate = replicate
        self.calls: list[CallRecord] = []
        self.attempts: list[Attempt] = []
        self._places: Counter[str] = Counter()
        self._lock = threading.Lock()

    def next_iteration(self, place: str) -> int:
        """How often `place` was asked for before in this run: 0, 1, 2, …"""
        with self._lock:
            iteration = self._places[place]
            self._places[place] += 1
            return iteration

    def seed(self, place: str, iteration: int, rollout_id: int | None = None) -> int:
        """The seed of a call: from (session, task, replicate, place, iteration, rollout), never from a trial.

        Returns:
            An integer in [0, 2**31).
        """
        text = f"{self.session.seed}|{self.task_key}|{self.replicate}|{place}|{iteration}|{rollout_id}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1

    def record(self, call: CallRecord) -> None:
        """Take a finished call into this run's account."""
        with self._lock:
            self.calls.append(call)
        collected = _collected.get()
        if collected is not None:
            collected.append(call)

    def add_attempt(self, attempt: Attempt) -> None:
        """Take a new attempt into the run."""
        with self._lock:
            self.attempts.append(attempt)

    def add_execution(self, code: str, execution: Execution) -> None:
        """Book an execution with the newest attempt of this code that has none; as an attempt of its own where no
        attempt has this code. A further execution of one that has its own adds nothing."""
        from .attempt import Attempt

        with self._lock:
            alike = [i for i, attempt in enumerate(self.attempts) if attempt.code == code]
            waiting = [i for i in alike if self.attempts[i].execution is None]
            if waiting:
                self.attempts[waiting[-1]] = replace(self.attempts[waiting[-1]], execution=execution)
            elif not alike:
                self.attempts.append(Attempt(code=code, stage="execute", execution=execution))

    def usage(self) -> Usage:
        """As-if compute of this run so far: cached calls at their first cost."""
        with self._lock:
            return sum((c.usage for c in self.calls), Usage())


class Session:
    """What calls share: the store, the seed, the accounts, the sandbox.

    Attributes:
        store: Cache, ledger and study; in memory where none was named.
        seed: Seed of everything drawn in the session.
        meter: The accounts, and the budget where there is one.
        on_call: Called with each `CallRecord` as it is booked.
    """

    def __init__(
        self,
        store: Store,
        *,
        seed: int = 0,
        meter: Meter | None = None,
        sandbox: Sandbox | None = None,
        on_call: tuple[Callable[[CallRecord], None], ...] = (),
    ) -> None:
        self.store = store
        self.seed = seed
        self.meter = meter or Meter()
        self.on_call = on_call
        self._sandbox = sandbox

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox of this session: the one given, else the process-wide default."""
        if self._sandbox is None:
            from .sandbox import default_sandbox

            self._sandbox = default_sandbox()
        return self._sandbox

    def open_run(self, task_key: str, replicate: int = 0, task_id: str = "") -> Run:
        """A fresh run of one task in this session."""
        return Run(self, task_key, replicate, task_id)


_session: ContextVar[Session | None] = ContextVar("greenloop_session", default=None)
_run: ContextVar[Run | None] = ContextVar("greenloop_run", default=None)
_collected: ContextVar[list[CallRecord] | None] = ContextVar("greenloop_collected", default=None)
_stage: ContextVar[str] = ContextVar("greenloop_stage", default="")
_stops: ContextVar[tuple[threading.Event, ...]] = ContextVar("greenloop_stops", default=())
_default_lock = threading.Lock()
_default_session: Session | None = None


def current_session() -> Session:
    """The session in force; without one, a process-wide session in memory with seed 0."""
    global _default_session
    active = _session.get()
    if active is not None:
        return active
    with _default_lock:
        if _default_session is None:
            from .store import open_store

            _default_session = Session(open_store("sqlite://"))
        return _default_session


def current_run() -> Run | None:
    """The run under way in this context, if any."""
    return _run.get()


@contextmanager
def use_session(active: Session) -> Generator[Session, None, None]:
    """Make `active` the session in force inside the `with` block."""
    token = _session.set(active)
    try:
        yield active
    finally:
        _session.reset(token)


@contextmanager
def use_run(run: Run) -> Generator[Run, None, None]:
    """Make `run` (and its session) the one under way inside the `with` block."""
    token = _run.set(run)
    try:
        with use_session(run.session):
            yield run
    finally:
        _run.reset(token)


def current_stage() -> str:
    """Name of the stage that is asking in this context; empty outside of any."""
    return _stage.get()


@contextmanager
def use_stage(name: str) -> Generator[None, None, None]:
    """Book the calls inside the `with` block under a stage's name."""
    token = _stage.set(name)
    try:
        yield
    finally:
        _stage.reset(token)


@contextmanager
def stoppable() -> Generator[None, None, None]:
    """Where Ctrl-C leaves the `with` block, threads in copies of its context pay for nothing more.

    They end with the call under way; so whoever waits for them waits no longer than that.
    """
    stop = threading.Event()
    token = _stops.set((*_stops.get(), stop))
    try:
        yield
    except KeyboardInterrupt:
        stop.set()
        raise
    finally:
        _stops.reset(token)


def check_not_stopped() -> None:
    """Called ahead of everything that is paid for.

    Raises:
        InfrastructureError: Ctrl-C ended a `stoppable` block around this.
    """
    if any(stop.is_set() for stop in _stops.get()):
        raise InfrastructureError("stopped; what was paid for is stored, and the same call goes on")


@contextmanager
def collect_calls() -> Generator[list[CallRecord], None, None]:
    """Collect the calls that are made inside the `with` block, in this context, into the list it gives."""
    calls: list[CallRecord] = []
    token = _collected.set(calls)
    try:
        yield calls
    finally:
        _collected.reset(token)


@contextmanager
def session(
    store: str | Store | None = None, *, seed: int = 0, meter: Meter | None = None
) -> Generator[Session, None, None]:
    """Run plain calls against a store and a seed of your choice.

    Args:
        store: A SQLAlchemy URL, an open store, or None for one in memory.
        seed: Seed of everything drawn inside. It makes draws differ or agree between sessions on one store; it
            does not promise that a fresh store repeats a figure (local servers don't repeat a seed exactly).
        meter: Accounts with a budget, where calls are to be limited.

    Example:
        >>> with session(seed=1) as s:
        ...     s.seed
        1
    """
    from .store import open_store

    opened = open_store("sqlite://" if store is None else store)
    try:
        with use_session(Session(opened, seed=seed, meter=meter)) as active:
            yield active
    finally:
        if isinstance(store, str) and store != "sqlite://":  # a store in memory lives as long as it is held
            opened.close()

"""A scoring's jobs for other processes: what is sent, what a worker does with it, and what comes home.

A job holds all that it needs: the program by value, the task, the store's URL. A worker opens that store and calls the
models itself; what it paid stands in what it returns.
"""

from __future__ import annotations

import functools
import os
import platform
import uuid
from dataclasses import dataclass
from typing import Any

import dspy

from ..errors import GreenloopError, ProgramError, StoreError
from ..runtime.budget import Budget, Meter, Usage
from ..runtime.execution import Limits
from ..runtime.problem import Steering
from ..runtime.run import Session
from ..runtime.store import Store, open_store
from ..runtime.store.accounts import accounts, put_account
from ..runtime.task import Task
from .scored_run import Conditions, score_one
from .scores import TaskScore


@dataclass(frozen=True, slots=True)
class Job:
    """One (task, replicate) for another process.

    Attributes:
        payload: Program, metric, and DSPy's language model and adapter, by cloudpickle.
        digest: The program's content hash.
        store_url: The store that all share.
        token: What the store must hold, so that nobody works on another database of the same name.
        seed: Seed of the session.
        steering: Which tests steer.
        limits: Bounds of the run that judges.
        settings: What the ledger states.
        task: The task.
        replicate: Number of the replicate.
        allowance: What this job may pay.
    """

    payload: bytes
    digest: str
    store_url: str
    token: str
    seed: int
    steering: Steering
    limits: Limits
    settings: dict[str, Any]
    task: Task
    replicate: int
    allowance: Budget


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job brought: a score or an error, and what it cost either way.

    Attributes:
        item: The score; None where it failed.
        models: Name to digest of the models that were called.
        paid: What was really spent there.
        as_if: What its calls cost at their first making.
        tier: The sandbox tier there.
        error: Why it failed.
    """

    item: TaskScore | None
    models: dict[str, str]
    paid: Usage
    as_if: Usage
    tier: str = ""
    error: GreenloopError | None = None


def run_job(job: Job) -> Outcome:
    """Run a job in this process; what a worker calls."""
    meter = Meter(job.allowance)
    item: TaskScore | None = None
    models: dict[str, str] = {}
    tier, failed = "", None
    try:
        program, metric, lm, adapter = _unpickled(job.payload)
        session = Session(_store(job.store_url, job.token), seed=job.seed, meter=meter)
        how = Conditions(session, program, job.digest, job.steering, metric, job.limits, job.settings)
        with dspy.context(lm=lm, adapter=adapter):
            item, models = score_one(how, job.task, job.replicate)
        tier = session.sandbox.tier
    except GreenloopError as error:
        failed = error
    return Outcome(item, models, meter.paid, meter.as_if, tier, failed)


def pickled(what: Any) -> bytes:
    """Program, metric, language model and adapter as bytes.

    Raises:
        ProgramError: They cannot be sent.
    """
    import cloudpickle

    try:
        return cloudpickle.dumps(what)
    except Exception as error:
        raise ProgramError(
            f"the program or metric cannot be sent to another process: {type(error).__name__}: {error}"
        ) from error


@functools.lru_cache(maxsize=8)
def _unpickled(payload: bytes) -> Any:
    import cloudpickle

    try:
        return cloudpickle.loads(payload)
    except Exception as error:
        raise ProgramError(
            f"the program cannot be made here: {type(error).__name__}: {error}; workers need the modules that it is"
            " made of"
        ) from error


@functools.lru_cache(maxsize=4)
def _store(url: str, token: str) -> Store:
    """The store that all share.

    Raises:
        StoreError: It is another database of the same name.
    """
    store = open_store(url)
    if token not in accounts(store, _MEETING):
        raise StoreError(
            f"{store!r} on {platform.node()} is not the run's own database: workers on other machines need a PostgreSQL"
            " URL"
        )
    return store


_MEETING = "workers meet here"


def meeting_token(store: Store) -> str:
    """A sign in the store by which workers know it."""
    known = accounts(store, _MEETING)
    if known:
        return min(known)
    token = uuid.uuid4().hex
    put_account(store, _MEETING, token, {})
    return token


def absolute_url(store: Store) -> str:
    """The store's URL from any working folder."""
    url = store.parsed_url
    if url.get_backend_name() == "sqlite":
        url = url.set(database=os.path.abspath(str(url.database)))
    return url.render_as_string(hide_password=False)

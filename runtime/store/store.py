"""Stored answers, executions and the ledger, behind one small class."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL

from ...errors import StoreError
from ..forking import start_afresh_when_forked
from . import schema
from .claims import Claims
from .connection import Reading, connect, guarded, in_memory, parse_url, prepare, shown, store_errors, writing
from .ledger import Ledger
from .quick import Quick
from .single_flight import SingleFlight


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as the store holds it.

    Attributes:
        key: Its content address.
        content: What was computed, as JSON data.
        made_at: When it was first made, in seconds since 1970.
    """

    key: str
    content: dict[str, Any]
    made_at: float


class Store:
    """A database of answers, executions and runs; safe to use from many threads and processes.

    Open one with `open_store`. The first answer written for a key is *the* answer: later ones are dropped,
    and whoever computed them gets the first.

    Attributes:
        url: The SQLAlchemy URL, for Optuna's storage too.
    """

    def __init__(self, url: URL, engine: Engine) -> None:
        self.parsed_url = url
        self.url = url.render_as_string(hide_password=False)
        self.engine = engine
        self.writer = writing(engine)
        self._start()

    def _start(self) -> None:
        """What belongs to one process: its locks and its claims."""
        self._flight = SingleFlight()
        # SQLite takes one writer at a time: queueing here is quicker than its busy handler. A database in
        # memory is one connection, so its readers queue as well.
        sqlite = self.parsed_url.get_backend_name() == "sqlite"
        private = in_memory(self.parsed_url)
        self.write_lock: AbstractContextManager[Any] = threading.RLock() if sqlite else nullcontext()
        self._read_lock: AbstractContextManager[Any] = self.write_lock if private else nullcontext()
        self._quick = Quick(self.engine, self._read_lock, self.write_lock)
        self._ledger = Ledger(self.writer, self.write_lock, self.reading, self.parsed)
        self._claims = None if private else Claims(self.writer, self._quick.insert_first, self.write_lock)

    def __repr__(self) -> str:
        return f"Store({shown(self.parsed_url)!r})"

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        if self._claims is not None:
            self._claims.close()
        self.engine.dispose()

    def after_fork(self) -> None:
        """Start afresh in a forked child: its parent's connections and claims are not its own, and its locks may
        be held by threads that the child does not have."""
        if self._claims is not None:
            self.engine.dispose(close=False)
        self._start()

    def first_answer(
        self, key: str, compute: Callable[[], dict[str, Any]], label: str = ""
    ) -> tuple[StoredAnswer, bool]:
        """The answer stored under `key`; without one, compute and store it.

        One key is computed once, however many threads and processes ask for it at once. An exception of
        `compute` stores nothing and reaches the one who computed; others who waited then compute themselves.

        Args:
            key: Content address, at most 64 characters.
            compute: Makes the answer, as JSON data.
            label: What statistics count and `prune` selects it under, such as the model's name.

        Returns:
            The answer, and True where it was there already: nothing was paid for it now.

        Raises:
            StoreError: The database cannot be read or written.
        """
        if found := self.answer(key):
            return found, True
        with self._flight.alone(key):
            if found := self.answer(key):
                return found, True
            if self._claims is None:
                return self._keep(StoredAnswer(key, compute(), time.time()), label), False
            with store_errors(self.parsed_url):
                found = self._claims.acquire(key, lambda: self.answer(key))
            if found is not None:
                return found, True
            try:
                made = StoredAnswer(key, compute(), time.time())
            except BaseException:
                with store_errors(self.parsed_url):
                    self._claims.release(key)
                raise
            return self._keep(made, label), False

    @guarded
    def answer(self, key: str) -> StoredAnswer | None:
        """The answer stored under `key`, if any."""
        row = self._quick.get(schema.answers, key)
        return StoredAnswer(key, self.parsed(row[0]), row[1]) if row else None

    @guarded
    def _keep(self, made: StoredAnswer, label: str) -> StoredAnswer:
        """Store an answer unless there is one by now, and give its claim up; the answer that is stored."""
        row = {"key": made.key, "made_at": made.made_at, "content": schema.dump(made.content), "label": label}
        owner = self._claims.owner if self._claims is not None else None
        try:
            kept = self._quick.insert_first(schema.answers, row, release=owner)
        finally:
            if self._claims is not None:
                self._claims.forget(made.key)
        return made if kept else self.answer(made.key) or made

    @guarded
    def execution(self, key: str) -> dict[str, Any] | None:
        """What was stored for an execution, if anything."""
        row = self._quick.get(schema.executions, key)
        return self.parsed(row[0]) if row else None

    @guarded
    def put_execution(self, key: str, execution: dict[str, Any]) -> None:
        """Store an execution; a second one under the same key is dropped."""
        row = {"key": key, "made_at": time.time(), "content": schema.dump(execution)}
        self._quick.insert_first(schema.executions, row)

    @guarded
    def record_run(self, row: dict[str, Any], attempts: list[dict[str, Any]]) -> bool:
        """Write a run with its attempts into the ledger, once.

        Args:
            row: JSON data; "program", "task_id", "task_digest", "replicate", "steering" and "seed" identify
                the run, and "models" (name to digest) where it is given; everything else is kept with it.
            attempts: JSON data, in order.

        Returns:
            False where a run of this identity was recorded before: the first stays.

        Raises:
            StoreError: The database cannot be written.
        """
        return self._ledger.record(row, attempts)

    @property
    def claims(self) -> Claims | None:
        """Claims on work that only one process may do at a time; None for a store in memory."""
        return self._claims

    def runs(self, **filter: Any) -> Iterator[dict[str, Any]]:
        """The ledger's runs in the order in which they were written, each with its "attempts".

        Args:
            **filter: Values that a run's fields must have; a list or tuple stands for any of its values.

        Yields:
            What `record_run` was given, with "attempts" added. Pages are read as they are needed.
        """
        with store_errors(self.parsed_url):
            yield from self._ledger.runs(filter)

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for reading."""
        return Reading(self.engine, self._read_lock)

    def parsed(self, content: str) -> dict[str, Any]:
        """Stored JSON as data.

        Raises:
            StoreError: It is damaged.
        """
        try:
            return json.loads(content)
        except ValueError as error:
            advice = "a stored entry is damaged; `greenloop store check` says which"
            raise StoreError(f"{shown(self.parsed_url)}: {advice}") from error


def open_store(url: str | Store = "sqlite://") -> Store:
    """Open a store, creating its tables where they are missing.

    Args:
        url: "sqlite://" (in memory), "sqlite:///FILE.db", or a PostgreSQL URL; an open store is returned as
            it is.

    Raises:
        UsageError: The URL is none of these.
        StoreError: The database is away, unreadable, damaged, or was written by a newer version.

    Example:
        >>> with open_store("sqlite://") as store:
        ...     store.first_answer("key", lambda: {"text": "4"})[1]
        False
    """
    if isinstance(url, Store):
        return url
    parsed = parse_url(url)
    with store_errors(parsed):
        engine = connect(parsed)
        prepare(engine, parsed)
    store = Store(parsed, engine)
    start_afresh_when_forked(store)
    return store

"""Stored answers, executions and the ledger, behind one small class."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Table, insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import URL

from ...errors import StoreError
from . import schema
from .connection import connect, guarded, in_memory, parse_url, shown, store_errors
from .single_flight import SingleFlight

_PAGE = 500


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

    Open one with `open_store`. The first answer written for a key is *the* answer: later ones are dropped, and
    whoever computed them gets the first.

    Attributes:
        url: The SQLAlchemy URL, for Optuna's storage too.
    """

    def __init__(self, url: URL, engine: Engine) -> None:
        self.parsed_url = url
        self.url = url.render_as_string(hide_password=False)
        self._engine = engine
        self._flight = SingleFlight()
        # SQLite takes one writer at a time: queueing here is quicker than its busy handler. A database in memory
        # is one connection, so its readers queue as well.
        self._write_lock: AbstractContextManager[Any] = (
            threading.RLock() if url.get_backend_name() == "sqlite" else nullcontext()
        )
        self._read_lock: AbstractContextManager[Any] = self._write_lock if in_memory(url) else nullcontext()

    def __repr__(self) -> str:
        return f"Store({shown(self.parsed_url)!r})"

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def first_answer(self, key: str, compute: Callable[[], dict[str, Any]]) -> tuple[StoredAnswer, bool]:
        """The answer stored under `key`; without one, compute and store it.

        One key is computed once, however many threads ask for it at once. An exception of `compute` stores nothing
        and reaches the one who computed; others who waited then compute for themselves.

        Args:
            key: Content address, at most 64 characters.
            compute: Makes the answer, as JSON data.

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
            made = StoredAnswer(key, compute(), time.time())
            return self._keep(made), False

    @guarded
    def answer(self, key: str) -> StoredAnswer | None:
        """The answer stored under `key`, if any."""
        table = schema.answers
        with self._reading() as connection:
            row = connection.execute(
                select(table.c.content, table.c.made_at).where(table.c.key == key)
            ).first()
        return StoredAnswer(key, self._json(row[0]), row[1]) if row else None

    @guarded
    def _keep(self, made: StoredAnswer) -> StoredAnswer:
        """Store an answer unless there is one by now; the one that is stored."""
        row = {"key": made.key, "made_at": made.made_at, "content": _dump(made.content)}
        if self._insert_first(schema.answers, row):
            return made
        return self.answer(made.key) or made

    @guarded
    def execution(self, key: str) -> dict[str, Any] | None:
        """What was stored for an execution, if anything."""
        table = schema.executions
        with self._reading() as connection:
            row = connection.execute(select(table.c.content).where(table.c.key == key)).first()
        return self._json(row[0]) if row else None

    @guarded
    def put_execution(self, key: str, execution: dict[str, Any]) -> None:
        """Store an execution; a second one under the same key is dropped."""
        row = {"key": key, "made_at": time.time(), "content": _dump(execution)}
        self._insert_first(schema.executions, row)

    @guarded
    def record_run(self, row: dict[str, Any], attempts: list[dict[str, Any]]) -> bool:
        """Write a run with its attempts into the ledger, once.

        Args:
            row: JSON data; "program", "task", "replicate", "steering" and "seed" identify the run, everything else
                is kept with it.
            attempts: JSON data, in order.

        Returns:
            False where a run of this identity was recorded before: the first stays.

        Raises:
            StoreError: The database cannot be written.
        """
        identity = {name: row.get(name, _EMPTY[name]) for name in schema.RUN_IDENTITY}
        known = hashlib.sha256(_dump(identity).encode()).hexdigest()
        values = identity | {"identity": known, "made_at": time.time(), "content": _dump(row)}
        with self._write_lock, self._engine.begin() as connection:
            run_id = connection.execute(self._first(schema.runs, values).returning(schema.runs.c.id)).scalar()
            if run_id is None:
                return False
            rows = [{"run_id": run_id, "number": n, "content": _dump(a)} for n, a in enumerate(attempts)]
            if rows:
                connection.execute(insert(schema.attempts), rows)
        return True

    def runs(self, **filter: Any) -> Iterator[dict[str, Any]]:
        """The ledger's runs in the order in which they were written, each with its "attempts".

        Args:
            **filter: Values that a run's fields must have; a list or tuple stands for any of its values.

        Yields:
            What `record_run` was given, with "attempts" added. Pages are read as they are needed.
        """
        table = schema.runs
        query = select(table.c.id, table.c.content).order_by(table.c.id).limit(_PAGE)
        rest: dict[str, Any] = {}
        for name, value in filter.items():
            if name not in schema.RUN_IDENTITY:
                rest[name] = value
            elif isinstance(value, (list, tuple)):
                query = query.where(table.c[name].in_(value))
            else:
                query = query.where(table.c[name] == value)
        last = 0
        while True:
            with store_errors(self.parsed_url), self._reading() as connection:
                page = connection.execute(query.where(table.c.id > last)).all()
                attempts = self._attempts(connection, [run_id for run_id, _ in page])
            for run_id, content in page:
                last = run_id
                run = self._json(content)
                if all(_matches(run.get(name), wanted) for name, wanted in rest.items()):
                    yield run | {"attempts": attempts.get(run_id, [])}
            if len(page) < _PAGE:
                return

    def _attempts(self, connection: Connection, run_ids: list[int]) -> dict[int, list[dict[str, Any]]]:
        table = schema.attempts
        query = select(table.c.run_id, table.c.content).where(table.c.run_id.in_(run_ids))
        found: dict[int, list[dict[str, Any]]] = {}
        for run_id, content in connection.execute(query.order_by(table.c.run_id, table.c.number)):
            found.setdefault(run_id, []).append(self._json(content))
        return found

    def _insert_first(self, table: Table, row: dict[str, Any]) -> bool:
        with self._write_lock, self._engine.begin() as connection:
            return connection.execute(self._first(table, row)).rowcount == 1

    def _first(self, table: Table, row: dict[str, Any]) -> Any:
        """An INSERT that leaves a row of the same key as it is."""
        make = postgresql_insert if self.parsed_url.get_backend_name() == "postgresql" else sqlite_insert
        return make(table).values(**row).on_conflict_do_nothing()

    def _reading(self) -> AbstractContextManager[Connection]:
        return _Reading(self._engine, self._read_lock)

    def _json(self, text: str) -> dict[str, Any]:
        try:
            return json.loads(text)
        except ValueError as error:
            raise StoreError(
                f"{shown(self.parsed_url)}: a stored entry is damaged; see `greenloop store`"
            ) from error


class _Reading:
    """A connection for reading, under the lock that a database in memory needs."""

    def __init__(self, engine: Engine, lock: AbstractContextManager[Any]) -> None:
        self._engine, self._lock = engine, lock

    def __enter__(self) -> Connection:
        self._lock.__enter__()
        try:
            self._connection = self._engine.connect()
        except BaseException:
            self._lock.__exit__(None, None, None)
            raise
        return self._connection

    def __exit__(self, *exc: object) -> None:
        try:
            self._connection.close()
        finally:
            self._lock.__exit__(None, None, None)


def open_store(url: str | Store = "sqlite://") -> Store:
    """Open a store, creating its tables where they are missing.

    Args:
        url: "sqlite://" (in memory), "sqlite:///FILE.db", or a PostgreSQL URL; an open store is returned as it is.

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
        _check_version(engine, parsed)
    return Store(parsed, engine)


def _check_version(engine: Engine, url: URL) -> None:
    with engine.begin() as connection:
        schema.metadata.create_all(connection)
        found = connection.execute(
            select(schema.about.c.value).where(schema.about.c.name == "version")
        ).scalar()
        if found is None:
            make = postgresql_insert if url.get_backend_name() == "postgresql" else sqlite_insert
            row = {"name": "version", "value": str(schema.VERSION)}
            connection.execute(make(schema.about).values(**row).on_conflict_do_nothing())
        elif int(found) > schema.VERSION:
            raise StoreError(
                f"{shown(url)} was written by a newer Greenloop (schema {found}, this one knows "
                f"{schema.VERSION}): upgrade Greenloop or name another store"
            )


_EMPTY: dict[str, Any] = {"program": "", "task": "", "replicate": 0, "steering": "", "seed": 0}


def _dump(data: Any) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _matches(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, (list, tuple)) else value == wanted

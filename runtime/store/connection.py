"""Opening a database by URL, and its errors as one line."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from ...errors import StoreError, UsageError
from . import schema

F = TypeVar("F", bound=Callable[..., Any])

BUSY_S = 60
"""How long a SQLite writer waits for another one, in seconds."""

_DRIVERS = ("psycopg", "psycopg2", "pg8000")


def parse_url(url: str) -> URL:
    """The URL, checked; for PostgreSQL with a driver that is installed.

    Raises:
        UsageError: It is no SQLAlchemy URL of a database that the store works with.
        StoreError: No driver for PostgreSQL is installed.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        told = re.sub(r"(?<=://).*@", "***@", url)
        advice = "write sqlite:///FILE.db or postgresql://USER@HOST:PORT/DATABASE"
        raise UsageError(f"{told!r} is no store: {advice}") from error
    name = parsed.get_backend_name()
    if name not in ("sqlite", "postgresql"):
        raise UsageError(f"the store works on sqlite and postgresql, not on {name!r}")
    if name == "sqlite" and parsed.host:
        raise UsageError(f"{shown(parsed)} names a server: a SQLite file is sqlite:///FILE.db")
    if "+" in parsed.drivername and _is_async(parsed):
        raise UsageError(f"{shown(parsed)}: the store takes no asyncio driver: write {name}:// alone")
    if name == "postgresql" and "+" not in parsed.drivername:
        driver = next((d for d in _DRIVERS if importlib.util.find_spec(d)), None)
        if driver is None:
            raise StoreError(f"{shown(parsed)}: no driver is installed: pip install 'psycopg[binary]'")
        parsed = parsed.set(drivername=f"postgresql+{driver}")
    return parsed


def _is_async(url: URL) -> bool:
    try:
        return url.get_dialect().is_async
    except NoSuchModuleError as error:
        raise UsageError(f"{shown(url)}: there is no driver {url.get_driver_name()!r}") from error


def in_memory(url: URL) -> bool:
    """Whether the database lives in this process alone."""
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def connect(url: URL) -> Engine:
    """A SQLAlchemy engine with the settings that concurrent writers need.

    Raises:
        StoreError: The driver is missing, or the folder of a SQLite file is.
    """
    try:
        if url.get_backend_name() == "postgresql":
            return create_engine(url, pool_pre_ping=True, pool_size=16, max_overflow=48)
        if in_memory(url):
            engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        else:
            folder = os.path.dirname(os.path.abspath(str(url.database)))
            if not os.path.isdir(folder):
                raise StoreError(f"{shown(url)}: there is no folder {folder}")
            engine = create_engine(url, pool_size=16, max_overflow=112, connect_args={"timeout": BUSY_S})
    except (NoSuchModuleError, ImportError) as error:
        advice = (
            "write sqlite:///FILE.db"
            if url.get_backend_name() == "sqlite"
            else "pip install 'psycopg[binary]'"
        )
        raise StoreError(f"{shown(url)}: the driver is missing: {advice}") from error
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def writing(engine: Engine) -> Engine:
    """The same connections for transactions that write: SQLite locks at their beginning, not halfway."""
    return engine.execution_options(greenloop_writes=True)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says
    cursor = connection.cursor()
    # NORMAL keeps a database whole through a kill; a power cut may lose the last few answers, never the file.
    cursor.execute(f"PRAGMA busy_timeout={BUSY_S * 1000}")
    _write_ahead(cursor)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Have the file written ahead; SQLite itself does not wait here for somebody who writes as of old."""
    ends = time.monotonic() + BUSY_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > ends:
                raise
            time.sleep(0.05)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("greenloop_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class Reading:
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


def prepare(engine: Engine, url: URL) -> None:
    """Create the tables where they are missing, bring an older version up to date, refuse a newer one.

    Raises:
        StoreError: The database was written by a newer version.
    """
    with writing(engine).begin() as connection:
        if url.get_backend_name() == "postgresql":  # two that open a fresh database at once take turns
            connection.execute(text("SELECT pg_advisory_xact_lock(4711202601)"))
        found: str | None = None
        if engine.dialect.has_table(connection, schema.about.name):
            query = select(schema.about.c.value).where(schema.about.c.name == "version")
            found = connection.execute(query).scalar()
        if found is not None and int(found) > schema.VERSION:
            raise StoreError(
                f"{shown(url)} was written by a newer Greenloop (schema {found}, this one knows "
                f"{schema.VERSION}): upgrade Greenloop or name another store"
            )
        if found is not None and int(found) == schema.VERSION:
            return
        schema.metadata.create_all(connection)
        if found is None:
            connection.execute(schema.about.insert().values(name="version", value=str(schema.VERSION)))
        else:
            schema.migrate(connection, int(found))


def shown(url: URL) -> str:
    """The URL without its password."""
    return url.render_as_string(hide_password=True)


@contextmanager
def store_errors(url: URL) -> Generator[None]:
    """Turn the database's errors into a `StoreError` of one line."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) else None
        raise StoreError(f"{shown(url)}: {_advice(' '.join(str(cause or error).split()))}") from error


def _advice(text: str) -> str:
    known = {
        "file is not a database": "this file is no database; name another one",
        "malformed": "the database is damaged; keep the file, and start with another one",
        "disk is full": "the disk is full; nothing more was stored",
        "readonly": "the database can only be read; check the rights of the file and its folder",
        "unable to open": "the database file cannot be opened; check the path and its rights",
        "is locked": f"the database was locked for {BUSY_S} s by another process",
        "onnection refused": "the database server does not answer; is it running?",
        "could not connect": "the database server does not answer; is it running?",
        "password authentication": "the database server refuses user or password",
        r"(database|role|user) .+ does not exist": "the database server has no such database or user",
    }
    for sign, advice in known.items():
        if re.search(sign, text):
            return advice
    return text[:200]


def guarded(method: F) -> F:
    """Decorate a method of the store: its database errors become a `StoreError`."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with store_errors(self.parsed_url):
            return method(self, *args, **kwargs)

    return call  # pyright: ignore[reportReturnType]

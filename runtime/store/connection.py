"""Opening a database by URL, and its errors as one line."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from ...errors import StoreError, UsageError

F = TypeVar("F", bound=Callable[..., Any])

BUSY_S = 60
"""How long a SQLite writer waits for another one, in seconds."""


def parse_url(url: str) -> URL:
    """The URL, checked.

    Raises:
        UsageError: It is no SQLAlchemy URL of a database that the store works with.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UsageError(
            f"{url!r} is no store: write sqlite:///FILE.db or postgresql://USER@HOST/DATABASE"
        ) from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise UsageError(f"the store works on sqlite and postgresql, not on {parsed.get_backend_name()!r}")
    return parsed


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
            return engine
        folder = os.path.dirname(os.path.abspath(str(url.database)))
        if not os.path.isdir(folder):
            raise StoreError(f"{shown(url)}: there is no folder {folder}")
        engine = create_engine(
            url, pool_size=16, max_overflow=112, connect_args={"timeout": BUSY_S, "check_same_thread": False}
        )
    except (NoSuchModuleError, ImportError) as error:
        raise StoreError(
            f"{shown(url)}: the database driver is missing: pip install 'psycopg[binary]'"
        ) from error
    event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # NORMAL keeps a database whole through a kill; a power cut may lose the last few answers, never the file.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_S * 1000}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def shown(url: URL) -> str:
    """The URL without its password."""
    return url.render_as_string(hide_password=True)


@contextmanager
def store_errors(url: URL) -> Iterator[None]:
    """Turn the database's errors into a `StoreError` of one line."""
    try:
        yield
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) else None
        text = " ".join(str(cause or error).split())
        raise StoreError(f"{shown(url)}: {_advice(text)}") from error


def _advice(text: str) -> str:
    known = {
        "file is not a database": "this file is no database; name another one",
        "malformed": "the database is damaged; keep the file, and start with another one",
        "disk is full": "the disk is full; nothing more was stored",
        "readonly": "the database can only be read; check the rights of the file and its folder",
        "unable to open": "the database file cannot be opened; check the path and its rights",
        "is locked": f"the database was locked for {BUSY_S} s by another process",
        "Connection refused": "the database server does not answer",
        "could not connect": "the database server does not answer",
        "connection failed": "the database server does not answer",
    }
    for sign, advice in known.items():
        if sign in text:
            return advice
    return text[:200]


def guarded(method: F) -> F:
    """Decorate a method of the store: its database errors become a `StoreError`."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with store_errors(self.parsed_url):
            return method(self, *args, **kwargs)

    return call  # pyright: ignore[reportReturnType]

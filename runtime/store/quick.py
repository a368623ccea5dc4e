"""The few statements that run with every call, compiled once and run on plain connections.

SQLAlchemy takes longer to prepare a statement than SQLite to run it, and each step of its own hands the
interpreter to another thread. Look-ups here are one statement, writes one short transaction.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any

from sqlalchemy import Engine, Table, bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import Executable

from . import schema


@contextmanager
def raw_connection(engine: Engine) -> Generator[Any]:
    """A connection as the driver has it; its errors, those of connecting too, come out as SQLAlchemy's.

    Raises:
        DBAPIError: The database cannot be reached, read or written.
    """
    driver: Any = engine.dialect
    try:
        with closing(engine.raw_connection()) as connection:  # what was not committed is rolled back
            yield connection
    except driver.loaded_dbapi.Error as error:
        raise DBAPIError(None, None, error) from error


class Statement:
    """A statement as the driver takes it.

    Args:
        statement: The statement, its values as bind parameters.
        engine: Whose dialect it is compiled for.
    """

    def __init__(self, statement: Executable, engine: Engine) -> None:
        compiled: Any = statement.compile(dialect=engine.dialect)  # pyright: ignore[reportAttributeAccessIssue]
        self.sql = str(compiled)
        self._order: list[str] | None = compiled.positiontup

    def run(self, cursor: Any, values: Mapping[str, Any]) -> None:
        """Run it with these values."""
        cursor.execute(self.sql, values if self._order is None else [values[name] for name in self._order])


class Quick:
    """Look-ups by key, and inserts that leave a row of the same key as it is.

    Args:
        engine: The database.
        read_lock: Held around each look-up.
        write_lock: Held around each write.
    """

    def __init__(
        self,
        engine: Engine,
        read_lock: AbstractContextManager[Any],
        write_lock: AbstractContextManager[Any],
    ) -> None:
        self._engine = engine
        self._read_lock = read_lock
        self._write_lock = write_lock
        self._sqlite = engine.dialect.name == "sqlite"
        tables = (schema.answers, schema.executions)
        self._found = {t.name: self._look_up(t) for t in tables}
        self._inserted = {t.name: self._insert(t) for t in (*tables, schema.claims)}
        claims = schema.claims
        mine = (claims.c.key == bindparam("key")) & (claims.c.owner == bindparam("owner"))
        self._released = Statement(delete(claims).where(mine), engine)

    def get(self, table: Table, key: str) -> tuple[str, float] | None:
        """The row's content and the moment it was made, None where there is no such key.

        Raises:
            DBAPIError: The database cannot be read.
        """
        statement = self._found[table.name]
        with self._read_lock, raw_connection(self._engine) as connection:
            cursor = connection.cursor()
            statement.run(cursor, {"key": key})
            row = cursor.fetchone()
            cursor.close()
        return (row[0], row[1]) if row else None

    def insert_first(self, table: Table, row: Mapping[str, Any], release: str | None = None) -> bool:
        """Insert a row unless its key is there.

        Args:
            table: Answers, executions or claims.
            row: Its columns.
            release: Owner whose claim on the key is given up in the same transaction.

        Returns:
            Whether it was inserted.

        Raises:
            DBAPIError: The database cannot be written.
        """
        statement = self._inserted[table.name]
        with self._write_lock, raw_connection(self._engine) as connection:
            cursor = connection.cursor()
            if self._sqlite:
                cursor.execute("BEGIN IMMEDIATE")
            statement.run(cursor, row)
            inserted = cursor.fetchone() is not None
            if release is not None:
                self._released.run(cursor, {"key": row["key"], "owner": release})
            cursor.close()
            connection.commit()
        return inserted

    def _look_up(self, table: Table) -> Statement:
        query = select(table.c.content, table.c.made_at).where(table.c.key == bindparam("key"))
        return Statement(query, self._engine)

    def _insert(self, table: Table) -> Statement:
        make = sqlite_insert if self._sqlite else postgresql_insert
        values = {column.name: bindparam(column.name, type_=column.type) for column in table.columns}
        insertion = make(table).values(values).on_conflict_do_nothing().returning(table.c.key)
        return Statement(insertion, self._engine)

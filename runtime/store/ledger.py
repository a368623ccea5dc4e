"""The ledger: runs and their attempts, written once, read in pages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from . import schema

_PAGE = 500


class Ledger:
    """The ledger of one database.

    Args:
        writer: Connections for writing.
        write_lock: Held around each write.
        reading: Gives a connection for reading.
        parsed: Stored JSON as data.
    """

    def __init__(
        self,
        writer: Engine,
        write_lock: AbstractContextManager[Any],
        reading: Callable[[], AbstractContextManager[Connection]],
        parsed: Callable[[str], dict[str, Any]],
    ) -> None:
        self._writer = writer
        self._write_lock = write_lock
        self._reading = reading
        self._parsed = parsed
        make = postgresql_insert if writer.dialect.name == "postgresql" else sqlite_insert
        self._first = make(schema.runs).on_conflict_do_nothing().returning(schema.runs.c.id)

    def record(self, row: dict[str, Any], attempts: list[dict[str, Any]]) -> bool:
        """Write a run with its attempts, once; see `Store.record_run`."""
        values = {name: row.get(name, empty) for name, empty in schema.RUN_COLUMNS.items()}
        values |= {
            "identity": schema.run_identity(row),
            "made_at": time.time(),
            "content": schema.dump(row),
        }
        contents = [schema.dump(attempt) for attempt in attempts]
        with self._write_lock, self._writer.begin() as connection:
            run_id = connection.execute(self._first, values).scalar()
            if run_id is None:
                return False
            rows = [{"run_id": run_id, "number": n, "content": c} for n, c in enumerate(contents)]
            if rows:
                connection.execute(insert(schema.attempts), rows)
        return True

    def runs(self, filter: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The runs in the order in which they were written; see `Store.runs`."""
        table = schema.runs
        query = select(table.c.id, table.c.content).order_by(table.c.id).limit(_PAGE)
        rest: dict[str, Any] = {}
        for name, value in filter.items():
            if name not in schema.RUN_COLUMNS:
                rest[name] = value
            elif isinstance(value, (list, tuple)):
                query = query.where(table.c[name].in_(value))
            else:
                query = query.where(table.c[name] == value)
        last = 0
        while True:
            with self._reading() as connection:
                page = connection.execute(query.where(table.c.id > last)).all()
                attempts = self._attempts(connection, [run_id for run_id, _ in page])
            for run_id, content in page:
                last = run_id
                run = self._parsed(content)
                if all(_matches(run.get(name), wanted) for name, wanted in rest.items()):
                    yield run | {"attempts": attempts.get(run_id, [])}
            if len(page) < _PAGE:
                return

    def _attempts(self, connection: Connection, run_ids: list[int]) -> dict[int, list[dict[str, Any]]]:
        table = schema.attempts
        query = select(table.c.run_id, table.c.content).where(table.c.run_id.in_(run_ids))
        found: dict[int, list[dict[str, Any]]] = {}
        for run_id, content in connection.execute(query.order_by(table.c.run_id, table.c.number)):
            found.setdefault(run_id, []).append(self._parsed(content))
        return found


def _matches(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, (list, tuple)) else value == wanted

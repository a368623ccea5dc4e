"""What each worker has booked under a name: one row a worker, so that none overwrites another's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from . import schema
from .connection import store_errors
from .store import Store


def put_account(store: Store, name: str, worker: str, content: dict[str, Any]) -> None:
    """Write what a worker has booked under a name, in the place of what it had.

    Raises:
        StoreError: The database cannot be written.
    """
    table = schema.accounts
    make = postgresql_insert if store.parsed_url.get_backend_name() == "postgresql" else sqlite_insert
    statement = make(table).values(name=name, worker=worker, content=schema.dump(content))
    statement = statement.on_conflict_do_update(
        index_elements=[table.c.name, table.c.worker], set_={"content": statement.excluded.content}
    )
    with store_errors(store.parsed_url), store.write_lock, store.writer.begin() as connection:
        connection.execute(statement)


def accounts(store: Store, name: str) -> dict[str, dict[str, Any]]:
    """Worker to what it has booked under a name.

    Raises:
        StoreError: The database cannot be read.
    """
    table = schema.accounts
    query = select(table.c.worker, table.c.content).where(table.c.name == name)
    with store_errors(store.parsed_url), store.reading() as connection:
        rows = connection.execute(query).all()
    return {str(row[0]): store.parsed(str(row[1])) for row in rows}

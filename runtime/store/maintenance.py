"""Looking after a store: what is in it, whether it is whole, and making it smaller."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Table, delete, func, select, text, tuple_
from sqlalchemy.exc import SQLAlchemyError

from ...errors import UsageError
from . import schema
from .connection import in_memory, shown, store_errors
from .quick import raw_connection
from .store import Store

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What a store holds.

    Attributes:
        url: The store's URL without its password.
        schema_version: Version of its schema.
        answers: Stored model calls.
        answers_by_label: The same by model.
        executions: Stored sandbox runs.
        runs: Runs in the ledger.
        attempts: Attempts in the ledger.
        programs: Different programs in the ledger.
        size_bytes: Size of the database; None where it cannot be told.
        oldest: When the first answer was made, in seconds since 1970; None without answers.
        newest: When the last one was.
    """

    url: str
    schema_version: int
    answers: int
    answers_by_label: dict[str, int]
    executions: int
    runs: int
    attempts: int
    programs: int
    size_bytes: int | None
    oldest: float | None
    newest: float | None

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON data."""
        return asdict(self)


def stats(store: Store) -> StoreStats:
    """Count what a store holds.

    Raises:
        StoreError: The database cannot be read.
    """
    answers, runs = schema.answers, schema.runs
    with store_errors(store.parsed_url), store.reading() as connection:

        def count(table: Any) -> int:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

        labels = connection.execute(select(answers.c.label, func.count()).group_by(answers.c.label))
        span = connection.execute(select(func.min(answers.c.made_at), func.max(answers.c.made_at))).one()
        programs = connection.execute(select(func.count(func.distinct(runs.c.program)))).scalar_one()
        return StoreStats(
            url=shown(store.parsed_url),
            schema_version=schema.VERSION,
            answers=count(answers),
            answers_by_label={str(label): int(n) for label, n in labels},
            executions=count(schema.executions),
            runs=count(runs),
            attempts=count(schema.attempts),
            programs=int(programs),
            size_bytes=_size(store),
            oldest=span[0],
            newest=span[1],
        )


def check(store: Store) -> list[str]:
    """Look for damage.

    Returns:
        One line for each problem; an empty list where the store is whole.
    """
    problems: list[str] = []
    try:
        if store.parsed_url.get_backend_name() == "sqlite":
            with store.reading() as connection:
                found = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check(20)"))]
            problems += [f"the file: {line}" for line in found if line != "ok"]
        for table, *names in (
            (schema.answers, "key"),
            (schema.executions, "key"),
            (schema.runs, "identity"),
            (schema.attempts, "run_id", "number"),
            (schema.accounts, "name", "worker"),
        ):
            problems += _unreadable(store, table, names)
        with store.reading() as connection:
            known = select(schema.runs.c.id)
            orphans = select(func.count()).where(schema.attempts.c.run_id.not_in(known))
            if lost := connection.execute(orphans).scalar_one():
                problems.append(f"{lost} attempts belong to no run")
    except SQLAlchemyError as error:
        problems.append(f"the database cannot be read on: {' '.join(str(error).split())[:160]}")
    return problems


def prune(
    store: Store,
    *,
    label: str | None = None,
    older_than_days: float | None = None,
    executions: bool = False,
    program: str | None = None,
) -> int:
    """Take out stored answers (and more where asked for), and give the space back.

    What was taken out is paid for again when it is needed. The ledger stays, except for a named program.

    Args:
        label: Only answers of this model.
        older_than_days: Only what is older.
        executions: Take out stored executions too (by age).
        program: Take this program's runs and attempts out of the ledger.

    Returns:
        Rows taken out.

    Raises:
        UsageError: Nothing was selected: pruning everything means starting another store.
        StoreError: The database cannot be written.
    """
    if label is None and older_than_days is None and program is None:
        raise UsageError("say what to prune: a model, an age in days, or a program")
    taken = 0
    with store_errors(store.parsed_url), store.write_lock:
        with store.writer.begin() as connection:
            before = time.time() - older_than_days * 86400 if older_than_days is not None else None
            if label is not None or before is not None:
                query = delete(schema.answers)
                if label is not None:
                    query = query.where(schema.answers.c.label == label)
                if before is not None:
                    query = query.where(schema.answers.c.made_at < before)
                taken += connection.execute(query).rowcount
            if executions and before is not None:
                old = delete(schema.executions).where(schema.executions.c.made_at < before)
                taken += connection.execute(old).rowcount
            if program is not None:
                runs = schema.runs
                chosen = select(runs.c.id).where(runs.c.program == program)
                connection.execute(delete(schema.attempts).where(schema.attempts.c.run_id.in_(chosen)))
                taken += connection.execute(delete(runs).where(runs.c.program == program)).rowcount
        if store.parsed_url.get_backend_name() == "sqlite":
            with raw_connection(store.engine) as raw:  # VACUUM runs outside any transaction
                raw.cursor().execute("VACUUM")
    return taken


def _unreadable(store: Store, table: Table, names: list[str]) -> list[str]:
    """Entries whose JSON is damaged, looked through in pages in the order of these columns, which tell them apart."""
    lines: list[str] = []
    keys = [table.c[name] for name in names]
    query = select(*keys, table.c.content).order_by(*keys).limit(_PAGE)
    page = query
    while True:
        with store.reading() as connection:
            rows = connection.execute(page).all()
        for *found, content in rows:
            try:
                json.loads(content)
            except ValueError:
                lines.append(f"{table.name}: the entry {' '.join(map(str, found))} is damaged")
        if len(rows) < _PAGE:
            return lines
        page = query.where(tuple_(*keys) > tuple_(*rows[-1][:-1]))


def _size(store: Store) -> int | None:
    url = store.parsed_url
    if url.get_backend_name() == "postgresql":
        with store.reading() as connection:
            return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    if in_memory(url):
        return None
    path = str(url.database)
    return sum(os.path.getsize(path + end) for end in ("", "-wal") if os.path.exists(path + end))

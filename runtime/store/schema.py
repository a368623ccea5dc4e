"""The tables, the version that they have, and how an older version becomes this one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    select,
    text,
    update,
)

VERSION = 3
"""Version of the schema: written into every database, checked on opening."""

metadata = MetaData()

about = Table(
    "greenloop_about",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

answers = Table(
    "greenloop_answers",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("made_at", Float, nullable=False),
    Column("content", Text, nullable=False),
    Column("label", Text, nullable=False, server_default=""),
)

claims = Table(
    "greenloop_claims",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("beat", Integer, nullable=False),
)

accounts = Table(
    "greenloop_accounts",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("worker", String(40), primary_key=True),
    Column("content", Text, nullable=False),
)

executions = Table(
    "greenloop_executions",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("made_at", Float, nullable=False),
    Column("content", Text, nullable=False),
)

runs = Table(
    "greenloop_runs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("identity", String(64), nullable=False, unique=True),
    Column("program", Text, nullable=False, server_default=""),
    Column("task_id", Text, nullable=False, server_default=""),
    Column("task_digest", Text, nullable=False, server_default=""),
    Column("replicate", Integer, nullable=False, server_default="0"),
    Column("steering", String(20), nullable=False, server_default=""),
    Column("seed", BigInteger, nullable=False, server_default="0"),
    Column("made_at", Float, nullable=False),
    Column("content", Text, nullable=False),
    Index("greenloop_runs_by_program", "program", "task_id"),
)

attempts = Table(
    "greenloop_attempts",
    metadata,
    Column("run_id", Integer, ForeignKey("greenloop_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", Text, nullable=False),
)

RUN_COLUMNS: dict[str, Any] = {
    "program": "",
    "task_id": "",
    "task_digest": "",
    "replicate": 0,
    "steering": "",
    "seed": 0,
}
"""What tells one run from another, with what stands for a missing one; `runs(**filter)` selects on these
columns."""


def run_identity(row: dict[str, Any]) -> str:
    """Content address of a run: its columns, the digests of its "models", and its "conditions" where it has any."""
    parts = [row.get(name, empty) for name, empty in RUN_COLUMNS.items()]
    parts.append(row.get("models") or {})
    if row.get("conditions"):
        parts.append(row["conditions"])
    return hashlib.sha256(dump(parts).encode()).hexdigest()


def dump(data: Any) -> str:
    """JSON in its shortest form, keys in order; a lone surrogate, which no database takes, as its escape."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def migrate(connection: Connection, found: int) -> None:
    """Bring a database of version `found` to `VERSION`, inside the caller's transaction."""
    for version in range(found, VERSION):
        _STEPS[version](connection)
    connection.execute(update(about).where(about.c.name == "version").values(value=str(VERSION)))


def _from_1_to_2(connection: Connection) -> None:
    """Answers got a label, runs the task's digest; the table of claims is new (and made by `create_all`)."""
    for statement in (
        "ALTER TABLE greenloop_answers ADD COLUMN label TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE greenloop_runs RENAME COLUMN task TO task_id",
        "ALTER TABLE greenloop_runs ADD COLUMN task_digest TEXT NOT NULL DEFAULT ''",
    ):
        connection.execute(text(statement))
    for run_id, content in connection.execute(select(runs.c.id, runs.c.content)).all():
        row = json.loads(content)
        row.setdefault("task_id", row.get("task", ""))
        known = {
            "identity": run_identity(row),
            "task_digest": row.get("task_digest", ""),
            "content": dump(row),
        }
        connection.execute(update(runs).where(runs.c.id == run_id).values(**known))


def _from_2_to_3(connection: Connection) -> None:
    """The table of accounts is new (and made by `create_all`)."""


_STEPS = {1: _from_1_to_2, 2: _from_2_to_3}

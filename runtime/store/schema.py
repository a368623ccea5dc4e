"""The tables, and the version that they have."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

VERSION = 1
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
    Column("program", Text, nullable=False, default=""),
    Column("task", Text, nullable=False, default=""),
    Column("replicate", Integer, nullable=False, default=0),
    Column("steering", String(20), nullable=False, default=""),
    Column("seed", Integer, nullable=False, default=0),
    Column("made_at", Float, nullable=False),
    Column("content", Text, nullable=False),
    Index("greenloop_runs_by_program", "program", "task"),
)

attempts = Table(
    "greenloop_attempts",
    metadata,
    Column("run_id", Integer, ForeignKey("greenloop_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", Text, nullable=False),
)

RUN_IDENTITY = ("program", "task", "replicate", "steering", "seed")
"""What tells one run from another in the ledger; each is a column that `runs(**filter)` can select on."""

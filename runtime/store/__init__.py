"""One database for stored answers, executions and the ledger: SQLite, or PostgreSQL for several machines."""

from .store import Store, StoredAnswer, open_store

__all__ = ["Store", "StoredAnswer", "open_store"]

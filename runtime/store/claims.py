"""One key is computed by one process at a time: a claim stands in the database while it is worked on.

A claim's holder lets its `beat` advance every few seconds. Who waits for the claim watches the beat by a
clock of their own (clocks of two machines need not agree) and takes a claim over that stood still, or at
once where its process is known to be dead. So a killed process blocks nobody.
"""

from __future__ import annotations

import os
import platform
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, TypeVar

from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from . import schema

T = TypeVar("T")

BEAT_S = 4.0
STALE_S = 15.0
_POLL_S = (0.02, 0.5)
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Claims:
    """The claims of one process on keys of one database.

    Args:
        writer: Connections for writing.
        insert_first: Inserts a row unless its key is there; True where it did.
        write_lock: Held around each write.
    """

    def __init__(
        self,
        writer: Engine,
        insert_first: Callable[..., bool],
        write_lock: AbstractContextManager[Any],
    ) -> None:
        self._writer = writer
        self._insert_first = insert_first
        self._write_lock = write_lock
        self.owner = process_name()
        self._held: set[str] = set()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._beater: threading.Thread | None = None

    def acquire(self, key: str, answered: Callable[[], T | None]) -> T | None:
        """Claim `key`, or wait until somebody else has answered it.

        Args:
            key: What to claim.
            answered: The stored answer, None while there is none.

        Returns:
            None where the claim is ours now, else the answer.
        """
        pause, least_pause = _POLL_S[0], _POLL_S[1]
        seen: tuple[str, int] | None = None
        since = time.monotonic()
        while True:
            if self._insert_first(schema.claims, {"key": key, "owner": self.owner, "beat": 0}):
                self._hold(key)
                try:
                    if (answer := answered()) is not None:  # it came between our look and our claim
                        self.release(key)
                except BaseException:
                    self.forget(key)
                    raise
                return answer
            if (answer := answered()) is not None:
                return answer
            found = self.look(key)
            if found != seen:
                seen, since = found, time.monotonic()
            elif found and (time.monotonic() - since > STALE_S or is_dead(found[0])):
                self._take_away(key, *found)
                continue
            time.sleep(pause)
            pause = min(pause * 1.5, least_pause)

    def take(self, key: str) -> bool:
        """Claim `key` unless it is claimed already; a claim of a process that is known to be dead is taken over."""
        row = {"key": key, "owner": self.owner, "beat": 0}
        taken = self._insert_first(schema.claims, row)
        if not taken and (found := self.look(key)) and is_dead(found[0]):
            self._take_away(key, *found)
            taken = self._insert_first(schema.claims, row)
        if taken:
            self._hold(key)
        return taken

    def release(self, key: str) -> None:
        """Give a claim up: its answer is stored, or there will be none."""
        self.forget(key)
        table = schema.claims
        with self._write_lock, self._writer.begin() as connection:
            connection.execute(delete(table).where(table.c.key == key, table.c.owner == self.owner))

    def forget(self, key: str) -> None:
        """Let the claim's beat stop: whether it was released or not, it blocks nobody for long."""
        with self._lock:
            self._held.discard(key)

    def close(self) -> None:
        """Stop the beat; claims still held go stale."""
        self._ended.set()

    def look(self, key: str) -> tuple[str, int] | None:
        """Owner and beat of the claim on `key`, if there is one."""
        table = schema.claims
        with self._writer.connect() as connection:
            query = select(table.c.owner, table.c.beat).where(table.c.key == key)
            row = connection.execute(query).first()
        return (row[0], row[1]) if row else None

    def _take_away(self, key: str, owner: str, beat: int) -> None:
        table = schema.claims
        stale = (table.c.key == key) & (table.c.owner == owner) & (table.c.beat == beat)
        with self._write_lock, self._writer.begin() as connection:
            connection.execute(delete(table).where(stale))

    def _hold(self, key: str) -> None:
        with self._lock:
            self._held.add(key)
            if self._beater is None:
                self._beater = threading.Thread(target=self._beat, name="greenloop-claims", daemon=True)
                self._beater.start()

    def _beat(self) -> None:
        table = schema.claims
        while not self._ended.wait(BEAT_S):
            with self._lock:
                held = list(self._held)
            for start in range(0, len(held), 500):
                mine = (table.c.owner == self.owner) & table.c.key.in_(held[start : start + 500])
                # A database that is away for a moment costs a beat, not the thread that beats.
                with suppress(SQLAlchemyError), self._write_lock, self._writer.begin() as connection:
                    connection.execute(update(table).where(mine).values(beat=table.c.beat + 1))


def process_name(pid: int | None = None) -> str:
    """A name for this process that tells, on the same machine, whether it still lives."""
    pid = os.getpid() if pid is None else pid
    return f"{_machine()}|{pid}|{_started(pid)}|{uuid.uuid4().hex[:8]}"


def is_dead(owner: str) -> bool:
    """Whether the named process is known to have ended; False where that cannot be told."""
    machine, pid, started, _ = owner.split("|")
    return machine == _machine() and started != "" and _started(int(pid)) != started


def _machine() -> str:
    """This machine, since it was started, and process namespace; processes of another cannot be looked up here.

    Clones of a machine share its name, and the namespace of what runs in no container is the same number everywhere.
    """
    started, namespace = "", 0
    with suppress(OSError), open(_BOOT_ID, encoding="ascii") as file:
        started = file.read().strip()
    with suppress(OSError):
        namespace = os.stat("/proc/self/ns/pid").st_ino
    return f"{platform.node()}:{started}:{namespace}".replace("|", "_")


def _started(pid: int) -> str:
    """When a process was started, as the kernel counts; empty where it is gone or there is no /proc."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return "" if os.path.isdir("/proc/self") is False else "gone"
    return "gone" if fields[0] in (b"Z", b"X") else fields[19].decode()

"""The workers of one study: who does what, whose work is taken over, and what all have paid together."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from ..errors import BudgetExhausted
from ..runtime.budget import Budget, Meter, Usage
from ..runtime.store import Store
from ..runtime.store.accounts import accounts, put_account
from ..runtime.store.claims import STALE_S, is_dead
from ..runtime.store.connection import store_errors

_SHARE = 0.05
"""Part of a budget that a worker is granted at a time, so that it need not ask before every call."""


class Crew:
    """One worker of a study, among others that may join: threads, processes, machines on one database.

    What only one may do at a time is claimed in the store, by a name that says of what it is a part: two tunings that
    share a study (one trainset, other validation tasks, so accounts of their own) see each other's trials as held.
    A claim's holder beats every few seconds; a claim that stood still for `STALE_S` seconds, or whose process is known
    to be dead, is anybody's. A store in memory has one worker.

    Args:
        store: The store of the study.
        study: Whose accounts the worker keeps: the name of the whole tuning.

    Attributes:
        worker: This worker's name.
    """

    def __init__(self, store: Store, study: str) -> None:
        self.store, self.study = store, study
        self.worker = uuid.uuid4().hex[:12]
        self._seen: dict[str, tuple[tuple[str, int], float]] = {}

    @contextmanager
    def present(self) -> Generator[None, None, None]:
        """Be known as a living worker inside the block."""
        self.hold(self.worker)
        try:
            yield
        finally:
            self.drop(self.worker)

    @contextmanager
    def alone(self, part: str) -> Generator[None, None, None]:
        """Do something that only one worker may do at a time; waits while another living one does."""
        self.hold(part)
        try:
            yield
        finally:
            self.drop(part)

    def hold(self, part: str) -> None:
        """Claim a part of the study; waits while another living worker holds it."""
        if self.store.claims is not None:
            with store_errors(self.store.parsed_url):
                self.store.claims.acquire(self._key(part), lambda: None)

    def drop(self, part: str) -> None:
        """Give a claimed part back."""
        if self.store.claims is not None:
            with store_errors(self.store.parsed_url):
                self.store.claims.release(self._key(part))

    def is_held(self, part: str) -> bool:
        """Whether a worker that lives, as far as can be told, holds this part."""
        if self.store.claims is None:
            return False
        key = self._key(part)
        with store_errors(self.store.parsed_url):
            found = self.store.claims.look(key)
        if found is None or is_dead(found[0]):
            self._seen.pop(key, None)
            return False
        before = self._seen.get(key)
        if before is None or before[0] != found:
            self._seen[key] = (found, time.monotonic())
            return True
        return time.monotonic() - before[1] <= STALE_S

    def _key(self, part: str) -> str:
        return hashlib.sha256(part.encode()).hexdigest()


class SharedMeter(Meter):
    """The account of one worker, under a budget that all workers of the study share.

    Each worker's payments stand in the store, one row a worker, and are added up. A worker may spend what it was
    granted; grants are made one at a time and never add up to more than the budget, so that it is kept whoever
    joins. What a worker that ended or died was granted and did not pay is free again.

    Args:
        budget: What all may pay together.
        crew: This worker.
    """

    def __init__(self, budget: Budget, crew: Crew) -> None:
        super().__init__(budget)
        self._crew = crew
        self._granted = _Grant()
        self._elsewhere = Usage()
        self._booking = threading.Lock()
        self.refresh()

    @property
    def paid(self) -> Usage:
        """What all workers paid, as far as they have booked it."""
        return self._elsewhere + self._paid

    @property
    def own(self) -> Usage:
        """What this worker paid."""
        return self._paid

    @contextmanager
    def reserve(self, tokens: int) -> Generator[Any, None, None]:
        """See `Meter.reserve`; what was paid is in the store before anything else is done with the answer, or with the
        outage that the call ended in."""
        try:
            with super().reserve(tokens) as settle:
                yield settle
        finally:
            if self._crew.store.claims is not None:  # nobody else reads a store in memory
                self.book()

    def refresh(self) -> None:
        """See what the others have paid."""
        others = (
            _paid(content) for worker, content in self._accounts().items() if worker != self._crew.worker
        )
        self._elsewhere = sum(others, Usage())

    def book(self) -> None:
        """Write this worker's payments into the store, and see what the others have paid."""
        with self._booking:
            self._write()
            self.refresh()

    def yield_grant(self) -> None:
        """Leave to the others what was granted and is not needed by calls under way: before waiting for them."""
        with self._lock:
            paid = self._paid
            self._granted = _Grant(paid.tokens + self._reserved_tokens, paid.calls + self._reserved_calls)
            self._write()

    def _fits(self, tokens: int) -> bool:
        if not super()._fits(tokens):
            return False
        needs = _Grant(
            self._paid.tokens + self._reserved_tokens + tokens, self._paid.calls + self._reserved_calls + 1
        )
        if not self._granted.covers(needs, self.budget):
            with self._crew.alone(f"{self._crew.study}|budget"):
                self._ask_for(needs)
        return True

    def _ask_for(self, needs: _Grant) -> None:
        taken = _Grant()
        # Who lives is asked first: what a worker had booked when it was gone is all that it ever will have.
        living = {worker for worker in self._accounts() if self._crew.is_held(worker)}
        for worker, content in self._accounts().items():
            if worker != self._crew.worker:
                paid = _paid(content)
                taken += _Grant(paid.tokens, paid.calls)
                if worker in living:
                    granted = _Grant(**content.get("granted", {}))
                    taken += _Grant(max(0, granted.tokens - paid.tokens), max(0, granted.calls - paid.calls))
        budget = self.budget
        tokens = _granted(budget.tokens, taken.tokens, needs.tokens, "tokens")
        self._granted = _Grant(tokens, _granted(budget.calls, taken.calls, needs.calls, "calls"))
        self._write()

    def _accounts(self) -> dict[str, dict[str, Any]]:
        return accounts(self._crew.store, self._crew.study)

    def _write(self) -> None:
        content = {"paid": self._paid.to_json(), "granted": self._granted.to_json()}
        put_account(self._crew.store, self._crew.study, self._crew.worker, content)


class _Grant:
    """How many tokens and calls a worker may have paid in all."""

    def __init__(self, tokens: int = 0, calls: int = 0) -> None:
        self.tokens, self.calls = tokens, calls

    def __add__(self, other: _Grant) -> _Grant:
        return _Grant(self.tokens + other.tokens, self.calls + other.calls)

    def covers(self, needs: _Grant, budget: Budget) -> bool:
        """Whether what is needed was granted, of everything that the budget limits."""
        tokens = budget.tokens is None or needs.tokens <= min(self.tokens, budget.tokens)
        return tokens and (budget.calls is None or needs.calls <= min(self.calls, budget.calls))

    def to_json(self) -> dict[str, int]:
        """The grant as plain data."""
        return {"tokens": self.tokens, "calls": self.calls}


def _granted(limit: int | None, taken: int, needed: int, what: str) -> int:
    """What is granted in all: what is needed and some more, within what the others leave."""
    if limit is None:
        return 0
    left = limit - taken
    if needed > left:
        raise BudgetExhausted(f"the budget of {limit:,.10g} {what} is spent, or reserved by other workers")
    return min(left, max(needed, needed + int(limit * _SHARE)))


def _paid(content: dict[str, Any]) -> Usage:
    return Usage(**content.get("paid", {}))

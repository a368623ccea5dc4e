"""Accounts that count a stored call as paid when a search first needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from .budget import Budget, Meter, Usage
from .run import CallRecord


class ReplayMeter(Meter):
    """Accounts of a search that count a stored call as paid when the search first needs it.

    So a run that is resumed, or repeated, ends where it would have ended without the store; and what another search has
    left in the store gives this one no further budget: every search pays for its own calls.

    Args:
        budget: What may be paid.

    Example:
        >>> meter = ReplayMeter(Budget(calls=1))
        >>> meter.booked(CallRecord("key", "model", "digest", 0, Usage(calls=1), cached=True))
        >>> meter.exhausted()
        'the budget of 1 calls is spent'
    """

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self._own = threading.Lock()
        self._made: set[str] = set()
        self._replayed: set[str] = set()

    def booked(self, call: CallRecord) -> None:
        """Take a call into account; to be one of the session's `on_call`."""
        with self._own:
            known = call.key in self._made or call.key in self._replayed
            if call.cached and not known:
                self._replayed.add(call.key)
                self._change(call.usage)
            elif not call.cached:
                self._made.add(call.key)
                if call.key in self._replayed:  # a twin of it that waited for this answer was faster here
                    self._replayed.discard(call.key)
                    u = call.usage
                    self._change(Usage(-u.calls, -u.tokens_in, -u.tokens_out, -u.model_seconds))

    def keys(self) -> frozenset[str]:
        """The calls that were taken into account so far."""
        with self._own:
            return frozenset(self._made | self._replayed)

    def took(self, keys: Iterable[str], paid: Usage) -> None:
        """Take calls of an earlier run into account, with what they cost together."""
        with self._own:
            self._made |= set(keys)
        self._change(paid)

    def _change(self, by: Usage) -> None:
        with self._lock:
            self._paid += by

"""How many calls a server really serves at once, learned from its throughput: nobody publishes it."""

from __future__ import annotations

import threading

_CALLS_PER_SLOT = 3
_GAIN = 1.10
"""A level of concurrency is worth keeping where it brings a tenth more tokens a second than half of it."""


class SlotLearner:
    """Tries levels of concurrency, doubling or halving while throughput grows, and settles on the best.

    Only times at which calls were waiting count: otherwise throughput says how much was asked, not how much
    the server can do.

    Args:
        start: Calls in flight at first.
        most: Never more than so many.

    Attributes:
        slots: Calls to have in flight now.
        settled: Whether the best level was found.
    """

    def __init__(self, start: int, most: int = 32) -> None:
        self.slots = start
        self.settled = False
        self._most = most
        self._rates: dict[int, float] = {}
        self._lock = threading.Lock()
        self._begin()

    def finished(self, tokens: int, now: float, saturated: bool) -> int:
        """Take a finished call in.

        Args:
            tokens: Answer tokens of the call.
            now: Monotonic seconds.
            saturated: Whether other calls were waiting for a slot.

        Returns:
            Calls to have in flight from now on.
        """
        with self._lock:
            if self.settled:
                return self.slots
            if not saturated:
                self._begin()
                return self.slots
            if self._since is None:
                self._since = now
                return self.slots
            self._tokens += tokens
            self._calls += 1
            if self._calls >= _CALLS_PER_SLOT * self.slots and now > self._since:
                self._rates[self.slots] = self._tokens / (now - self._since)
                self._choose()
                self._begin()
            return self.slots

    def _begin(self) -> None:
        self._since: float | None = None
        self._tokens = 0
        self._calls = 0

    def _choose(self) -> None:
        """The next level to try, or the best one for good."""
        here, rates = self.slots, self._rates
        best = max(rates, key=lambda level: (rates[level], -level))
        worth = min(level for level in rates if rates[level] * _GAIN >= rates[best])
        above, below = here * 2, here // 2
        if worth == here and above <= self._most and above not in rates:
            self.slots = above
        elif below >= 1 and below not in rates and worth <= here and not (above in rates and worth > below):
            self.slots = below
        else:
            below_best = worth // 2
            if below_best >= 1 and below_best not in rates:
                self.slots = below_best
            else:
                self.slots, self.settled = worth, True

"""Waiting out an outage: retry with growing pauses inside a time budget, then give up with one clear line."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from ..errors import ModelTimeout, ModelUnavailable
from .backends.failures import Refused

T = TypeVar("T")

_PAUSE_S = (0.1, 5.0)


class Patience:
    """The outages of one endpoint, shared by all calls to it.

    The time budget belongs to the outage, not to each call: calls that queue behind a dead server do not wait
    `retry_s` each, one after another. An outage ends with the first call that succeeds, or when nobody tried
    for as long as `retry_s`. A call that fails on its own while others succeed has the same time from its first
    failure on, so that none is tried for ever. One that was begun before the outage was `retry_s` old is tried at
    least twice: its failure may be the same hiccup as the others', noticed later.

    Args:
        sleep: Waits; injected by tests.
        clock: Monotonic seconds; injected by tests.
    """

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._away_since: float | None = None
        self._last_failure = 0.0

    def call(self, work: Callable[[], T], retry_s: float) -> T:
        """Do `work`; where the model is away or too slow, do it again while the outage is younger than
        `retry_s`.

        Raises:
            ModelUnavailable: The outage outlasted `retry_s`, or the server refuses for good.
            ModelTimeout: The same for calls that took too long.
        """
        pause = _PAUSE_S[0]
        failing_since: float | None = None
        while True:
            began = self._clock()
            try:
                done = work()
            except Refused:
                raise
            except (ModelUnavailable, ModelTimeout):
                failed = self._clock()
                outage_s = self._outage_s(began, failed, retry_s)
                if failing_since is None:
                    failing_since = failed
                    lasted_s = max(0.0, outage_s - (failed - began))  # when this call was begun
                else:
                    lasted_s = max(outage_s, failed - failing_since)
                if lasted_s >= retry_s:
                    raise
                self._sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, _PAUSE_S[1])
            else:
                with self._lock:
                    self._away_since = None
                return done

    def _outage_s(self, began: float, failed: float, retry_s: float) -> float:
        """Note a try that failed, and how long the outage lasts by now, in seconds."""
        with self._lock:
            untried_s = began - self._last_failure
            if self._away_since is None or untried_s > max(retry_s, 2 * _PAUSE_S[1]):
                self._away_since = failed
            self._last_failure = failed
            return failed - self._away_since

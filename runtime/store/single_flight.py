"""One key is worked on by one thread at a time; the others wait for what it brings."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager


class SingleFlight:
    """Locks by key, kept only while somebody holds or waits for them.

    Example:
        >>> flight = SingleFlight()
        >>> with flight.alone("key"):
        ...     len(flight)
        1
        >>> len(flight)
        0
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, tuple[threading.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    @contextmanager
    def alone(self, key: str) -> Generator[None]:
        """Hold `key` inside the block; wait while another thread does."""
        with self._lock:
            lock, users = self._keys.get(key, (threading.Lock(), 0))
            self._keys[key] = (lock, users + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, users = self._keys[key]
                if users == 1:
                    del self._keys[key]
                else:
                    self._keys[key] = (lock, users - 1)

"""How many calls an endpoint gets at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_queues: dict[str, EndpointQueue] = {}
_lock = threading.Lock()


class EndpointQueue:
    """Lets as many calls through as the endpoint serves at once; the others wait in order of arrival.

    Args:
        slots: Calls in flight at most.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._free = threading.Semaphore(slots)

    @contextmanager
    def turn(self, model: str) -> Iterator[None]:
        """Wait for a slot, hold it inside the block.

        Args:
            model: The model that the call needs loaded.
        """
        with self._free:
            yield


def queue_for(endpoint: str, slots: int) -> EndpointQueue:
    """The process's one queue for an endpoint; made with `slots` on first use."""
    with _lock:
        if endpoint not in _queues:
            _queues[endpoint] = EndpointQueue(slots)
        return _queues[endpoint]

"""The order in which calls reach an endpoint: as many at once as it serves, and few changes of model.

Where models do not fit into memory together, a server unloads one to load the other, which takes longer than
many calls. Calls for the model that is loaded go first, until the call that waits longest has waited its
due; then its model has its turn. With models that fit together, calls go in order of arrival.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .patience import Patience
from .slot_learning import SlotLearner

LONGEST_WAIT_S = 120.0
"""A call for another model than the one loaded is let through at the latest after so many seconds."""

_queues: dict[str, EndpointQueue] = {}
_lock = threading.Lock()


@dataclass(eq=False, slots=True)
class _Waiting:
    model: str
    exclusive: bool
    since: float
    go: threading.Event = field(default_factory=threading.Event)


class EndpointQueue:
    """Lets calls through to one endpoint.

    Attributes:
        slots: Calls in flight at most.
        swaps: How often an exclusive model took another one's place.
        patience: The endpoint's outages.
        learner: Learns the number of slots from throughput; None where the endpoint publishes it.

    Args:
        slots: Calls in flight at most.
        longest_wait_s: See `LONGEST_WAIT_S`.
        clock: Monotonic seconds; injected by tests.
    """

    def __init__(
        self,
        slots: int,
        longest_wait_s: float = LONGEST_WAIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.slots = slots
        self.swaps = 0
        self.patience = Patience()
        self.learner: SlotLearner | None = None
        self._longest_wait_s = longest_wait_s
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._running: dict[str, int] = {}
        self._loaded: tuple[str, bool] | None = None

    def __len__(self) -> int:
        """Calls that wait for a slot."""
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        """Calls that hold a slot now."""
        return sum(self._running.values())

    def learn(self, tokens: int) -> None:
        """Take a finished call's answer tokens into what is learned of the endpoint, where it is learned."""
        if self.learner is not None and not self.learner.settled:
            slots = self.learner.finished(tokens, self._clock(), saturated=bool(self._waiting))
            if slots != self.slots:
                self.resize(slots)

    def resize(self, slots: int) -> None:
        """Let another number of calls through from now on."""
        with self._lock:
            self.slots = max(1, slots)
            self._let_through()

    @contextmanager
    def turn(self, model: str, exclusive: bool = False) -> Generator[None]:
        """Wait for a slot, hold it inside the block.

        Args:
            model: The model that the call needs loaded.
            exclusive: It does not fit beside other exclusive models.
        """
        place = _Waiting(model, exclusive, self._clock())
        with self._lock:
            self._waiting.append(place)
            self._let_through()
        try:
            place.go.wait()
            yield
        finally:
            with self._lock:
                if place.go.is_set():
                    self._running[model] -= 1
                    if not self._running[model]:
                        del self._running[model]
                else:  # interrupted while waiting
                    self._waiting.remove(place)
                self._let_through()

    def _let_through(self) -> None:
        while self._waiting and self.in_flight < self.slots:
            chosen = self._next()
            if chosen is None:
                return
            self._waiting.remove(chosen)
            self._running[chosen.model] = self._running.get(chosen.model, 0) + 1
            if chosen.exclusive:
                if self._loaded is not None and self._loaded[0] != chosen.model:
                    self.swaps += 1
                self._loaded = (chosen.model, True)
            chosen.go.set()

    def _next(self) -> _Waiting | None:
        """The call to let through now; None where the one whose turn it is must wait for another model's
        end."""
        first = self._waiting[0]
        loaded = self._loaded[0] if self._loaded is not None else None
        if not first.exclusive or first.model == loaded:
            return first
        overdue = self._clock() - first.since > self._longest_wait_s
        if not overdue:
            for place in self._waiting:
                if not place.exclusive or place.model == loaded:
                    return place
        others = any(model != first.model for model in self._running)
        return None if others else first


def queue_for(endpoint: str, slots: int, learns: bool = False) -> EndpointQueue:
    """The process's one queue for an endpoint, made on first use.

    Args:
        endpoint: The server.
        slots: Calls in flight at most, or at first.
        learns: Nobody says how many calls the endpoint serves at once: learn it.
    """
    with _lock:
        if endpoint not in _queues:
            _queues[endpoint] = EndpointQueue(slots)
            _queues[endpoint].learner = SlotLearner(slots) if learns else None
        return _queues[endpoint]


def swaps() -> int:
    """Changes of model that this process caused so far, over all endpoints."""
    with _lock:
        return sum(queue.swaps for queue in _queues.values())

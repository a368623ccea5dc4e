"""The order in which calls reach an endpoint: as many at once as it serves, and few changes of model.

Where models do not fit into memory together, a server unloads one to load the other, which takes longer than
many calls. Calls for a model that is loaded go first, until the call that waits longest has waited its due;
then its model has its turn. With models that fit together, calls go in order of arrival. One model under two
loading options (a context of another size) is loaded anew for each: that counts as a change of model too.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..errors import GreenloopWarning
from .patience import Patience
from .slot_learning import SlotLearner

if TYPE_CHECKING:
    from .backends.base import Backend

LONGEST_WAIT_S = 120.0
"""A call for another model than the one loaded is let through at the latest after so many seconds."""

_queues: dict[str, EndpointQueue] = {}
_refused: set[tuple[str, int | None]] = set()
_lock = threading.Lock()


class _Loaded(NamedTuple):
    """A model as a server has it in memory."""

    model: str
    loading: str


@dataclass(eq=False, slots=True)
class _Waiting:
    model: _Loaded
    exclusive: bool
    alone: bool
    since: float
    swaps: bool = False
    go: threading.Event = field(default_factory=threading.Event)


class EndpointQueue:
    """Lets calls through to one endpoint.

    Attributes:
        slots: Calls in flight at most.
        swaps: How often a call's model took the place of another one that does not fit beside it.
        patience: The outages of its models.
        look_ups: The outages of all else that is asked of it, such as digests: it may answer those while calls fail.
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
        self.look_ups = Patience()
        self.learner: SlotLearner | None = None
        self._longest_wait_s = longest_wait_s
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._running: dict[_Loaded, int] = {}
        self._alone = False
        self._loaded: dict[_Loaded, bool] = {}
        self._apart: set[frozenset[str]] = set()

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

    def keep_apart(self, one: str, other: str) -> None:
        """Take in that two models do not fit together: one of them was seen to push the other out."""
        with self._lock:
            self._apart.add(frozenset((one, other)))

    @contextmanager
    def turn(
        self, model: str, exclusive: bool = False, alone: bool = False, loading: str = ""
    ) -> Generator[bool]:
        """Wait for a slot, hold it inside the block.

        Args:
            model: The model that the call needs loaded.
            exclusive: It was declared not to fit beside other exclusive models.
            alone: No other call may be in flight beside it.
            loading: The options that it must be loaded with, where the server loads it anew for others.

        Yields:
            Whether the call makes the endpoint change models.
        """
        needed = _Loaded(model, loading)
        place = _Waiting(needed, exclusive, alone, self._clock())
        with self._lock:
            self._waiting.append(place)
            self._let_through()
        try:
            place.go.wait()
            yield place.swaps
        finally:
            with self._lock:
                if place.go.is_set():
                    self._alone = False
                    self._running[needed] -= 1
                    if not self._running[needed]:
                        del self._running[needed]
                else:  # interrupted while waiting
                    self._waiting.remove(place)
                self._let_through()

    def _let_through(self) -> None:
        while self._waiting and self.in_flight < self.slots and not self._alone:
            chosen = self._next()
            if chosen is None or (chosen.alone and self._running):
                return
            self._waiting.remove(chosen)
            self._alone = chosen.alone
            self._running[chosen.model] = self._running.get(chosen.model, 0) + 1
            if displaced := self._in_its_way(chosen, self._loaded):
                self.swaps += 1
                chosen.swaps = True
                for model in displaced:
                    del self._loaded[model]
            self._loaded[chosen.model] = chosen.exclusive
            chosen.go.set()

    def _next(self) -> _Waiting | None:
        """The call to let through now; None where the one whose turn it is must wait for another model's
        end."""
        first = self._waiting[0]
        if not self._in_its_way(first, self._loaded):
            return first
        overdue = self._clock() - first.since > self._longest_wait_s
        if not overdue:
            for place in self._waiting:
                if not self._in_its_way(place, self._loaded):
                    return place
        return None if self._in_its_way(first, self._running) else first

    def _in_its_way(self, place: _Waiting, models: Mapping[_Loaded, object]) -> list[_Loaded]:
        """Those of `models` that do not fit beside the call's."""
        return [
            other
            for other in models
            if other != place.model
            and (
                other.model == place.model.model
                or (place.exclusive and self._loaded.get(other, False))
                or frozenset((place.model.model, other.model)) in self._apart
            )
        ]


def queue_for(endpoint: str, slots: int, learns: bool = False) -> EndpointQueue:
    """The process's one queue for an endpoint, made on first use.

    Args:
        endpoint: The server.
        slots: Calls in flight at most, or at first.
        learns: Nobody said yet how many calls the endpoint serves at once: learn it. A number that is said later
            takes the place of what was learned.
    """
    with _lock:
        queue = _queues.get(endpoint)
        if queue is None:
            queue = _queues[endpoint] = EndpointQueue(slots)
            queue.learner = SlotLearner(slots) if learns else None
            return queue
    if queue.learner is not None and not learns:
        queue.learner = None
        queue.resize(slots)
    return queue


def queue_of(backend: Backend) -> EndpointQueue:
    """The queue of a backend's endpoint, however its model is asked.

    A deterministic model takes its turns alone, whatever the slots: it says nothing of their number.
    """
    spec = backend.spec
    learns = spec.options.deterministic or bool(getattr(backend, "learns_slots", False))
    queue = queue_for(spec.endpoint, backend.slots, learns)
    named = None if learns else spec.options.slots
    if named not in (None, queue.slots) and (spec.endpoint, named) not in _refused:
        _refused.add((spec.endpoint, named))
        warnings.warn(
            f"{spec.name}: slots={named} does not hold: {queue.slots} were named before for all models of"
            f" {spec.endpoint}",
            GreenloopWarning,
            stacklevel=2,
        )
    return queue


def swaps() -> int:
    """Changes of model that this process caused so far, over all endpoints."""
    with _lock:
        return sum(queue.swaps for queue in _queues.values())

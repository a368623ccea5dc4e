"""The calls of a candidate that are sure to be made, and which of them it was asked for ahead of their turn."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

ENTRY = {"id": 1}
"""How the entry point is asked for: the first object that a candidate gives out."""
WIDEST = 12
"""Bytes of one character in JSON, at most."""
AHEAD_BYTES = 16 << 10
"""Bytes of requests ahead of their turn: less than a connection takes without a reader."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A call that the tests are going to make."""

    function: dict[str, Any]
    a: list[Any]
    k: dict[str, Any]

    @property
    def size(self) -> int:
        """How many bytes it takes on its way, at most."""
        shown = repr((self.a, self.k))
        return len(shown) * (1 if shown.isascii() else WIDEST) + 60


class Plan:
    """Calls in the order in which the tests make them.

    Attributes:
        asked: Those that were sent and not yet answered.
    """

    def __init__(self) -> None:
        self.asked: deque[Planned] = deque()
        self._later: deque[Planned] = deque()

    @property
    def open(self) -> bool:
        """Whether there are calls that the tests did not make yet."""
        return bool(self.asked or self._later)

    def add(self, a: list[Any], k: dict[str, Any]) -> None:
        """Plan one more call of the entry point, with encoded arguments."""
        self._later.append(Planned(ENTRY, a, k))

    def drop(self) -> None:
        """From here on the candidate answers nothing ahead of its turn."""
        self.asked.clear()
        self._later.clear()

    def take(self, behind: int) -> list[dict[str, Any]]:
        """Requests for the next calls; they count as asked.

        The first frame of a write may be of any size: it is read before it is answered. What follows must fit the way
        there unread, or both sides could wait for each other to read.

        Args:
            behind: Frames that the same write begins with.
        """
        requests: list[dict[str, Any]] = []
        room = AHEAD_BYTES
        while self._later:
            if behind or requests:
                room -= self._later[0].size
            if room < 0:
                break
            call = self._later.popleft()
            self.asked.append(call)
            requests.append({"op": "call", "f": call.function, "a": call.a, "k": call.k, "ahead": True})
        return requests

"""What a forked child makes anew: locks, threads and connections of its parent are not its own.

A `ProcessPoolExecutor` forks its workers on Linux up to Python 3.13, whatever its parent did before.
"""

from __future__ import annotations

import os
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol


class Forked(Protocol):
    """Something that can start afresh."""

    def after_fork(self) -> None:
        """Start afresh in a forked child."""
        ...


_known: weakref.WeakSet[Forked] = weakref.WeakSet()


def start_afresh_when_forked(thing: Forked) -> None:
    """Have `after_fork` of a thing called in every forked child, as long as it lives."""
    _known.add(thing)


def _after_fork() -> None:
    for thing in list(_known):
        thing.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Threads(ThreadPoolExecutor):
    """A thread pool that works in a forked child too; a `ThreadPoolExecutor` that was used before waits there for
    threads that only its parent has.

    Args:
        most: Threads at most.
        name: What their names begin with.
    """

    def __init__(self, most: int, name: str) -> None:
        self._made_of = (most, name)
        super().__init__(most, name)
        start_afresh_when_forked(self)

    def after_fork(self) -> None:
        """Start afresh in a forked child: without threads."""
        super().__init__(*self._made_of)

"""Which jobs of a scoring come next: those that another process is at come last."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence

from ..runtime.store.connection import store_errors
from ..runtime.task import Task
from .scored_run import Conditions

Pair = tuple[Task, int]
"""A task and the number of a replicate."""


class SharedJobs:
    """The jobs that are left of one scoring, handed out one at a time.

    The same scoring, begun by several processes on one store, is shared between them: who takes a job claims it, and
    the others leave it for the end, when its answers are stored and cost nothing. Without that they would all wait for
    the same answers, task by task. Claims decide who works on what and when, never what comes out of it; those of a
    process that died are taken over, or stand in nobody's way: at the end everything is run, claimed or not.

    Args:
        how: What all jobs share.
        jobs: The jobs, in order.
        shared: False hands them out as they come, whatever others do.
    """

    def __init__(self, how: Conditions, jobs: Sequence[Pair], *, shared: bool) -> None:
        self._how = how
        self._left, self._later = deque(jobs), deque[Pair]()
        self._claims = how.session.store.claims if shared else None
        self._held: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._left or self._later)

    def next(self) -> Pair:
        """The first job that nobody else is at; the first of all where there is none."""
        while self._left:
            job = self._left.popleft()
            if self._claims is None or self._is_ours(job):
                return job
            self._later.append(job)
        return self._later.popleft()

    def again(self, job: Pair) -> None:
        """Hand a job out once more."""
        self._left.append(job)

    def done(self, job: Pair) -> None:
        """Give up the claim on a job."""
        if key := self._held.pop(self._name(job), None):
            self._release(key)

    def close(self) -> None:
        """Give up all claims."""
        for key in list(self._held.values()):
            self._release(key)
        self._held.clear()

    def _is_ours(self, job: Pair) -> bool:
        assert self._claims is not None
        name = self._name(job)
        key = hashlib.sha256(name.encode()).hexdigest()
        with store_errors(self._how.session.store.parsed_url):
            taken = self._claims.take(key)
        if taken:
            self._held[name] = key
        return taken

    def _release(self, key: str) -> None:
        assert self._claims is not None
        with store_errors(self._how.session.store.parsed_url):
            self._claims.release(key)

    def _name(self, job: Pair) -> str:
        """What two processes with the same (program, task, replicate) at hand call it alike."""
        task, replicate = job
        how = self._how
        return f"run|{how.digest}|{task.task_id}|{task.digest}|{replicate}|{how.steering}|{how.session.seed}"

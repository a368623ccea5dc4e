"""A bounded pool of workers: started when needed, recycled, replaced when they break."""

from __future__ import annotations

import os
import threading
from typing import Any

from ...errors import SandboxError
from ..execution import Limits
from ..forking import start_afresh_when_forked
from .environment import Environment
from .worker import RawRun, Worker

RECYCLE = 500
"""Programs after which a worker is replaced by a fresh one."""
CLOSING_S = 30.0
"""How long a closing pool waits for those who still use a worker to be told that it was killed."""


class Pool:
    """Workers for as many programs at a time as `size`.

    Args:
        environment: What workers run.
        size: Most workers at a time.
    """

    def __init__(self, environment: Environment, size: int) -> None:
        self._environment = environment
        self._size = size
        self._reset()
        start_afresh_when_forked(self)

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._condition = threading.Condition()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._count = 0
        self._closed = False

    def run(self, job: dict[str, Any], limits: Limits) -> RawRun:
        """Run a job on the next free worker; waits while all are busy.

        Raises:
            SandboxError: If the pool is closed, or the worker broke; it is replaced then.
        """
        worker = self._take()
        try:
            raw = worker.run(job, limits)
        except BaseException:
            self._give(worker, broken=True)
            raise
        self._give(worker, broken=worker.runs >= RECYCLE)
        return raw

    def _take(self) -> Worker:
        with self._condition:
            while not self._closed and not self._idle and self._count >= self._size:
                self._condition.wait()
            if self._closed:
                raise SandboxError("the sandbox is closed")
            if self._idle:
                worker = self._idle.pop()
                self._busy.add(worker)
                return worker
            self._count += 1
        try:
            worker = Worker(self._environment)
        except BaseException:
            with self._condition:
                self._count -= 1
                self._condition.notify()
            raise
        with self._condition:
            if not self._closed:
                self._busy.add(worker)
                return worker
        worker.close()
        raise SandboxError("the sandbox is closed")

    def _give(self, worker: Worker, *, broken: bool) -> None:
        with self._condition:
            if not broken and not self._closed:
                self._busy.discard(worker)
                self._idle.append(worker)
                self._condition.notify()
                return
        try:
            worker.close()
        finally:
            with self._condition:
                self._busy.discard(worker)
                self._count -= 1
                self._condition.notify_all()

    def close(self) -> None:
        """End all workers. Those at work are killed; whoever uses one closes it, since two must not at once."""
        with self._condition:
            self._closed = True
            idle, self._idle = self._idle, []
            for worker in self._busy:
                worker.stop()
            self._condition.notify_all()
        for worker in idle:
            worker.close()
        with self._condition:
            self._condition.wait_for(lambda: not self._busy, CLOSING_S)

    def after_fork(self) -> None:
        """In a forked child: the workers are the parent's."""
        for worker in [*self._idle, *self._busy]:
            worker.forget()
        self._reset()

"""Where the jobs of a scoring run: in threads of this process, or handed to other processes and machines.

Threads share the program, the session and its accounts. Any other executor (`ProcessPoolExecutor`, a Dask cluster's
`client.get_executor()`) gets jobs that can be pickled, see `jobs`, and their payments are booked as they come home.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, cast

import dspy

from ..errors import BudgetExhausted, GreenloopError, InfrastructureError, UsageError
from ..runtime.budget import Budget
from ..runtime.store.connection import in_memory
from ..runtime.task import Task
from .jobs import Job, Outcome, absolute_url, meeting_token, pickled, run_job
from .scored_run import Conditions, score_one
from .scores import TaskScore


class Here:
    """Runs jobs in threads of this process, which share program, session and accounts.

    Args:
        executor: Threads; some of its own where none are given.
        how: What all jobs share.
        concurrency: Jobs at once.
    """

    def __init__(self, executor: ThreadPoolExecutor | None, how: Conditions, concurrency: int) -> None:
        self.width = max(1, concurrency)
        self._how = how
        self._own = None if executor else ThreadPoolExecutor(self.width, thread_name_prefix="greenloop-score")
        self._pool = executor or cast("ThreadPoolExecutor", self._own)

    def submit(self, task: Task, replicate: int) -> Future[Any]:
        """Hand out one job, in a copy of this context (DSPy's settings travel along)."""
        return self._pool.submit(contextvars.copy_context().run, score_one, self._how, task, replicate)

    def take(self, future: Future[Any]) -> tuple[TaskScore, dict[str, str]] | None:
        """The result of a job that ended.

        Raises:
            GreenloopError: Why it failed.
        """
        return future.result()

    @property
    def tier(self) -> str:
        """The sandbox tier that judged."""
        return self._how.session.sandbox.tier

    @property
    def can_take_back(self) -> bool:
        """Whether a job that was cancelled has surely not begun."""
        return True

    def drain(self, pending: Iterable[Future[Any]]) -> list[tuple[TaskScore, dict[str, str]]]:
        """Wait for jobs that were not taken back; the results of those that did not fail."""
        running = [future for future in pending if not future.cancelled()]
        wait(running)
        return [future.result() for future in running if future.exception() is None]

    def close(self) -> None:
        """End threads of its own, once what runs has ended."""
        if self._own is not None:
            self._own.shutdown(wait=True, cancel_futures=True)


class Elsewhere:
    """Hands jobs to an executor of other processes, within the session's budget.

    What is left of a budget is split among the jobs in flight, so that together they cannot overrun it. Where a part
    does not reach, jobs go one at a time from then on, each with all that is left.

    Args:
        executor: Any executor whose jobs and results are pickled.
        how: What all jobs share.
        concurrency: Most jobs in flight.

    Raises:
        UsageError: The session's store or sandbox is known to this process only.
        ProgramError: The program cannot be pickled.
    """

    def __init__(self, executor: Executor, how: Conditions, concurrency: int) -> None:
        from ..runtime.sandbox import default_sandbox

        session = how.session
        if in_memory(session.store.parsed_url):
            raise UsageError(
                "an executor of other processes needs a store that they can open: gl.session(store='sqlite:///FILE.db')"
                " on this machine, a PostgreSQL URL for several"
            )
        if session.sandbox is not default_sandbox():
            raise UsageError("an executor of other processes runs the default sandbox: give the session none")
        self._most = max(1, concurrency)
        self._executor, self._how = executor, how
        self._payload = pickled((how.program, how.metric, dspy.settings.lm, dspy.settings.adapter))
        self._store_url, self._token = absolute_url(session.store), meeting_token(session.store)
        self._jobs: dict[Future[Any], Job] = {}
        self._tiers: set[str] = set()

    @property
    def width(self) -> int:
        """Most jobs in flight now: no more than there is something left for."""
        free = min((int(left) for left in self._left()[:2] if left is not None), default=self._most)
        return max(1, min(self._most, len(self._jobs) + max(0, free)))

    def submit(self, task: Task, replicate: int) -> Future[Any]:
        """Hand out one job.

        Raises:
            BudgetExhausted: Nothing is left.
            InfrastructureError: The executor takes none.
        """
        how = self._how
        if reached := how.session.meter.exhausted():
            raise BudgetExhausted(reached)
        job = Job(
            payload=self._payload,
            digest=how.digest,
            store_url=self._store_url,
            token=self._token,
            seed=how.session.seed,
            steering=how.steering,
            limits=how.limits,
            settings=how.settings,
            task=task,
            replicate=replicate,
            allowance=self._allowance(),
        )
        try:
            future = self._executor.submit(run_job, job)
        except RuntimeError as error:  # a pool whose worker died, or that was shut down
            raise InfrastructureError(f"the executor takes no job: {error}") from error
        self._jobs[future] = job
        return future

    def take(self, future: Future[Any]) -> tuple[TaskScore, dict[str, str]] | None:
        """The result of a job that ended; None where its part of the budget did not reach, and it is to go again.

        Raises:
            GreenloopError: Why it failed; `InfrastructureError` where the executor itself did.
        """
        del self._jobs[future]
        try:
            outcome = cast("Outcome", future.result())
        except Exception as error:
            words = " ".join(str(error).split())[:200]
            raise InfrastructureError(f"the executor lost a job: {type(error).__name__}: {words}") from error
        self._how.session.meter.book_elsewhere(outcome.paid, outcome.as_if)
        if isinstance(outcome.error, BudgetExhausted) and (self._jobs or self._most > 1):
            self._most = 1
            return None
        if outcome.error is not None:
            raise outcome.error
        self._tiers.add(outcome.tier)
        return cast("TaskScore", outcome.item), outcome.models

    @property
    def tier(self) -> str:
        """The sandbox tiers that judged."""
        return ", ".join(sorted(self._tiers))

    @property
    def can_take_back(self) -> bool:
        """Whether a job that was cancelled has surely not begun: a Dask worker goes on with it, and pays."""
        return isinstance(self._executor, (ProcessPoolExecutor, ThreadPoolExecutor))

    def drain(self, pending: Iterable[Future[Any]]) -> list[tuple[TaskScore, dict[str, str]]]:
        """Wait for jobs that could not be cancelled any more, and book what they paid; see `Here.drain`."""
        results: list[tuple[TaskScore, dict[str, str]]] = []
        for future in pending:
            if not future.cancelled() and future in self._jobs:
                with suppress(GreenloopError):
                    results += [result] if (result := self.take(future)) is not None else []
        return results

    def close(self) -> None:
        """The executor is its owner's."""

    def _left(self) -> tuple[float | None, float | None, float | None]:
        """Tokens, calls and model seconds that are neither paid nor out with a job; None where there is no limit."""
        meter = self._how.session.meter
        budget, paid = meter.budget, meter.paid
        jobs = list(self._jobs.values())

        def left(limit: float | None, spent: float, name: str) -> float | None:
            return None if limit is None else limit - spent - sum(getattr(j.allowance, name) for j in jobs)

        return (
            left(budget.tokens, paid.tokens, "tokens"),
            left(budget.calls, paid.calls, "calls"),
            left(budget.model_seconds, paid.model_seconds, "model_seconds"),
        )

    def _allowance(self) -> Budget:
        """An equal part of what is left for each job that may be in flight."""
        parts = max(1, self.width - len(self._jobs))
        tokens, calls, seconds = self._left()
        meter = self._how.session.meter
        wall = None if meter.budget.timeout_s is None else meter.budget.timeout_s - meter.wall_s
        return Budget(
            tokens=None if tokens is None else max(1, int(tokens / parts)),
            calls=None if calls is None else max(1, int(calls / parts)),
            model_seconds=None if seconds is None else max(1e-9, seconds / parts),
            timeout_s=None if wall is None else max(1e-9, wall),
        )


def hands_for(executor: Executor | None, how: Conditions, concurrency: int) -> Here | Elsewhere:
    """What runs the jobs of a scoring."""
    if executor is None or isinstance(executor, ThreadPoolExecutor):
        return Here(executor, how, concurrency)
    return Elsewhere(executor, how, concurrency)

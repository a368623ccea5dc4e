"""The sandbox: code in, an `Execution` out, from as many threads and tasks as there are."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Sequence
from typing import Any, Literal

from ...errors import SandboxError
from ..execution import Candidate, Execution, Limits
from ..forking import Threads
from .environment import Environment
from .pool import Pool
from .tiers import resolve_tier
from .verdict import verdict

Mode = Literal["auto", "apart", "together"]
TRACE_EVENTS = 100


class Sandbox:
    """Runs candidates out of process, isolated, judged in another process than their own.

    Args:
        workers: Programs that run at the same time; None for the number of processors.
        tier: Name of the isolation; None for the strongest that works here.
        python: Path of an interpreter (3.10 or newer) whose packages candidates may import, read-only. None for
            Greenloop's own interpreter with the standard library only.
        preload: Modules to import once per worker ("numpy"), so that candidates find them warm. Candidates may then
            import everything that is installed for the interpreter.

    Raises:
        SandboxError: If no isolation works here, or the one named does not.

    Example:
        >>> with Sandbox(workers=1) as sandbox:
        ...     sandbox.run(Candidate("def f(x):\\n    return x", "f"), ["assert f(1) == 2"]).tests[0].got
        '1'
    """

    def __init__(
        self,
        workers: int | None = None,
        tier: str | None = None,
        python: str | os.PathLike[str] | None = None,
        preload: Sequence[str] = (),
    ) -> None:
        self._workers = workers if workers is not None else max(1, os.cpu_count() or 1)
        if self._workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        self._environment = Environment(
            tier=resolve_tier(tier),
            python=os.fspath(python) if python is not None else "",
            preload=tuple(preload),
            packages=python is not None or bool(preload),
        )
        self._pool = Pool(self._environment, self._workers)
        self._lock = threading.Lock()
        self._threads: Threads | None = None

    @property
    def tier(self) -> str:
        """Name of the isolation that holds."""
        return self._environment.tier

    @property
    def workers(self) -> int:
        """Programs that run at the same time."""
        return self._workers

    @property
    def identity(self) -> str:
        """What of the environment, beyond tier and version, can change how a program runs: packages, preloads."""
        return self._environment.identity

    @property
    def python_version(self) -> str:
        """Version of the interpreter that candidates run on."""
        return self._environment.version

    def run(
        self,
        candidate: Candidate,
        tests: Sequence[str] = (),
        limits: Limits | None = None,
        *,
        trace: bool = False,
        stdin: str = "",
        mode: Mode = "auto",
    ) -> Execution:
        """Run a candidate with its tests; blocks until it is judged.

        Args:
            candidate: The code.
            tests: Python source, each with one or more assertions, a `check(candidate)` function, a doctest, a
                unittest or a pytest module. Every assertion at a test's top level, or in its `check`, is a result of
                its own. Without tests the code is loaded and its entry point looked for: outcome `unverified`.
            limits: Bounds; None for `Limits()`.
            trace: Whether to record executed lines with values: of the first failing test, else of the last.
            stdin: What the code reads from standard input while it is loaded.
            mode: "apart", "together" (the weaker: tests in the candidate's own process), or "auto": apart, and
                together only where a test itself needs that.

        Returns:
            The execution; `outcome` is "sandbox_error" where the sandbox failed twice.

        Raises:
            TaskError: If a test is no Python or imports what is not installed, or code and tests exceed 16 MiB.
        """
        limits = limits or Limits()
        if not candidate.code.strip():
            return Execution("no_code", message="there is no code", tests_total=len(tests), tier=self.tier)
        job: dict[str, Any] = {
            "code": candidate.code,
            "preamble": candidate.preamble,
            "entry_point": candidate.entry_point,
            "tests": list(tests),
            "trace": TRACE_EVENTS if trace else 0,
            "stdin": stdin,
            "ahead": True,
        }
        execution = self._try(job, limits, "together" if mode == "together" else "apart")
        if execution is None:
            if mode == "apart":
                return Execution(
                    "unserialisable",
                    message="a test needs mode 'together'",
                    tests_total=len(tests),
                    tier=self.tier,
                )
            execution = self._try(job, limits, "together")
        assert execution is not None
        return execution

    def _try(self, job: dict[str, Any], limits: Limits, mode: str) -> Execution | None:
        """Run in one mode, a second time where the sandbox failed; None where the tests need the other mode.

        Where the judge asked for calls ahead that the tests then did not make, the run counts for nothing: the
        candidate is run anew, asked call by call.
        """
        failure = ""
        for _ in range(2):
            try:
                raw = self._pool.run({**job, "mode": mode}, limits)
                if "again" in (raw.report or {}):
                    raw = self._pool.run({**job, "mode": mode, "ahead": False}, limits)
                report = raw.report or {}
                if mode == "apart" and ("needs_together" in report or self._is_forced(report, job, limits)):
                    return None
                return verdict(raw, limits, tier=self.tier, mode=mode)
            except SandboxError as error:
                failure = str(error)
        return Execution(
            "sandbox_error", error_type="SandboxError", message=failure, tier=self.tier, mode=mode
        )

    def _is_forced(self, report: dict[str, Any], job: dict[str, Any], limits: Limits) -> bool:
        """Whether a value that the tests sent did not travel, and would be sent whatever a candidate answers."""
        if not report.get("by_test"):
            return False
        asked = self._pool.run({**job, "mode": "apart", "trace": 0, "nobody": True}, limits)
        return bool((asked.report or {}).get("forced"))

    async def arun(
        self,
        candidate: Candidate,
        tests: Sequence[str] = (),
        limits: Limits | None = None,
        *,
        trace: bool = False,
        stdin: str = "",
        mode: Mode = "auto",
    ) -> Execution:
        """As `run`, for asyncio: the loop goes on meanwhile."""
        with self._lock:
            if self._threads is None:
                self._threads = Threads(self._workers, "greenloop-sandbox")
            threads = self._threads

        def call() -> Execution:
            return self.run(candidate, tests, limits, trace=trace, stdin=stdin, mode=mode)

        return await asyncio.get_running_loop().run_in_executor(threads, call)

    def close(self) -> None:
        """End all workers; what still runs is killed. A second time does nothing."""
        self._pool.close()
        with self._lock:
            threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        python = self._environment.executable
        return f"Sandbox(workers={self._workers}, tier={self.tier!r}, python={python!r})"


_default: Sandbox | None = None
_default_lock = threading.Lock()


def default_sandbox() -> Sandbox:
    """The sandbox of this process: made on first use, closed at exit.

    Raises:
        SandboxError: If no isolation works here.
    """
    global _default
    with _default_lock:
        if _default is None:
            _default = Sandbox()
            atexit.register(_default.close)
        return _default

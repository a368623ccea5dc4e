"""Watching one run from the host: feed the judge its job, drain the output, collect report and exit."""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...errors import SandboxError
from ..execution import Limits
from .inside_wire import MAX_FRAME, WireError, unpack

if TYPE_CHECKING:
    from .worker import Worker

GRACE_S = 10.0
"""What judge and servers get beyond the candidate's own time before they count as broken."""
DYING_S = 0.3
"""How long a candidate that hung up has to end by itself, so that how it ended can be told."""


@dataclass
class RawRun:
    """What one run left behind, before it is made a verdict.

    Attributes:
        report: The judge's report; None where it gave none.
        candidate: How the candidate's process ended, as its server tells it.
        judge_late: Whether the judge was still at work when the candidate's time was over.
        output: What the candidate wrote to its standard streams, up to the limit.
        flooded: Whether it wrote more.
    """

    report: dict[str, Any] | None = None
    candidate: dict[str, Any] = field(default_factory=dict[str, Any])
    judge_late: bool = False
    output: bytearray = field(default_factory=bytearray)
    flooded: bool = False


class Watch:
    """One run under way.

    Args:
        worker: Whose servers run it.
        runner: The server whose child is the candidate: "candidate", or "judge" in mode "together".
        reporter: Descriptor on which the judge (or in mode "together" the candidate) takes the job and reports.
        output: Descriptor of the candidate's output.
        frame: What is still to be sent of the job.
        limits: The run's limits.
    """

    def __init__(
        self, worker: Worker, runner: str, reporter: int, output: int, frame: memoryview, limits: Limits
    ) -> None:
        self._worker = worker
        self._reporter = reporter
        self._output = output
        self._pending = frame
        self._control = worker.control(runner)
        self._limit = max(1024, int(limits.output_kb * 1024))
        self._report = bytearray()
        self._run = RawRun()
        self._reporting = True
        self._running = True
        self._runner = runner
        self._number = worker.runs
        self._started = time.monotonic()
        self._deadline = self._started + limits.wall_s + GRACE_S
        self._kill_at = math.inf
        self._poller = select.poll()

    def until_done(self) -> RawRun:
        """Wait for the report and the candidate's end.

        Raises:
            SandboxError: If a server is gone or does not answer.
        """
        os.set_blocking(self._reporter, False)
        os.set_blocking(self._output, False)
        self._poller.register(self._control, select.POLLIN)
        self._poller.register(self._output, select.POLLIN)
        self._poller.register(self._reporter, select.POLLIN | select.POLLOUT)
        while self._running or self._reporting:
            left = min(self._deadline, self._kill_at) - time.monotonic()
            events = self._poller.poll(max(0, int(left * 1000) + 1)) if left > 0 else []
            if not events:
                self._late()
            for fd, event in events:
                if fd == self._reporter:
                    self._talk(event)
                elif fd == self._output:
                    self._drain()
                elif self._running:
                    self._told()
        self._drain()
        return self._run

    def _late(self) -> None:
        if self._kill_at <= self._deadline:
            self._worker.kill(self._runner, "done")
            self._kill_at = math.inf
            return
        if self._running:
            raise SandboxError("the sandbox's servers do not answer")
        self._run.judge_late = True
        self._reporting = False

    def _talk(self, event: int) -> None:
        if self._pending and event & select.POLLOUT:
            try:
                self._pending = self._pending[os.write(self._reporter, self._pending) :]
            except BlockingIOError:
                return
            except OSError:
                self._pending = memoryview(b"")
        if not self._pending and event & select.POLLOUT:
            self._poller.modify(self._reporter, select.POLLIN)
        if event & (select.POLLIN | select.POLLHUP | select.POLLERR) and self._reporting:
            self._listen()

    def _listen(self) -> None:
        try:
            data = os.read(self._reporter, 1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._report += data
        size = int.from_bytes(self._report[:4], "big") if len(self._report) >= 4 else -1
        whole = 0 <= size <= len(self._report) - 4
        if data and not whole and size <= MAX_FRAME:
            return
        if whole:
            with contextlib.suppress(WireError):
                report = unpack(self._report[4 : 4 + size])
                self._run.report = report if isinstance(report, dict) else None
        self._reporting = False
        self._poller.unregister(self._reporter)
        if not self._running:
            return
        report = self._run.report or {}
        if report.get("fatal") == "eof":
            self._kill_at = time.monotonic() + DYING_S
        elif whole and self._runner == "candidate" and "broken" not in report:
            self._part()
        elif self._runner == "candidate" or whole:
            self._worker.kill(self._runner, "done")

    def _part(self) -> None:
        """The report says all: have the candidate killed, but do not wait for its end."""
        self._worker.kill(self._runner, "done", quiet=True)
        elapsed = time.monotonic() - self._started
        self._run.candidate = {"killed": "done", "signal": signal.SIGKILL, "wall_s": elapsed}
        self._running = False

    def _drain(self) -> None:
        while not self._run.flooded:
            try:
                data = os.read(self._output, 1 << 16)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if data:
                room = self._limit - len(self._run.output)
                self._run.output += data[:room]
                if len(data) <= room:
                    continue
                self._run.flooded = True
                self._worker.kill(self._runner, "output")
            with contextlib.suppress(KeyError):
                self._poller.unregister(self._output)
            return

    def _told(self) -> None:
        try:
            told = line(self._control)
        except (OSError, ValueError) as error:
            raise SandboxError(f"the sandbox's candidate server is gone: {error}") from None
        if "setup" in told:
            raise SandboxError(f"the candidate could not be locked in: {told['setup']}")
        if told["number"] != self._number:
            return  # of the one before, whose end nobody waited for
        if "waits" in told:
            self._deadline += float(told["waits"])
            return
        self._run.candidate = told
        self._running = False
        self._poller.unregister(self._control)
        if self._reporting:
            self._deadline = time.monotonic() + GRACE_S


def line(control: socket.socket) -> dict[str, Any]:
    """The next message of a server.

    Raises:
        OSError: If the connection broke, or a timeout that was set on it passed.
        ValueError: If the server ended, or wrote nonsense.
    """
    data = b""
    while not data.endswith(b"\n"):
        seen = control.recv(65536, socket.MSG_PEEK)
        if not seen:
            raise ValueError("it ended")
        data += control.recv(seen.find(b"\n") + 1 or len(seen))
    return json.loads(data)

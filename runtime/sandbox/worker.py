"""One worker, seen from the host: a launcher, a candidate's server and a judge's server."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import SandboxError
from ..execution import Limits
from .environment import Environment
from .inside_wire import MAX_FRAME, WireError, pack, unpack

START_S = 60.0
"""How long a worker may take to start, with preloads on a busy machine."""
GRACE_S = 3.0
"""What judge and servers get beyond the candidate's wall limit before they count as broken."""
JUDGE_MB = 1024


@dataclass
class RawRun:
    """What one run left behind, before it is made a verdict.

    Attributes:
        report: The judge's report; None where it gave none.
        candidate: How the candidate's process ended, as its server tells it.
        judge: How the judge's process ended.
        output: What the candidate wrote to its standard streams, up to the limit.
        flooded: Whether it wrote more.
    """

    report: dict[str, Any] | None = None
    candidate: dict[str, Any] | None = None
    judge: dict[str, Any] | None = None
    output: bytearray = field(default_factory=bytearray)
    flooded: bool = False


class Worker:
    """A warm pair of servers that run one program at a time.

    Args:
        environment: Interpreter, packages, tier.

    Raises:
        SandboxError: If the worker does not start.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.runs = 0
        self._folder = tempfile.mkdtemp(prefix="greenloop-")
        self._controls: dict[str, socket.socket] = {}
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        theirs: list[socket.socket] = []
        for role in ("candidate", "judge"):
            ours, other = socket.socketpair()
            self._controls[role] = ours
            theirs.append(other)
        fds = [s.fileno() for s in theirs]
        config = json.dumps(self.environment.config(self._folder))
        self._process = subprocess.Popen(
            [*self.environment.command(self._folder), *(str(fd) for fd in fds), config],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=fds,
            env={},
            cwd="/",
            start_new_session=True,
        )
        for other in theirs:
            other.close()
        for role, control in self._controls.items():
            control.settimeout(START_S)
            try:
                hello = _line(control)
            except (OSError, ValueError) as error:
                raise SandboxError(f"the sandbox's {role} server does not start: {error}") from None
            if "ready" not in hello:
                raise SandboxError(f"the sandbox's {role} server does not start: {hello.get('failed', hello)}")
            control.settimeout(None)
        self.version = tuple(hello["version"])

    @property
    def pid(self) -> int:
        """Process id of the launcher."""
        return self._process.pid if self._process else 0

    def run(self, job: dict[str, Any], limits: Limits) -> RawRun:
        """Run one program with its judge.

        Raises:
            SandboxError: If a server or the judge broke; the worker is of no more use then.
        """
        self.runs += 1
        ours: list[int] = []
        theirs: list[int] = []
        try:
            mine, job_end = _pair()
            ours.append(mine)
            theirs.append(job_end)
            output, output_end = os.pipe()
            ours.append(output)
            theirs.append(output_end)
            a, b = _pair()
            theirs += [a, b]
            apart = job["mode"] == "apart"
            try:
                self._send("judge", limits, [output_end, job_end, a] if apart else [output_end, job_end], apart)
                if apart:
                    self._send("candidate", limits, [output_end, b], apart)
            except OSError as error:
                raise SandboxError(f"the sandbox's server is gone: {error}") from None
            while theirs:
                os.close(theirs.pop())
            return _Watch(self, mine, output, job, limits, apart).until_done()
        finally:
            for fd in ours + theirs:
                os.close(fd)

    def _send(self, role: str, limits: Limits, fds: list[int], apart: bool) -> None:
        judging = role == "judge" and apart
        message = {
            "do": "run",
            "fds": len(fds),
            "apart": apart,
            "wall_s": limits.wall_s + (GRACE_S / 2 if judging else 0),
            "cpu_s": limits.cpu_s + (2 if judging else 0),
            "memory_mb": max(JUDGE_MB, limits.memory_mb) if judging else limits.memory_mb,
        }
        socket.send_fds(self._controls[role], [json.dumps(message).encode() + b"\n"], fds)

    def kill(self, role: str, why: str) -> None:
        """Have a server kill its child, if it has one."""
        with contextlib.suppress(OSError):
            self._controls[role].sendall(json.dumps({"do": "kill", "why": why}).encode() + b"\n")

    def control(self, role: str) -> socket.socket:
        """The connection to a server."""
        return self._controls[role]

    def forget(self) -> None:
        """In a forked child of the host: let go of what is the parent's."""
        for control in self._controls.values():
            control.close()
        self._controls.clear()
        if self._process is not None:
            self._process.returncode = 0
            self._process = None

    def close(self) -> None:
        """End both servers and remove their folder; a second time does nothing."""
        for control in self._controls.values():
            control.close()
        self._controls.clear()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)
        if Path(self._folder).exists():
            for parent, folders, _ in os.walk(self._folder):
                for folder in folders:
                    os.chmod(os.path.join(parent, folder), 0o700)
            shutil.rmtree(self._folder, ignore_errors=True)


class _Watch:
    """Watches one run: feeds the judge its job, drains the output, collects report and exits."""

    def __init__(
        self, worker: Worker, mine: int, output: int, job: dict[str, Any], limits: Limits, apart: bool
    ) -> None:
        self._worker = worker
        self._mine = mine
        self._output = output
        self._limit = max(1024, int(limits.output_kb * 1024))
        self._pending = memoryview(pack(job))
        self._report = bytearray()
        self._run = RawRun()
        self._waiting = {"judge", "candidate"} if apart else {"judge"}
        self._deadline = time.monotonic() + limits.wall_s + GRACE_S
        self._poller = select.poll()
        self._fds = {worker.control(role).fileno(): role for role in self._waiting}
        self._runner = "candidate" if apart else "judge"

    def until_done(self) -> RawRun:
        """Wait for report and exits.

        Raises:
            SandboxError: If a server is gone or does not answer.
        """
        for fd in self._fds:
            self._poller.register(fd, select.POLLIN)
        os.set_blocking(self._mine, False)
        os.set_blocking(self._output, False)
        self._poller.register(self._mine, select.POLLIN | select.POLLOUT)
        self._poller.register(self._output, select.POLLIN)
        while self._waiting:
            left = self._deadline - time.monotonic()
            events = self._poller.poll(max(0, int(left * 1000) + 1)) if left > 0 else []
            if not events:
                raise SandboxError("the sandbox's servers do not answer")
            for fd, event in events:
                if fd in self._fds:
                    self._ended(self._fds[fd])
                elif fd == self._mine:
                    self._talk(event)
                elif fd == self._output:
                    self._drain()
        self._drain()
        self._finish_report()
        return self._run

    def _talk(self, event: int) -> None:
        if self._pending and event & select.POLLOUT:
            try:
                self._pending = self._pending[os.write(self._mine, self._pending) :]
            except BlockingIOError:
                return
            except OSError:
                self._pending = memoryview(b"")
            if not self._pending:
                self._poller.modify(self._mine, select.POLLIN)
        if event & (select.POLLIN | select.POLLHUP | select.POLLERR):
            self._listen()

    def _listen(self) -> None:
        try:
            data = os.read(self._mine, 1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._report += data
        size = int.from_bytes(self._report[:4], "big") + 4 if len(self._report) >= 4 else MAX_FRAME + 5
        if not data or len(self._report) >= size:
            self._poller.unregister(self._mine)
            if "candidate" in self._waiting:
                self._worker.kill("candidate", "done")

    def _drain(self) -> None:
        while True:
            try:
                data = os.read(self._output, 1 << 16)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                with contextlib.suppress(KeyError, OSError):
                    self._poller.unregister(self._output)
                return
            room = self._limit - len(self._run.output)
            self._run.output += data[:room]
            if len(data) > room:
                self._run.flooded = True
                self._worker.kill(self._runner, "output")
                with contextlib.suppress(KeyError, OSError):
                    self._poller.unregister(self._output)
                return

    def _ended(self, role: str) -> None:
        try:
            told = _line(self._worker.control(role))
        except (OSError, ValueError) as error:
            raise SandboxError(f"the sandbox's {role} server is gone: {error}") from None
        if "setup" in told:
            raise SandboxError(f"the sandbox's {role} could not be locked in: {told['setup']}")
        self._waiting.discard(role)
        self._poller.unregister(self._worker.control(role).fileno())
        if role == "candidate":
            self._run.candidate = told
        else:
            self._run.judge = told
            if "candidate" in self._waiting:
                self._worker.kill("candidate", "done")

    def _finish_report(self) -> None:
        if len(self._report) < 4:
            with contextlib.suppress(OSError):
                self._report += os.read(self._mine, 1 << 20)
        if len(self._report) < 4:
            return
        size = int.from_bytes(self._report[:4], "big")
        try:
            while len(self._report) < size + 4:
                data = os.read(self._mine, 1 << 20)
                if not data:
                    return
                self._report += data
            report = unpack(self._report[4 : size + 4])
        except (WireError, OSError):
            return
        if isinstance(report, dict):
            self._run.report = report


def _pair() -> tuple[int, int]:
    a, b = socket.socketpair()
    return a.detach(), b.detach()


def _line(control: socket.socket) -> dict[str, Any]:
    data = b""
    while not data.endswith(b"\n"):
        more = control.recv(65536)
        if not more:
            raise ValueError("it ended")
        data += more
    return json.loads(data.split(b"\n")[0])

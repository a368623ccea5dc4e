"""One worker, seen from the host: a launcher, a candidate's server and a judge's server.

The next candidate's process is made while its predecessor runs, under the same limits; it waits for its turn.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Any

from ...errors import SandboxError, TaskError
from ..execution import Limits
from .environment import Environment
from .inside_wire import FrameTooLarge, pack
from .watch import GRACE_S, RawRun, Watch, line

START_S = 60.0
"""How long a worker may take to start, with preloads on a busy machine."""
JUDGE_MB = 1024
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")}
"""All there is of an environment while preloads are imported: a fork server must not have threads."""


class Refused(SandboxError):
    """A server says why it cannot start: another try would end the same way."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """The host's ends of a candidate's process that waits for its turn."""

    connection: int
    output: int
    bounds: tuple[float, int]

    def close(self) -> None:
        os.close(self.connection)
        os.close(self.output)


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
        self._folder = ""
        self._controls: dict[str, socket.socket] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._judge: socket.socket | None = None
        self._waiting: _Waiting | None = None
        try:
            self._folder = tempfile.mkdtemp(prefix="greenloop-")
            self._start()
        except OSError as error:
            self.close()
            raise SandboxError(f"a worker of the sandbox does not start: {error}") from None
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
            env=dict(ONE_THREAD),
            cwd="/",
            start_new_session=True,
        )
        for other in theirs:
            other.close()
        for role, control in self._controls.items():
            control.settimeout(START_S)
            try:
                hello = line(control)
            except (OSError, ValueError) as error:
                raise SandboxError(f"the sandbox's {role} server does not start: {error}") from None
            if "ready" not in hello:
                raise Refused(f"the sandbox's {role} server does not start: {hello.get('failed', hello)}")
            control.settimeout(None)

    @property
    def pid(self) -> int:
        """Process id of the launcher."""
        return self._process.pid if self._process else 0

    def run(self, job: dict[str, Any], limits: Limits) -> RawRun:
        """Run one program with its judge.

        Raises:
            SandboxError: If a server or the judge broke; the worker is of no more use then.
            TaskError: If code and tests are too large.
        """
        self.runs += 1
        try:
            frame = memoryview(pack(job))
        except FrameTooLarge as error:
            raise TaskError(f"code and tests of {error}") from None
        try:
            if job["mode"] == "apart":
                return self._run_apart(frame, limits)
            return self._run_together(frame, limits)
        except OSError as error:
            raise SandboxError(f"the sandbox's server is gone: {error}") from None

    def _run_apart(self, frame: memoryview, limits: Limits) -> RawRun:
        mine = self._whose_turn(limits)
        try:
            judge = self._seat()
            judge.setblocking(False)
            frame = frame[socket.send_fds(judge, [frame], [mine.connection]) :]
            self._waiting = self._make_next("go", limits)
            raw = Watch(self, "candidate", judge.fileno(), mine.output, frame, limits).until_done()
        finally:
            mine.close()
        if raw.report is None or raw.report.get("leaves", True):
            self._unseat()
        return raw

    def _whose_turn(self, limits: Limits) -> _Waiting:
        """The process that waits; where it has other limits, another."""
        bounds = (limits.cpu_s, limits.memory_mb)
        mine, self._waiting = self._waiting, None
        if mine is not None and mine.bounds != bounds:
            mine.close()
            mine = None
        return mine or self._make_next("wait", limits)

    def _make_next(self, what: str, limits: Limits) -> _Waiting:
        output, output_end, near, far = _ends()
        try:
            self._send("candidate", what, limits, [output_end, far])
        except BaseException:
            os.close(near)
            os.close(output)
            raise
        finally:
            os.close(output_end)
            os.close(far)
        return _Waiting(near, output, (limits.cpu_s, limits.memory_mb))

    def _run_together(self, frame: memoryview, limits: Limits) -> RawRun:
        self._unseat()
        output, output_end, near, far = _ends()
        try:
            self._send("judge", "run", limits, [output_end, far], together=True)
            os.close(output_end)
            os.close(far)
            output_end = far = -1
            return Watch(self, "judge", near, output, frame, limits).until_done()
        finally:
            for fd in (output, near, output_end, far):
                if fd >= 0:
                    os.close(fd)

    def _seat(self) -> socket.socket:
        """The judge at work; a fresh one where there is none."""
        if self._judge is None:
            self._judge, theirs = socket.socketpair()
            with theirs, open(os.devnull, "r+b", buffering=0) as null:
                self._send("judge", "run", None, [null.fileno(), theirs.fileno()])
        return self._judge

    def _unseat(self) -> None:
        """Let the judge go and take note of its end."""
        judge, self._judge = self._judge, None
        if judge is None:
            return
        judge.close()
        self.kill("judge", "leave")
        control = self._controls["judge"]
        control.settimeout(GRACE_S)
        try:
            line(control)
        except (OSError, ValueError) as error:
            raise SandboxError(f"the sandbox's judge server is gone: {error}") from None

    def start_session(self, limits: Limits) -> socket.socket:
        """Start a candidate that stays, and return the connection to it; the worker is of no other use then.

        Raises:
            SandboxError: If the server is gone.
        """
        try:
            ours, theirs = socket.socketpair()
            with theirs, open(os.devnull, "r+b", buffering=0) as null:
                self._send("candidate", "run", limits, [null.fileno(), theirs.fileno()], stays=True)
        except OSError as error:
            raise SandboxError(f"the sandbox's server is gone: {error}") from None
        return ours

    def _send(
        self,
        role: str,
        what: str,
        limits: Limits | None,
        fds: list[int],
        *,
        together: bool = False,
        stays: bool = False,
    ) -> None:
        """Ask a server for a child: "run" it, have it "wait", or "go" on with the one that waits and make the next."""
        message = {
            "do": what,
            "number": self.runs,
            "fds": len(fds),
            "together": together,
            "demote": limits is not None,
            "wall_s": limits.wall_s if limits and not stays else 0,
            "cpu_s": limits.cpu_s if limits and not stays else 0,
            "memory_mb": limits.memory_mb if limits else JUDGE_MB,
        }
        socket.send_fds(self._controls[role], [json.dumps(message).encode() + b"\n"], fds)

    def kill(self, role: str, why: str, *, quiet: bool = False) -> None:
        """Have a server kill its child, if it has one; `quiet` where nobody waits to be told of its end."""
        message = {"do": "kill", "why": why, "quiet": quiet}
        with contextlib.suppress(OSError):
            self._controls[role].sendall(json.dumps(message).encode() + b"\n")

    def control(self, role: str) -> socket.socket:
        """The connection to a server."""
        return self._controls[role]

    def _drop(self) -> None:
        for control in self._controls.values():
            control.close()
        self._controls.clear()
        if self._judge is not None:
            self._judge.close()
            self._judge = None
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None

    def forget(self) -> None:
        """In a forked child of the host: let go of what is the parent's."""
        self._drop()
        if self._process is not None:
            self._process.returncode = 0
            self._process = None

    def stop(self) -> None:
        """Kill both servers, whoever waits for them; to be closed all the same."""
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """End both servers and remove their folder; a second time does nothing."""
        self._drop()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._folder:
            from .inside_box import remove

            remove(self._folder)


def _ends() -> tuple[int, int, int, int]:
    """Both ends of a pipe for a candidate's output and of its connection: ours, theirs, ours, theirs."""
    a, b = socket.socketpair()
    with a, b:
        output, output_end = os.pipe()
        return output, output_end, a.detach(), b.detach()

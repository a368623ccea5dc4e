"""A warm fork server: one isolated child at a time, watched and reaped. It never receives code or tests.

The candidates' server and the judges' are the same program; what differs is what the child runs, and how long.
The next candidate's process is made ahead: locked in, under its limits, it waits at a gate. The gate is opened when
its turn has come, and not before its predecessor is dead and its folder empty.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import time
from typing import Any

from . import inside_candidate
from . import inside_kernel as kernel
from .inside_box import Box
from .inside_priority import make_idle, processor_times_s
from .inside_streams import add_leavers, open_streams
from .inside_wire import unpack

TICK_S = 0.1
IDLE_AFTER_S = 0.1
"""Seconds of a processor after which a child falls to idle priority: a short program is not delayed, not even on a
busy machine; a looping one starves nobody."""
MOST_PATIENCE, LEAST_PATIENCE_S = 16.0, 15.0
"""A candidate that gets no processor waits this many times its wall limit, at least these seconds: at the share that
idle priority leaves it, it has had its seconds by then, so that a busy machine is not taken for a timeout."""
GATE = 4
"""Descriptor at which a waiting child waits."""
MESSAGE, BESIDE = 1 << 12, socket.CMSG_SPACE(8 * 4)
"""Bytes taken by one read, and room for descriptors beside them.

What a server does between two forks is kept to what has to be: it copies each page that it touches, since its child has
it too. `socket.recv_fds`, `os.wait4` and `contextlib.suppress` touch many.
"""
_signals: Any = importlib.import_module("_signal")
"""`signal` without its enumerations, which cost a fresh child more than all else it does with signals."""


class Server:
    """Serves one control connection.

    Args:
        control: The connection to the host.
        role: "candidate" or "judge".
        config: What the host asked for, and what the launcher found: tier, paths, folder, user.
    """

    def __init__(self, control: socket.socket, role: str, config: dict[str, Any]) -> None:
        self.control = control
        self.role = role
        self.config = config
        self.child = 0
        self.number = 0
        self.started = 0.0
        self.wall_s = 0.0
        self.deadline = 0.0
        self.demoted = True
        self.killed = ""
        self._spare = 0
        self._gate = -1
        self._buffer = b""
        self._fds: list[int] = []

    def run(self) -> None:
        """Set the isolation up, then serve until the host is gone."""
        try:
            while os.open(os.devnull, os.O_RDWR) <= GATE:
                """Nothing of the server's own lies where a child's connections will."""
            if self.role == "judge":
                self.judge = importlib.import_module(".inside_serving", __package__)
            self.box = Box(self.config, self.role)
            self.box.enter()
            add_leavers()
            open_streams()
        except Exception as error:  # noqa: BLE001 - the host reports it
            self._tell({"failed": f"{type(error).__name__}: {error}"})
            os._exit(1)
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.signal(signal.SIGCHLD, _ignore)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self._tell({"ready": True})
        control = self.control.fileno()
        poller = select.poll()
        poller.register(control, select.POLLIN)
        poller.register(wake_read, select.POLLIN)
        while True:
            watching = self.child and (self.wall_s or not self.demoted)
            ready = dict(poller.poll(int(TICK_S * 1000) if watching else None))
            if wake_read in ready:
                try:  # noqa: SIM105 - see BESIDE
                    os.read(wake_read, 4096)
                except BlockingIOError:
                    pass
                self._reap(os.WNOHANG | os.WUNTRACED)
                self._reap_spare(os.WNOHANG)
            if control in ready and not self._read():
                self._kill("host", quiet=True)
                os._exit(0)
            if watching and self.child:
                self._watch()

    def _tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self.control.sendall(json.dumps(message).encode() + b"\n")

    def _read(self) -> bool:
        try:
            data, beside, _, _ = self.control.recvmsg(MESSAGE, BESIDE)
        except OSError:
            return False
        for _, _, fds in beside:
            self._fds += memoryview(fds).cast("i")
        self._buffer += data
        while b"\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\n")
            self._obey(unpack(line))
        return bool(data)

    def _obey(self, message: dict[str, Any]) -> None:
        what = message["do"]
        if what == "kill":
            self._kill(message["why"], quiet=message["quiet"])
            return
        fds, self._fds = self._fds[: message["fds"]], self._fds[message["fds"] :]
        if what == "run":
            self._begin(message, self._fork(message, fds))
        elif what == "wait":
            self._prepare(message, fds)
        else:
            spare, self._spare = self._spare, 0
            if not spare:
                self._tell({"setup": "the process that waited for its turn is gone"})
                return
            self._begin(message, spare)
            os.write(self._gate, b"!")
            self._prepare(message, fds)

    def _begin(self, message: dict[str, Any], child: int) -> None:
        """A child's turn: its clock starts."""
        self.child = child
        self.number = message["number"]
        self.killed = ""
        self.started = time.monotonic()
        self.wall_s = message["wall_s"]
        self.deadline = self.started + self.wall_s
        self.demoted = not message["demote"]

    def _prepare(self, message: dict[str, Any], fds: list[int]) -> None:
        """Make the child that waits; one that waited under other limits is of no use any more."""
        if self._spare:
            os.kill(self._spare, signal.SIGKILL)
            self._reap_spare(0)
        if self._gate >= 0:
            os.close(self._gate)
        gate, self._gate = os.pipe()
        self._spare = self._fork(message, [*fds, gate])

    def _fork(self, message: dict[str, Any], fds: list[int]) -> int:
        server = os.getpid()
        child = os.fork()
        if child == 0:
            self._child(message, fds, server)
        for fd in fds:
            os.close(fd)
        return child

    def _child(self, message: dict[str, Any], fds: list[int], server: int) -> None:
        """In the child: shut the doors behind, then run. Never returns."""
        try:
            signal.set_wakeup_fd(-1)
            _signals.signal(signal.SIGCHLD, _signals.SIG_DFL)
            kernel.die_with_parent(server)
            self.box.confine(message, fds)
            if self.role == "judge" and message["together"]:
                self.judge.run_together(3)
            elif self.role == "judge":
                self.judge.serve(3)
            elif len(fds) > GATE - 2:
                inside_candidate.run(3, _pass_gate)
            else:
                inside_candidate.run(3)
        except BaseException as error:  # noqa: BLE001 - nothing may get back into the server's loop
            with contextlib.suppress(OSError):
                self.control.sendall(
                    json.dumps({"setup": f"{type(error).__name__}: {error}"}).encode() + b"\n"
                )
        finally:
            os._exit(71)

    def _kill(self, why: str, *, quiet: bool) -> None:
        if not self.child:
            return
        self.killed = self.killed or why
        try:  # noqa: SIM105 - see BESIDE
            os.kill(self.child, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._end_group()
        self._reap(0, quiet=quiet)

    def _end_group(self) -> None:
        if self.config["tier"] not in ("namespaces", "landlock"):
            with contextlib.suppress(OSError):
                os.killpg(self.child, signal.SIGKILL)

    def _reap(self, flags: int, *, quiet: bool = False) -> None:
        if not self.child:
            return
        usage = None
        try:
            if quiet:
                pid, status = os.waitpid(self.child, flags)
            else:
                pid, status, usage = os.wait4(self.child, flags)
        except ChildProcessError:
            pid, status = self.child, 0
        if pid == 0:
            return
        if os.WIFSTOPPED(status):
            self._kill("stopped", quiet=False)
            return
        self._end_group()
        self.child = 0
        self.box.clean()
        if quiet:
            return
        self._tell(
            {
                "number": self.number,
                "exit": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
                "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
                "killed": self.killed,
                "cpu_s": usage.ru_utime + usage.ru_stime if usage else 0.0,
                "wall_s": time.monotonic() - self.started,
            }
        )

    def _reap_spare(self, flags: int) -> None:
        if self._spare and os.waitpid(self._spare, flags)[0]:
            self._spare = 0

    def _watch(self) -> None:
        now = time.monotonic()
        if not self.demoted and now - self.started >= IDLE_AFTER_S:
            times = processor_times_s(self.child, self.config["proc_fd"])
            if times is None or times[0] >= IDLE_AFTER_S:
                self.demoted = make_idle(self.child, self.config["proc_fd"])
        if self.wall_s and now >= self.deadline:
            times = processor_times_s(self.child, self.config["proc_fd"])
            missing = self.wall_s - (now - self.started - (times[1] if times is not None else 0))
            patience = max(self.wall_s * MOST_PATIENCE, LEAST_PATIENCE_S)
            if missing > 0.01 and now - self.started < patience:
                self.deadline = now + max(TICK_S, missing)
                self._tell({"number": self.number, "waits": max(TICK_S, missing)})
                return
            self._kill("wall", quiet=False)
        elif excess := self.box.excess(self.child):
            self._kill(excess, quiet=False)


def _pass_gate() -> None:
    """In a child: wait for its turn."""
    if os.read(GATE, 1) != b"!":
        os._exit(0)
    os.close(GATE)


def _ignore(number: int, frame: object) -> None:
    """Only to have the signal wake the poll."""

"""A warm fork server: one isolated child at a time, watched and reaped. It never receives code or tests.

The candidates' server and the judges' are the same program; what differs is what the child runs, and how long.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any

from . import inside_candidate
from . import inside_kernel as kernel
from .inside_box import Box
from .inside_streams import add_leavers, open_streams

TICK_S = 0.1
IDLE_AFTER_S = 0.1
"""Seconds after which a child falls to idle priority: short programs are not delayed, a looping one starves nobody."""
MOST_PATIENCE = 4.0
"""A candidate that gets no processor waits up to this many times its wall limit."""


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
        self.started = 0.0
        self.wall_s = 0.0
        self.deadline = 0.0
        self.demoted = True
        self.killed = ""
        self._buffer = b""
        self._fds: list[int] = []

    def run(self) -> None:
        """Set the isolation up, then serve until the host is gone."""
        try:
            if self.role == "judge":
                self.judge = importlib.import_module(".inside_judge", __package__)
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
        self._tell({"ready": True, "version": list(sys.version_info[:3])})
        poller = select.poll()
        poller.register(self.control, select.POLLIN)
        poller.register(wake_read, select.POLLIN)
        while True:
            watching = self.child and (self.wall_s or not self.demoted)
            ready = dict(poller.poll(int(TICK_S * 1000) if watching else None))
            if wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake_read, 4096)
                self._reap(os.WNOHANG | os.WUNTRACED)
            if self.control.fileno() in ready and not self._read():
                self._kill("host")
                os._exit(0)
            if watching and self.child:
                self._watch()

    def _tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self.control.sendall(json.dumps(message).encode() + b"\n")

    def _read(self) -> bool:
        try:
            data, fds, _, _ = socket.recv_fds(self.control, 65536, 8)
        except OSError:
            return False
        self._fds += fds
        self._buffer += data
        while b"\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\n")
            message = json.loads(line)
            if message["do"] == "run":
                count = message["fds"]
                self._start(message, self._fds[:count])
                self._fds = self._fds[count:]
            else:
                self._kill(message["why"])
        return bool(data)

    def _start(self, job: dict[str, Any], fds: list[int]) -> None:
        self.killed = ""
        self.started = time.monotonic()
        self.wall_s = job["wall_s"]
        self.deadline = self.started + self.wall_s
        self.demoted = not job["demote"]
        server = os.getpid()
        child = os.fork()
        if child == 0:
            self._child(job, fds, server)
        self.child = child
        for fd in fds:
            os.close(fd)

    def _child(self, job: dict[str, Any], fds: list[int], server: int) -> None:
        """In the child: shut the doors behind, then run. Never returns."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            kernel.die_with_parent(server)
            self.box.confine(job, fds)
            if self.role == "judge" and job["together"]:
                self.judge.run_together(3)
            elif self.role == "judge":
                self.judge.serve(3)
            else:
                inside_candidate.run(3)
        except BaseException as error:  # noqa: BLE001 - nothing may get back into the server's loop
            with contextlib.suppress(OSError):
                self.control.sendall(
                    json.dumps({"setup": f"{type(error).__name__}: {error}"}).encode() + b"\n"
                )
        finally:
            os._exit(71)

    def _kill(self, why: str) -> None:
        if not self.child:
            return
        self.killed = self.killed or why
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGKILL)
        self._end_group()
        self._reap(0)

    def _end_group(self) -> None:
        if self.config["tier"] not in ("namespaces", "landlock"):
            with contextlib.suppress(OSError):
                os.killpg(self.child, signal.SIGKILL)

    def _reap(self, flags: int) -> None:
        if not self.child:
            return
        try:
            pid, status, usage = os.wait4(self.child, flags)
        except ChildProcessError:
            pid, status, usage = self.child, 0, None
        if pid == 0:
            return
        if os.WIFSTOPPED(status):
            self._kill("stopped")
            return
        self._end_group()
        self.child = 0
        self.box.clean()
        self._tell(
            {
                "exit": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
                "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
                "killed": self.killed,
                "cpu_s": usage.ru_utime + usage.ru_stime if usage else 0.0,
                "wall_s": time.monotonic() - self.started,
            }
        )

    def _watch(self) -> None:
        now = time.monotonic()
        if not self.demoted and now - self.started >= IDLE_AFTER_S:
            kernel.make_idle(self.child, self.config["proc_fd"])
            self.demoted = True
        if self.wall_s and now >= self.deadline:
            missing = self.wall_s - (now - self.started - kernel.processor_wait_s(self.config["proc_fd"]))
            if missing > 0.01 and now - self.started < self.wall_s * MOST_PATIENCE:
                self.deadline = now + max(TICK_S, missing)
                self._tell({"waits": max(TICK_S, missing)})
                return
            self._kill("wall")
        elif self.box.overfull():
            self._kill("disk")


def _ignore(number: int, frame: object) -> None:
    """Only to have the signal wake the poll."""

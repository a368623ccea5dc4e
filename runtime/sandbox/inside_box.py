"""What a child is locked into: limits, an empty folder, and the isolation of its tier."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import shutil
import stat
from typing import Any

from . import inside_kernel as kernel

FILE_BYTES = 16 << 20
"""Largest file a candidate may write."""
BOX_BYTES = 64 << 20
"""Most that a candidate may write in all."""
FILES = 128
"""Open descriptors."""


class Box:
    """The isolation of one server and its children.

    Args:
        config: tier, readable paths, folder for the box, baseline_kb.
        role: "candidate" or "judge".
    """

    def __init__(self, config: dict[str, Any], role: str) -> None:
        self.config = config
        self.role = role
        self.tier: str = config["tier"]
        self.folder: str = os.path.join(config["folder"], role)
        self._ruleset = -1

    def enter(self) -> None:
        """In the server: what is done once per worker."""
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        os.chdir(self.folder)
        os.umask(0o077)

    def confine(self, job: dict[str, Any], fds: list[int]) -> None:
        """In the child: descriptors, limits, priority, isolation. There is no way back."""
        self._descriptors(fds)
        self._limits(job)
        os.nice(19)
        with contextlib.suppress(OSError, AttributeError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))

    @staticmethod
    def _descriptors(fds: list[int]) -> None:
        """Arrange 0 to be empty, 1 and 2 the output, 3 and up the connections; close all else."""
        output, *connections = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        for i, fd in enumerate(connections):
            os.dup2(fd, 3 + i, inheritable=False)
        os.closerange(3 + len(connections), 4096)

    def _limits(self, job: dict[str, Any]) -> None:
        cpu = max(1, math.ceil(job["cpu_s"]))
        wanted = {
            "RLIMIT_CPU": (cpu, cpu + 1),
            "RLIMIT_CORE": (0, 0),
            "RLIMIT_FSIZE": (FILE_BYTES, FILE_BYTES),
            "RLIMIT_NOFILE": (FILES, FILES),
            "RLIMIT_MEMLOCK": (0, 0),
            "RLIMIT_MSGQUEUE": (0, 0),
            "RLIMIT_AS": ((self.config["baseline_kb"] << 10) + (job["memory_mb"] << 20),) * 2,
        }
        for name, (soft, hard) in wanted.items():
            number = getattr(resource, name, None)
            if number is None or (name == "RLIMIT_AS" and not kernel.LINUX):
                continue
            ceiling = resource.getrlimit(number)[1]
            if ceiling != resource.RLIM_INFINITY:
                soft, hard = min(soft, ceiling), min(hard, ceiling)
            resource.setrlimit(number, (soft, hard))

    def clean(self) -> None:
        """In the server: an empty folder for the next child, whatever the last one left in it."""
        with os.scandir(self.folder) as entries:
            names = [e.name for e in entries]
        if not names:
            return
        for _ in range(2):
            for name in names:
                _remove(os.path.join(self.folder, name))
            with os.scandir(self.folder) as entries:
                names = [e.name for e in entries]
        if names:
            raise OSError("the box cannot be emptied")

    def overfull(self) -> bool:
        """Whether the child wrote more than `BOX_BYTES`; asked now and then."""
        return _bytes_in(self.folder) > BOX_BYTES


def _remove(path: str) -> None:
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
        return
    for parent, folders, _ in os.walk(path):
        os.chmod(parent, stat.S_IRWXU)
        for folder in folders:
            inner = os.path.join(parent, folder)
            if not os.path.islink(inner):
                os.chmod(inner, stat.S_IRWXU)
    shutil.rmtree(path, ignore_errors=True)


def _bytes_in(folder: str) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
    return total

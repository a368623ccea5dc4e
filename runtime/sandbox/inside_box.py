"""What a child is locked into: limits, an empty folder, and the isolation of its tier."""

from __future__ import annotations

import contextlib
import math
import os
import resource
from typing import Any

from . import inside_kernel as kernel
from . import inside_namespaces as namespaces
from .inside_held import held_by
from .inside_landlock import Ruleset, abi
from .inside_paths import split
from .inside_seccomp import Filter

FILE_BYTES = 16 << 20
"""Largest file a candidate may write."""
BOX_BYTES = 64 << 20
"""Most that a candidate may write in all, and most that files without a name may hold."""
BOX_ENTRIES = 2048
"""Most files and folders."""
THREADS = 512
"""Most threads: small stacks would let far more into little memory, until the machine has none left."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILES = 128
"""Open descriptors."""
OPEN_MAX = 4096
"""No server has descriptors above."""


class Box:
    """The isolation of one server and its children.

    Args:
        config: tier, readable and hidden paths, folder, uid, gid, baseline_kb.
        role: "candidate" or "judge".
    """

    def __init__(self, config: dict[str, Any], role: str) -> None:
        self.config = config
        self.tier: str = config["tier"]
        self.folder: str = os.path.join(config["folder"], role)
        self._ruleset: Ruleset | None = None
        self._filter: Filter | None = None

    def enter(self) -> None:
        """In the server: what is done once per worker.

        Raises:
            OSError: If the tier does not work here.
        """
        os.umask(0o077)
        if self.tier == "namespaces":
            namespaces.map_user(self.config["uid"], self.config["gid"])
            namespaces.build_root(self.config["readable"], self.config["hidden"], BOX_BYTES)
            for name in ("readable", "hidden"):
                self.config[name] = [namespaces.relocated(path) for path in self.config[name]]
            self.folder = namespaces.BOX
        else:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            os.chdir(self.folder)
        self._make_rules()
        self._set_limits()
        if self.tier in ("namespaces", "landlock"):
            self._filter = Filter(own_files=self.tier == "namespaces")
        elif self.tier == "limits" and kernel.LINUX:
            with contextlib.suppress(OSError):
                self._filter = Filter(own_files=False)
        if self._filter is not None:
            if self.tier == "namespaces" or os.getuid() == 0:
                kernel.drop_capabilities()
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)

    def _make_rules(self) -> None:
        if self.tier == "landlock" or (self.tier == "namespaces" and abi()):
            # in namespaces what is hidden is not there: nothing to be taken out of what may be read
            hidden = self.config["hidden"] if self.tier == "landlock" else []
            whole, names = split(self.config["readable"], hidden)
            self._ruleset = Ruleset(whole, names, [self.folder])
            for device in namespaces.DEVICES:
                self._ruleset.allow_writing(device)

    def confine(self, job: dict[str, Any], fds: list[int]) -> None:
        """In the child: descriptors, limits, isolation, beyond what it has from its server. There is no way back.

        Raises:
            OSError: If a step fails.
        """
        if job["demote"]:
            os.setsid()
        self._descriptors(fds)
        if kernel.LINUX:
            self._limit(resource.RLIMIT_AS, (self.config["baseline_kb"] << 10) + (job["memory_mb"] << 20))
        else:  # nothing else forbids to fork there, and limits of the address space do not hold
            self._limit(resource.RLIMIT_NPROC, 0)
        if job["cpu_s"]:
            seconds = max(1, math.ceil(job["cpu_s"]))
            self._limit(resource.RLIMIT_CPU, seconds, seconds + 1)
        if self._ruleset is not None:
            self._ruleset.enforce()
        os.closerange(2 + len(fds), OPEN_MAX)
        if self._filter is not None:
            self._filter.enforce(os.getpid())

    @staticmethod
    def _descriptors(fds: list[int]) -> None:
        """Let 0 be empty, as it is in the server, 1 and 2 the output, 3 and up the connections."""
        output, *connections = fds
        os.dup2(output, 1)
        os.dup2(output, 2)
        for i, fd in enumerate(connections):
            os.dup2(fd, 3 + i, inheritable=False)

    def _set_limits(self) -> None:
        """Limits that are the same for every child, set on the server, which has enough of all."""
        wanted = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": FILE_BYTES, "RLIMIT_NOFILE": FILES}
        wanted |= {"RLIMIT_MEMLOCK": 0, "RLIMIT_MSGQUEUE": 0}
        for name, value in wanted.items():
            number = getattr(resource, name, None)
            if number is not None:
                self._limit(number, value)

    @staticmethod
    def _limit(number: int, soft: int, hard: int | None = None) -> None:
        ceiling = resource.getrlimit(number)[1]
        hard = soft if hard is None else hard
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        resource.setrlimit(number, (soft, hard))

    def clean(self) -> None:
        """In the server: an empty folder for the next child, whatever the last one left in it.

        Raises:
            OSError: If it cannot be emptied; the worker is of no more use then.
        """
        os.chmod(self.folder, 0o700)
        if os.listdir(self.folder):
            empty(self.folder)

    def excess(self, child: int) -> str:
        """What the child has too much of: "disk", "memory" or "threads"; empty where of nothing. Asked now and then."""
        if self.tier != "namespaces" and _overfull(self.folder):
            return "disk"
        held, threads = held_by(child, self.config["proc_fd"])
        return "memory" if held > BOX_BYTES else "threads" if threads > THREADS else ""


def remove(folder: str) -> None:
    """Remove a worker's folder with all that children left in it, as far as it is there and can be removed."""
    import shutil  # not warm in children

    for role in ("candidate", "judge"):
        with contextlib.suppress(OSError):
            empty(os.path.join(folder, role))
    shutil.rmtree(folder, ignore_errors=True)


def empty(folder: str) -> None:
    """Remove all in a folder; inner folders are first moved to the top, so that no depth and no path is too long."""
    number = 0
    names = os.listdir(folder)
    while names:
        path = os.path.join(folder, names.pop())
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
            continue
        os.chmod(path, 0o700)
        for name in os.listdir(path):
            inner = os.path.join(path, name)
            if os.path.islink(inner) or not os.path.isdir(inner):
                os.unlink(inner)
                continue
            os.chmod(inner, 0o700)
            number += 1
            moved = f"removed-{number}"
            while os.path.lexists(os.path.join(folder, moved)):
                number += 1
                moved = f"removed-{number}"
            os.rename(inner, os.path.join(folder, moved))
            names.append(moved)
        os.rmdir(path)


def _overfull(folder: str) -> bool:
    """Whether a folder holds more than `BOX_BYTES` or `BOX_ENTRIES`, or what cannot be counted."""
    size = entries = 0
    path: list[tuple[int, list[str]]] = []
    wanted: list[str] = [folder]
    try:
        while path or wanted:
            if not wanted:
                os.close(path[-1][0])
                wanted = path.pop()[1]
                continue
            try:
                fd = _opened(wanted.pop(), path[-1][0] if path else None)
            except (FileNotFoundError, NotADirectoryError):
                continue
            path.append((fd, wanted))
            wanted = []
            with os.scandir(fd) as found:
                for entry in found:
                    entries += 1
                    with contextlib.suppress(FileNotFoundError):
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            wanted.append(entry.name)
                    if size > BOX_BYTES or entries > BOX_ENTRIES:
                        return True
    except OSError:
        return True
    finally:
        for fd, _ in path:
            os.close(fd)
    return False


def _opened(name: str, parent: int | None) -> int:
    """A folder to be looked into; one that its owner cannot read is made readable, and no link is followed.

    Raises:
        OSError: It is gone, or cannot be opened.
    """
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        place = os.open(name, _FOLDER | getattr(os, "O_PATH", 0), dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{place}", 0o700)
        finally:
            os.close(place)
        return os.open(name, _FOLDER, dir_fd=parent)

"""A child's place among those that want the processor: how long it waited for it, and how it comes to wait for all."""

from __future__ import annotations

import errno
import os

from . import inside_kernel as kernel

LOWEST = 19
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
MOST_THREADS = 64
"""Threads that are looked at, one by one, for how long they waited."""
SHARE = 15
"""Niceness of a session: about a fifteenth of a processor that a two-thread decoder wants for itself."""


def processor_times_s(child: int, proc_fd: int) -> tuple[float, float] | None:
    """Seconds for which a child had a processor, and for which it was ready but had none; None where unknown.

    Its threads, also those that ended, ran together; it waited as long as the busiest of those that there are.

    Args:
        child: Its process id, as this process knows it.
        proc_fd: The /proc of the outermost namespace, opened before it went out of sight.
    """
    try:
        place = outer(child, proc_fd)
        times = read(proc_fd, f"{place}/stat").rpartition(")")[2].split()[11:13]
        busiest = max(_thread_times(proc_fd, f"{place}/task"))
    except (OSError, ValueError):
        return None
    return max(sum(map(int, times)) / TICKS_PER_S, busiest[0] / 1e9), busiest[1] / 1e9


def _thread_times(proc_fd: int, folder: str) -> list[tuple[int, int]]:
    """Nanoseconds for which each thread ran and waited."""
    fd = os.open(folder, os.O_RDONLY, dir_fd=proc_fd)
    try:
        threads = os.listdir(fd)[:MOST_THREADS]
    finally:
        os.close(fd)
    found: list[tuple[int, int]] = []
    for thread in threads:
        try:
            ran, waited = read(proc_fd, f"{folder}/{thread}/schedstat").split()[:2]
        except OSError:
            continue
        found.append((int(ran), int(waited)))
    return found


def make_idle(child: int, proc_fd: int) -> bool:
    """Let a child, which leads a session of its own, have the processor only when nobody else wants it.

    Three ways at once: the session's share where the scheduler divides among sessions first, the priority of every
    thread of the group, and the idle class of the first thread.

    Args:
        child: Its process id, as this process knows it.
        proc_fd: The /proc of the outermost namespace.

    Returns:
        Whether that is all; False where the kernel, which sets one session's share in a tenth of a second, was busy
        with another's: to be asked again.
    """
    try:
        os.setpriority(os.PRIO_PGRP, child, LOWEST)
        if kernel.LINUX:
            os.sched_setscheduler(child, os.SCHED_IDLE, os.sched_param(0))
    except OSError:
        return True
    try:
        fd = os.open(f"{outer(child, proc_fd)}/autogroup", os.O_WRONLY, dir_fd=proc_fd)
    except OSError:
        return True
    try:
        os.write(fd, str(SHARE).encode())
    except OSError as error:
        return error.errno != errno.EAGAIN
    finally:
        os.close(fd)
    return True


def outer(child: int, proc_fd: int) -> str:
    """The process id of this process's child in the outermost namespace.

    Raises:
        OSError: If it cannot be told.
    """
    for outer in read(proc_fd, "thread-self/children").split():
        for line in read(proc_fd, f"{outer}/status").splitlines():
            if line.startswith("NSpid:") and line.split()[-1] == str(child):
                return outer
    raise OSError(errno.ESRCH, f"no child {child}")


def read(folder: int, path: str) -> str:
    fd = os.open(path, os.O_RDONLY, dir_fd=folder)
    try:
        return os.read(fd, 4096).decode()
    finally:
        os.close(fd)

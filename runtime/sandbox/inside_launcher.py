"""The first process of a worker: it warms one interpreter and forks the two servers from it, then only waits.

The servers share its pages. It ends them when the host dies, also by a signal that nobody can catch.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
from typing import Any, NoReturn

from . import inside_kernel as kernel
from . import inside_paths
from .inside_box import remove
from .inside_candidate import rehearse
from .inside_server import Server

STANDARD = (
    "abc array bisect builtins cmath collections collections.abc contextlib copy dataclasses datetime decimal enum "
    "fractions functools hashlib heapq io itertools json math numbers operator os random re statistics string struct "
    "textwrap time types typing"
).split()
"""Modules that are warm in every worker."""


def main(candidate_fd: int, judge_fd: int, text: str) -> None:
    """Warm up, fork both servers, wait for the first of host and servers to end."""
    config: dict[str, Any] = json.loads(text)
    roles = {"candidate": _low(candidate_fd), "judge": _low(judge_fd)}
    host = os.getppid()
    try:
        warm(config["preload"])
        rehearse()
        if threading.active_count() > 1:  # a preload's; see `inside_boot`
            os.register_at_fork(after_in_child=vars(threading)["_after_fork"])
    except BaseException as error:  # noqa: BLE001 - the host reports it
        _give_up(roles, f"preload: {type(error).__name__}: {error}")
    os.environ.clear()
    config["readable"] = inside_paths.readable(config["packages"])
    config["hidden"] = inside_paths.hidden(config["packages"])
    config["uid"], config["gid"] = os.getuid(), os.getgid()
    config["proc_fd"] = os.open("/proc", os.O_RDONLY) if kernel.LINUX else -1
    config["baseline_kb"] = kernel.address_space_kb()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        children = [_fork(role, roles, config) for role in roles]
    except OSError as error:
        kind = "a process in namespaces of its own" if config["tier"] == "namespaces" else "a process"
        _give_up(roles, f"the kernel refuses {kind}: {error.strerror}")
    for control in roles.values():
        control.close()
    _wait(host, children)
    for child in children:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if os.getppid() != host:
        remove(config["folder"])
    os._exit(0)


def _give_up(roles: dict[str, socket.socket], why: str) -> NoReturn:
    """Tell the host why there is no worker, and end."""
    for control in roles.values():
        control.sendall(json.dumps({"failed": why}).encode() + b"\n")
    os._exit(1)


def _low(fd: int) -> socket.socket:
    """A connection on the lowest free descriptor: in a host with thousands it may lie above what children shut."""
    low = os.dup(fd)
    os.close(fd)
    return socket.socket(fileno=low)


def warm(preload: list[str]) -> None:
    """Import the standard modules and those that the user named.

    Raises:
        ImportError: If a module that the user named is missing.
    """
    for name in STANDARD:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for name in preload:
        importlib.import_module(name)


def _fork(role: str, roles: dict[str, socket.socket], config: dict[str, Any]) -> int:
    parent = os.getpid()
    flags = kernel.ALL_NAMESPACES if config["tier"] == "namespaces" else 0
    child = kernel.fork(flags)
    if child:
        return child
    try:
        for other, control in roles.items():
            if other != role:
                control.close()
        kernel.die_with_parent(parent)
        if role == "judge" and config["judge_path"]:
            sys.path.append(config["judge_path"])
            config["readable"].append(config["judge_path"])
            config["hidden"] = [h for h in config["hidden"] if h != config["judge_path"]]
        Server(roles[role], role, config).run()
    finally:
        os._exit(1)


def _wait(host: int, children: list[int]) -> None:
    if not hasattr(os, "pidfd_open"):
        while os.getppid() == host and os.waitpid(-1, os.WNOHANG)[0] == 0:
            select.select([], [], [], 0.5)
        return
    try:
        watched = [os.pidfd_open(child) for child in children]
        with contextlib.suppress(ProcessLookupError):
            watched.append(os.pidfd_open(host))
    except ProcessLookupError:
        return
    if len(watched) > len(children) and os.getppid() == host:
        poller = select.poll()
        for fd in watched:
            poller.register(fd, select.POLLIN)
        poller.poll()

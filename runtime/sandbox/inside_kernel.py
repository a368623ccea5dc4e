"""System calls that Python has no functions for, by ctypes."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import sys
from typing import Any

LINUX = sys.platform.startswith("linux")
MACHINE = platform.machine().replace("amd64", "x86_64").replace("arm64", "aarch64")

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
ALL_NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET

_NUMBERS = {
    "clone": {"x86_64": 56, "aarch64": 220},
    "pivot_root": {"x86_64": 155, "aarch64": 41},
    "capset": {"x86_64": 126, "aarch64": 91},
    "prctl": {"x86_64": 157, "aarch64": 167},
    "seccomp": {"x86_64": 317, "aarch64": 277},
    "mount_setattr": {"x86_64": 442, "aarch64": 442},
    "landlock_create_ruleset": {"x86_64": 444, "aarch64": 444},
    "landlock_add_rule": {"x86_64": 445, "aarch64": 445},
    "landlock_restrict_self": {"x86_64": 446, "aarch64": 446},
}
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38

libc: Any = ctypes.CDLL(None, use_errno=True)
_holding: Any = ctypes.PyDLL(None, use_errno=True)

# Types are declared once: making ctypes objects in each child would touch, and so copy, many pages.
_ARGUMENTS = 6
_syscall: Any = libc["syscall"]
_syscall.argtypes = (ctypes.c_long,) * (1 + _ARGUMENTS)
_syscall.restype = ctypes.c_long


def check(result: int, what: str) -> int:
    """The result of a call, or `OSError` with its errno."""
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def syscall(name: str, *arguments: int) -> int:
    """A system call by name; pointers as numbers.

    Raises:
        OSError: If it fails, or is not known for this machine.
    """
    number = _NUMBERS[name].get(MACHINE)
    if number is None:
        raise OSError(38, f"{name}: unknown on {MACHINE}")
    return check(_syscall(number, *arguments, *(0,) * (_ARGUMENTS - len(arguments))), name)


def address(buffer: Any) -> int:
    """Where a ctypes buffer lies, as an argument of `syscall`; the caller keeps the buffer alive."""
    return ctypes.addressof(buffer)


def fork(flags: int) -> int:
    """Fork, into new namespaces where flags say so; as `os.fork` otherwise."""
    if not flags:
        return os.fork()
    number = _NUMBERS["clone"].get(MACHINE)
    if number is None:
        raise OSError(38, f"clone: unknown on {MACHINE}")
    api = ctypes.pythonapi
    api.PyOS_BeforeFork()
    zeros = [ctypes.c_long(0)] * 4
    pid: int = _holding.syscall(ctypes.c_long(number), ctypes.c_long(flags | signal.SIGCHLD), *zeros)
    if pid == 0:
        api.PyOS_AfterFork_Child()
    else:
        api.PyOS_AfterFork_Parent()
    return check(pid, "clone")


def prctl(option: int, value: int) -> None:
    """A `prctl` with one argument."""
    syscall("prctl", option, value)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; at once if it has ended already."""
    if not LINUX:
        return
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() not in (parent, 0):
        os._exit(1)


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """`mount(2)`."""
    encoded = [None if s is None else s.encode() for s in (source, target, kind)]
    check(libc.mount(*encoded, ctypes.c_ulong(flags), data.encode()), f"mount {target}")


def unmount(target: str, flags: int) -> None:
    """`umount2(2)`."""
    check(libc.umount2(target.encode(), flags), f"unmount {target}")


def drop_capabilities() -> None:
    """Give up every capability."""
    header: Any = (ctypes.c_uint32 * 2)(0x20080522, 0)
    none: Any = (ctypes.c_uint32 * 6)()
    syscall("capset", address(header), address(none))


def address_space_kb() -> int:
    """Address space of this process in KiB; 0 where it cannot be told."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[0]) * resource.getpagesize() // 1024
    except OSError:
        return 0

"""An allow-list of system calls, as a seccomp filter put in place by ctypes.

What is not listed fails with EPERM. Not there on purpose: fork and exec, sockets other than a local pair of streams (a
pair of datagrams sends to any path), signals to anybody else, ptrace, mounts, namespaces, keys, bpf, io_uring, setting
limits or priorities; modes and times of files where others' files are in sight.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Any

from . import inside_kernel as kernel

# name: (x86_64, aarch64); None where the machine has no such call
CALLS: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "open": (2, None), "close": (3, 57), "stat": (4, None), "fstat": (5, 80),
    "lstat": (6, None), "poll": (7, None), "lseek": (8, 62), "mmap": (9, 222), "mprotect": (10, 226),
    "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "pread64": (17, 67), "pwrite64": (18, 68), "readv": (19, 65), "writev": (20, 66),
    "access": (21, None), "pipe": (22, None), "select": (23, None), "sched_yield": (24, 124), "mremap": (25, 216),
    "msync": (26, 227), "mincore": (27, 232), "madvise": (28, 233), "dup": (32, 23), "dup2": (33, None),
    "pause": (34, None), "nanosleep": (35, 101), "getitimer": (36, 102), "alarm": (37, None), "setitimer": (38, 103),
    "getpid": (39, 172), "sendfile": (40, 71), "sendto": (44, 206), "recvfrom": (45, 207), "sendmsg": (46, 211),
    "recvmsg": (47, 212), "shutdown": (48, 210), "getsockname": (51, 204), "getpeername": (52, 205),
    "setsockopt": (54, 208), "getsockopt": (55, 209), "exit": (60, 93), "uname": (63, 160),
    "flock": (73, 32), "fsync": (74, 82), "fdatasync": (75, 83), "truncate": (76, 45), "ftruncate": (77, 46),
    "getdents": (78, None), "getcwd": (79, 17), "chdir": (80, 49), "fchdir": (81, 50), "rename": (82, None),
    "mkdir": (83, None), "rmdir": (84, None), "creat": (85, None), "link": (86, None), "unlink": (87, None),
    "symlink": (88, None), "readlink": (89, None), "umask": (95, 166),
    "gettimeofday": (96, 169), "getrlimit": (97, 163), "getrusage": (98, 165), "sysinfo": (99, 179),
    "times": (100, 153), "getuid": (102, 174), "getgid": (104, 176), "geteuid": (107, 175), "getegid": (108, 177),
    "getppid": (110, 173), "getpgrp": (111, None), "getgroups": (115, 158), "getresuid": (118, 148),
    "getresgid": (120, 150), "getpgid": (121, 155), "getsid": (124, 156), "rt_sigpending": (127, 136),
    "rt_sigtimedwait": (128, 137), "rt_sigsuspend": (130, 133), "sigaltstack": (131, 132),
    "statfs": (137, 43), "fstatfs": (138, 44), "getpriority": (140, 141), "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120), "gettid": (186, 178), "readahead": (187, 213), "time": (201, None),
    "futex": (202, 98), "sched_getaffinity": (204, 123), "epoll_create": (213, None), "getdents64": (217, 61),
    "set_tid_address": (218, 96), "restart_syscall": (219, 128), "fadvise64": (221, 223), "timer_create": (222, 107),
    "timer_settime": (223, 110), "timer_gettime": (224, 108), "timer_getoverrun": (225, 109),
    "timer_delete": (226, 111), "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "exit_group": (231, 94), "epoll_wait": (232, None), "epoll_ctl": (233, 21),
    "openat": (257, 56), "mkdirat": (258, 34), "newfstatat": (262, 79),
    "unlinkat": (263, 35), "renameat": (264, 38), "linkat": (265, 37), "symlinkat": (266, 36), "readlinkat": (267, 78),
    "faccessat": (269, 48), "pselect6": (270, 72), "ppoll": (271, 73),
    "set_robust_list": (273, 99), "get_robust_list": (274, 100), "splice": (275, 76), "tee": (276, 77),
    "epoll_pwait": (281, 22), "timerfd_create": (283, 85), "eventfd": (284, None),
    "fallocate": (285, 47), "timerfd_settime": (286, 86), "timerfd_gettime": (287, 87), "eventfd2": (290, 19),
    "epoll_create1": (291, 20), "dup3": (292, 24), "pipe2": (293, 59), "preadv": (295, 69), "pwritev": (296, 70),
    "getcpu": (309, 168), "renameat2": (316, 276), "getrandom": (318, 278), "memfd_create": (319, 279),
    "membarrier": (324, 283), "mlock2": (325, 284), "copy_file_range": (326, 285), "preadv2": (327, 286),
    "pwritev2": (328, 287), "statx": (332, 291), "rseq": (334, 293), "close_range": (436, 436), "openat2": (437, 437),
    "faccessat2": (439, 439), "epoll_pwait2": (441, 441), "futex_waitv": (449, 449),
}  # fmt: skip
OWN_FILES: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None), "utime": (132, None), "utimes": (235, None), "fchmodat": (268, 53),
}  # fmt: skip
"""Modes and times of files by their path: only where every path that can be changed is the candidate's own. Landlock
does not govern them, and by descriptor they would reach what the candidate was handed."""
_CLONE, _CLONE3 = (56, 220), (435, 435)
_SOCKETPAIR, _KILL, _TGKILL = (53, 199), (62, 129), (234, 131)
_PRCTL, _PRLIMIT, _IOCTL = (157, 167), (302, 261), (16, 29)
_FCNTL, _UTIMENSAT = (72, 25), (280, 88)
_LISTXATTR, _LLISTXATTR = (194, 11), (195, 12)
"""There are no extended attributes, which is what `shutil.copy2` takes for an answer."""

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS, _ENOTSUP = 1, 38, 95
_LOAD, _EQUAL, _AND, _ABOVE, _NOT_BELOW, _RETURN = 0x20, 0x15, 0x54, 0x25, 0x35, 0x06
_JUMP = 0x05
_ELSE = b"else"
_CLONE_THREAD = 0x00010000
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
_PRCTLS = (3, 15, 16, 23, 38, 39)
"""Only asking, and naming the thread: GET_DUMPABLE, SET_NAME, GET_NAME, CAPBSET_READ, SET and GET_NO_NEW_PRIVS."""
_OWNERS = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: the kernel signals whoever is named. The rest of `fcntl` is allowed."""
_EMPTY_PATH = 0x1000
_SET_MODE_FILTER = 1
_PID = 0x7EADBEEF
"""Stands in the compiled filter for the process's own number, which is known last."""


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value & 0xFFFFFFFF)


def _argument(index: int, high: bool = False) -> bytes:
    return _step(_LOAD, 16 + 8 * index + (4 if high else 0))


def _only_if(number: int, *steps: bytes) -> list[bytes]:
    """Where the call's number matches: the steps, which end in a return; the number stays loaded otherwise."""
    return [_step(_EQUAL, number, 0, len(steps)), *steps]


def _one_of(values: tuple[int, ...], argument: int, found: int = _ALLOW) -> list[bytes]:
    other = _ALLOW if found != _ALLOW else _ERRNO | _EPERM
    checks = [_step(_EQUAL, v, len(values) - i, 0) for i, v in enumerate(values)]
    return [_argument(argument), *checks, _step(_RETURN, other), _step(_RETURN, found)]


def build(machine: str, own_files: bool) -> bytes:
    """The filter for a machine, with `_PID` where the process's own number belongs.

    Args:
        machine: "x86_64" or "aarch64".
        own_files: Whether all files that can be changed are the candidate's own: it may change their modes and times.

    Raises:
        OSError: If the machine is not known.
    """
    if machine not in _ARCH:
        raise OSError(_ENOSYS, f"no system call filter for {machine}")
    column = 0 if machine == "x86_64" else 1
    deny, allow = _step(_RETURN, _ERRNO | _EPERM), _step(_RETURN, _ALLOW)
    steps = [_step(_LOAD, 4), _step(_EQUAL, _ARCH[machine], 1, 0), deny, _step(_LOAD, 0)]
    calls = [*CALLS.values(), *(OWN_FILES.values() if own_files else ())]
    numbers = sorted(n[column] for n in calls if n[column] is not None)  # type: ignore[type-var]
    steps += _search(_runs([n for n in numbers if n is not None]))
    thread = [_argument(0), _step(_AND, _CLONE_THREAD), _step(_EQUAL, _CLONE_THREAD, 1, 0), deny, allow]
    steps += _only_if(_CLONE[column] or 0, *thread)
    steps += _only_if(_CLONE3[column] or 0, _step(_RETURN, _ERRNO | _ENOSYS))
    for call in (_LISTXATTR, _LLISTXATTR):
        steps += _only_if(call[column] or 0, _step(_RETURN, _ERRNO | _ENOTSUP))
    stream = [_argument(1), _step(_AND, 0xF), *_one_of((1,), 1)[1:]]
    steps += _only_if(_SOCKETPAIR[column] or 0, _argument(0), _step(_EQUAL, 1, 1, 0), deny, *stream)
    steps += _only_if(_FCNTL[column] or 0, *_one_of(_OWNERS, 1, _ERRNO | _EPERM))
    if own_files:
        by_path = [
            _argument(1),
            _step(_EQUAL, 0, 0, 3),
            _argument(1, high=True),
            _step(_EQUAL, 0, 0, 1),
            deny,
        ]
        flags = [_argument(3), _step(_AND, _EMPTY_PATH), _step(_EQUAL, 0, 1, 0), deny, allow]
        steps += _only_if(_UTIMENSAT[column] or 0, *by_path, *flags)
    for call in (_KILL, _TGKILL):
        steps += _only_if(call[column] or 0, *_one_of((_PID,), 0))
    steps += _only_if(_PRCTL[column] or 0, *_one_of(_PRCTLS, 0))
    steps += _only_if(_IOCTL[column] or 0, *_one_of(_IOCTLS, 1))
    asks = [
        _argument(2),
        _step(_EQUAL, 0, 1, 0),
        deny,
        _argument(2, high=True),
        _step(_EQUAL, 0, 1, 0),
        deny,
        allow,
    ]
    steps += _only_if(_PRLIMIT[column] or 0, *asks)
    return b"".join([*steps, deny])


def _search(runs: list[tuple[int, int]]) -> list[bytes]:
    """Allow what lies in one of the runs, found by halving; else go on behind, the number still loaded.

    Short ways count: the kernel walks them for every call there is when a filter is put in place.
    """
    tree = _halved(runs)
    return [step if step != _ELSE else _step(_JUMP, len(tree) - i - 1) for i, step in enumerate(tree)]


def _halved(runs: list[tuple[int, int]]) -> list[bytes]:
    if len(runs) == 1:
        low, high = runs[0]
        allow = _step(_RETURN, _ALLOW)
        if low == high:
            return [_step(_EQUAL, low, 0, 1), allow, _ELSE]
        return [_step(_NOT_BELOW, low, 0, 2), _step(_ABOVE, high, 1, 0), allow, _ELSE]
    middle = len(runs) // 2
    below, above = _halved(runs[:middle]), _halved(runs[middle:])
    return [_step(_NOT_BELOW, runs[middle][0], 0, 1), _step(_JUMP, len(below)), *below, *above]


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for n in numbers:
        if found and found[-1][1] == n - 1:
            found[-1] = (found[-1][0], n)
        else:
            found.append((n, n))
    return found


class Filter:
    """A compiled filter, to be put in place in children.

    Args:
        own_files: As for `build`.
    """

    def __init__(self, own_files: bool) -> None:
        code = build(kernel.MACHINE, own_files)
        self._words: Any = (ctypes.c_uint32 * (len(code) // 4)).from_buffer_copy(code)
        self._places = [i for i, word in enumerate(self._words) if word == _PID]
        self._program = _Program(len(code) // 8, kernel.address(self._words))
        self._address = kernel.address(self._program)

    def enforce(self, pid: int) -> None:
        """Put it in place, for this process and all its threads, for good.

        Raises:
            OSError: If the kernel refuses.
        """
        for place in self._places:
            self._words[place] = pid
        kernel.syscall("seccomp", _SET_MODE_FILTER, 0, self._address)

"""The view of a server in namespaces of its own: a file system with nothing in it but Python, no network, no /proc.

Made once per worker. The child is confined further, by seccomp and, where there is Landlock, by that.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
from typing import Any

from . import inside_kernel as kernel

_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC = 1, 2, 4, 8, 32, 4096, 16384
_PRIVATE = 1 << 18
_DETACH = 2
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000
BOX = "/tmp"
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/dev/full")


def map_user(uid: int, gid: int) -> None:
    """Map the caller to itself in its new user namespace."""
    with contextlib.suppress(OSError):
        _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")


def build_root(readable: list[str], hidden: list[str], box_bytes: int) -> None:
    """Move to a new root that holds the readable paths, read-only, and an empty writable /tmp.

    Args:
        readable: Absolute paths to be seen at their own place.
        hidden: Folders beneath them that appear empty.
        box_bytes: Size of /tmp.

    Raises:
        OSError: If the kernel refuses a step.
    """
    kernel.mount("none", "/", None, _REC | _PRIVATE)
    sources = {path: os.open(path, os.O_PATH) for path in [*readable, *DEVICES] if os.path.exists(path)}
    links = {p: os.readlink(p) for p in ("/lib", "/lib64", "/bin") if os.path.islink(p)}
    root = "/tmp" if os.path.isdir("/tmp") else "/dev"
    kernel.mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, "mode=755,size=1m")
    for path in sorted(sources):
        if any(path.startswith(link + "/") or path == link for link in links):
            continue
        _bind(sources[path], root + path)
    for link, target in links.items():
        with contextlib.suppress(OSError):
            os.symlink(target, root + link)
    for path in hidden:
        if os.path.isdir(root + path):
            kernel.mount("tmpfs", root + path, "tmpfs", _RDONLY | _NOSUID | _NODEV, "size=4k")
    os.makedirs(root + BOX, exist_ok=True)
    kernel.mount("tmpfs", root + BOX, "tmpfs", _NOSUID | _NODEV | _NOEXEC, box_options(box_bytes))
    for fd in sources.values():
        os.close(fd)
    os.chdir(root)
    kernel.syscall("pivot_root", ctypes.c_char_p(b"."), ctypes.c_char_p(b"."))
    kernel.unmount(".", _DETACH)
    kernel.mount(None, "/", None, _REMOUNT | _RDONLY | _NOSUID | _NODEV)
    os.chdir(BOX)


def box_options(size: int) -> str:
    """Mount options of the candidate's folder."""
    return f"mode=700,size={size},nr_inodes=4096"


def fresh_box(size: int) -> None:
    """Put a new, empty folder in the place of the used one."""
    os.chdir("/")
    kernel.unmount(BOX, _DETACH)
    kernel.mount("tmpfs", BOX, "tmpfs", _NOSUID | _NODEV | _NOEXEC, box_options(size))
    os.chdir(BOX)


def _bind(source: int, target: str) -> None:
    folder = stat.S_ISDIR(os.fstat(source).st_mode)
    if folder:
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
    kernel.mount(f"/proc/self/fd/{source}", target, None, _BIND | _REC)
    _protect(target, device=target.endswith(DEVICES))


def _protect(target: str, device: bool) -> None:
    wanted = _ATTR_NOSUID | (0 if device else _ATTR_RDONLY | _ATTR_NODEV)
    attributes = struct.pack("4Q", wanted, 0, 0, 0)
    buffer: Any = ctypes.create_string_buffer(attributes, len(attributes))
    path = ctypes.c_char_p(target.encode())
    try:
        kernel.syscall("mount_setattr", -100, path, _AT_RECURSIVE, ctypes.byref(buffer), len(attributes))
    except OSError as error:
        if error.errno != 38 or device:
            raise
        kept = os.statvfs(target).f_flag & (_NOSUID | _NODEV | _NOEXEC | 1024 | 2048)
        kernel.mount(None, target, None, _REMOUNT | _BIND | _RDONLY | _NOSUID | kept)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)

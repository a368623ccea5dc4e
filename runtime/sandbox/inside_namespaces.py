"""The view of a server in namespaces of its own: a file system with nothing in it but Python, no network, no /proc.

Made once per worker. The child is confined further, by seccomp and, where there is Landlock, by that.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
import sys
from typing import Any, cast

from . import inside_kernel as kernel

_RDONLY, _NOSUID, _NODEV, _NOEXEC, _REMOUNT, _BIND, _REC = 1, 2, 4, 8, 32, 4096, 16384
_PRIVATE = 1 << 18
_DETACH = 2
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000
BOX = "/tmp"
MOVED = "/readable"
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
        readable: Absolute paths to be seen at their own place, or where `relocated` says.
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
        _bind(sources[path], root + relocated(path))
    for link, target in links.items():
        with contextlib.suppress(OSError):
            os.symlink(target, root + link)
    for path in hidden:
        if os.path.isdir(root + relocated(path)):
            kernel.mount("tmpfs", root + relocated(path), "tmpfs", _RDONLY | _NOSUID | _NODEV, "size=4k")
    os.makedirs(root + BOX, exist_ok=True)
    kernel.mount(
        "tmpfs", root + BOX, "tmpfs", _NOSUID | _NODEV | _NOEXEC, f"mode=700,size={box_bytes},nr_inodes=4096"
    )
    for fd in sources.values():
        os.close(fd)
    os.chdir(root)
    here: Any = ctypes.create_string_buffer(b".")
    kernel.syscall("pivot_root", kernel.address(here), kernel.address(here))
    kernel.unmount(".", _DETACH)
    kernel.mount(None, "/", None, _REMOUNT | _RDONLY | _NOSUID | _NODEV)
    os.chdir(BOX)
    _import_from_new_places()


def relocated(path: str) -> str:
    """Where a readable path is seen in the new root: what lies beneath /tmp would be hidden by the empty one."""
    return MOVED + path if path.startswith(BOX + "/") else path


def _import_from_new_places() -> None:
    """Have packages that lay beneath /tmp imported from where the new root shows them."""
    sys.path[:] = [relocated(entry) for entry in sys.path]
    for module in list(sys.modules.values()):
        places = getattr(module, "__path__", None)
        if isinstance(places, list):
            places[:] = [relocated(str(place)) for place in cast("list[Any]", places)]


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
    # A device can be written all the same.
    wanted = _ATTR_NOSUID | _ATTR_RDONLY | (0 if device else _ATTR_NODEV)
    attributes = struct.pack("4Q", wanted, 0, 0, 0)
    buffer: Any = ctypes.create_string_buffer(attributes, len(attributes))
    path: Any = ctypes.create_string_buffer(target.encode())
    try:
        kernel.syscall(
            "mount_setattr",
            -100,
            kernel.address(path),
            _AT_RECURSIVE,
            kernel.address(buffer),
            len(attributes),
        )
    except OSError as error:
        if error.errno != 38 or device:
            raise
        kept = os.statvfs(target).f_flag & (_NOSUID | _NODEV | _NOEXEC | 1024 | 2048)
        kernel.mount(None, target, None, _REMOUNT | _BIND | _RDONLY | _NOSUID | kept)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)

"""Landlock: which files a child may read and write, and no TCP; works for ordinary users and in containers."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any

from . import inside_kernel as kernel

_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_MAKE = (1 << 4) | (1 << 5) | (1 << 7) | (1 << 8) | (1 << 12)
"""Remove folders and files; make folders, regular files, symbolic links. No devices, sockets, pipes."""
_WRITE_FILE = 1 << 1
_FIRST_ABI = (1 << 13) - 1
_NET = 0b11
_SCOPE = 0b11
_VERSION = 1
_PATH_BENEATH = 1


def abi() -> int:
    """The kernel's Landlock version; 0 where there is none. Asked of the system call itself."""
    try:
        return kernel.syscall("landlock_create_ruleset", 0, 0, _VERSION)
    except OSError:
        return 0


class Ruleset:
    """A set of rules, made once per worker and put in place in each child.

    Args:
        readable: Files and folders to be read, with all beneath.
        listable: Folders whose names, not contents, may be read.
        writable: Folders to be written.

    Raises:
        OSError: If the kernel has no Landlock.
    """

    def __init__(self, readable: list[str], listable: list[str], writable: list[str]) -> None:
        version = abi()
        if version < 1:
            raise OSError(38, "the kernel has no Landlock")
        self._files = _FIRST_ABI
        if version >= 2:
            self._files |= _REFER
        if version >= 3:
            self._files |= _TRUNCATE
        if version >= 5:
            self._files |= _IOCTL_DEV
        fields = [self._files]
        if version >= 4:
            fields.append(_NET)
        if version >= 6:
            fields.append(_SCOPE)
        attributes = struct.pack(f"{len(fields)}Q", *fields)
        buffer: Any = ctypes.create_string_buffer(attributes, len(attributes))
        self.fd = kernel.syscall("landlock_create_ruleset", kernel.address(buffer), len(attributes), 0)
        for path in readable:
            self._allow(path, _READ_FILE | _READ_DIR)
        for path in listable:
            self._allow(path, _READ_DIR)
        for path in writable:
            self._allow(path, _READ_FILE | _READ_DIR | _WRITE_FILE | _MAKE | _TRUNCATE | _REFER)

    def _allow(self, path: str, access: int) -> None:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            return
        try:
            if not os.path.isdir(path):
                access &= _READ_FILE | _WRITE_FILE | _TRUNCATE
            rule = struct.pack("=Qi", access & self._files, fd)
            buffer: Any = ctypes.create_string_buffer(rule, len(rule))
            kernel.syscall("landlock_add_rule", self.fd, _PATH_BENEATH, kernel.address(buffer), 0)
        finally:
            os.close(fd)

    def allow_writing(self, path: str) -> None:
        """Let a device be written, such as /dev/null."""
        self._allow(path, _READ_FILE | _WRITE_FILE | _TRUNCATE)

    def enforce(self) -> None:
        """Put the rules in place for this thread, for good; needs no_new_privs.

        Raises:
            OSError: If the kernel refuses.
        """
        kernel.syscall("landlock_restrict_self", self.fd, 0)

"""Standard streams of a child: fresh ones, a standard input with a text in it, capturing what is printed."""

from __future__ import annotations

import builtins
import io
import os
import sys


class Capture:
    """Collects what is written to standard output, by `print` or by the raw descriptor."""

    def __enter__(self) -> Capture:
        flush()
        self._saved = os.dup(1)
        self._file = (
            os.memfd_create("out")
            if hasattr(os, "memfd_create")
            else os.open("stdout.capture", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        )
        os.dup2(self._file, 1)
        self.text = ""
        return self

    def read(self) -> str:
        """What was written so far."""
        size = os.fstat(self._file).st_size
        return os.pread(self._file, size, 0).decode("utf-8", "backslashreplace")

    def __exit__(self, *_: object) -> None:
        flush()
        self.text = self.read()
        os.dup2(self._saved, 1)
        os.close(self._saved)
        os.close(self._file)


def flush() -> None:
    """Push out what the candidate printed; what it did to its streams is its own affair."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()  # type: ignore[union-attr]
        except Exception:  # noqa: BLE001 - a replaced or closed stream
            continue


def set_stdin(text: str) -> None:
    """Give the candidate a standard input, both as `sys.stdin` and as descriptor 0."""
    data = text.encode("utf-8", "surrogatepass")
    if text and hasattr(os, "memfd_create"):
        fd = os.memfd_create("in")
        os.write(fd, data)
        os.lseek(fd, 0, os.SEEK_SET)
        os.dup2(fd, 0)
        os.close(fd)
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), "utf-8", errors="surrogateescape")  # type: ignore[arg-type]
        return
    sys.stdin = io.TextIOWrapper(io.BytesIO(data), "utf-8", errors="surrogateescape")


def open_streams() -> None:
    """Fresh text streams on descriptors 1 and 2."""
    sys.stdout = io.TextIOWrapper(
        io.FileIO(1, "w", closefd=False), "utf-8", errors="backslashreplace", line_buffering=False
    )  # type: ignore[arg-type]
    sys.stderr = io.TextIOWrapper(
        io.FileIO(2, "w", closefd=False), "utf-8", errors="backslashreplace", line_buffering=True
    )  # type: ignore[arg-type]
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]


def add_leavers() -> None:
    """`exit` and `quit`, which come from `site` otherwise."""
    for name in ("exit", "quit"):
        if not hasattr(builtins, name):
            setattr(builtins, name, _leave)


def _leave(code: object = None) -> None:
    raise SystemExit(code)

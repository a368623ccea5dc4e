"""What a child holds that no limit of its own counts: files without a name, and threads."""

from __future__ import annotations

import os

from .inside_priority import outer, read


def held_by(child: int, proc_fd: int) -> tuple[int, int]:
    """Bytes of open files that have no name, memory as a rule, and the number of threads; zeros where unknown.

    Args:
        child: Its process id, as this process knows it.
        proc_fd: The /proc of the outermost namespace.
    """
    try:
        place = outer(child, proc_fd)
        status = read(proc_fd, f"{place}/status")
        threads = int(status.partition("\nThreads:")[2].split(None, 1)[0])
        folder = os.open(f"{place}/fd", os.O_RDONLY, dir_fd=proc_fd)
    except (OSError, ValueError, IndexError):
        return 0, 0
    held: dict[tuple[int, int], int] = {}
    try:
        for name in os.listdir(folder):
            try:
                found = os.stat(name, dir_fd=folder)
            except OSError:
                continue
            if not found.st_nlink:
                held[found.st_dev, found.st_ino] = found.st_blocks * 512
    except OSError:
        pass
    finally:
        os.close(folder)
    return sum(held.values()), threads

"""The programs that the sandbox is measured with, and how their time is taken."""

from __future__ import annotations

import json
import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

from greenloop.runtime.execution import Candidate
from greenloop.testing.sandbox_soak import descendants

ASSERTS = 5
Program = tuple[Candidate, list[str], str]


def programs(count: int) -> list[Program]:
    """Small functions with five assertions each, as (candidate, tests) and as one source."""
    made: list[Program] = []
    for i in range(count):
        name = f"solve_{i}"
        code = f"def {name}(n):\n    total = 0\n    for k in range(n):\n        total += k * {i}\n    return total\n"
        cases = [[n, i * n * (n - 1) // 2] for n in range(1, ASSERTS + 1)]
        tests = [f"assert {name}({n}) == {want}" for n, want in cases]
        whole = code + "\n".join(tests) + f"\n# {json.dumps([name, cases])}\n"
        made.append((Candidate(code, name), tests, whole))
    return made


def timed(work: Callable[[Program], bool], todo: list[Program], workers: int) -> float:
    """Seconds for all programs with so many threads; every one must pass."""
    left = list(todo)
    wrong: list[str] = []

    def go() -> None:
        while True:
            try:
                program = left.pop()
            except IndexError:
                return
            if not work(program):
                wrong.append(program[0].entry_point)

    threads = [threading.Thread(target=go) for _ in range(workers)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    if wrong:
        raise SystemExit(f"programs that must pass did not: {wrong[:3]}")
    return seconds


def children() -> set[str]:
    """Process ids of this process's own children: the launchers of workers."""
    return {pid for task in Path("/proc/self/task").glob("*/children") for pid in task.read_text().split()}


def processor_s() -> float:
    """Processor seconds of this process and of all that it started."""
    total = time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    for pid in descendants():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(n) for n in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return total

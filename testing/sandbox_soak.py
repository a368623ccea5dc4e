"""Many programs through one sandbox, a tenth of them hostile: what became of them, and what they left behind."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..runtime.execution import Candidate, Execution
from .hostile import HOSTILE, Hostile

SHORT_S = 0.4
"""Wall limit of attacks that can only end by it."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process and its descendants hold; zeros where /proc is missing.

    Attributes:
        programs: How many programs had been started.
        memory_mb: Proportional memory of the descendants, in MB.
        processes: Descendants.
        descriptors: Open descriptors of this process.
        threads: Threads of this process.
    """

    programs: int
    memory_mb: float
    processes: int
    descriptors: int
    threads: int


@dataclass(slots=True)
class Soaked:
    """What a soak showed.

    Attributes:
        outcomes: How many programs ended in each outcome.
        wrong: Programs that ended otherwise than they must, in a line each.
        footprints: Taken ten times on the way.
        files: What the programs left in the folder for temporary files.
    """

    outcomes: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])
    footprints: list[Footprint] = field(default_factory=list[Footprint])
    files: list[str] = field(default_factory=list[str])


def soak(
    sandbox: Any, count: int, *, threads: int = 2, report: Callable[[Footprint], None] = lambda _: None
) -> Soaked:
    """Push programs through a sandbox: nine harmless ones, then an attack, and so on through the hostile list.

    Args:
        sandbox: Anything with `run` as `Sandbox.run`.
        count: How many programs.
        threads: Programs at a time.
        report: Told each footprint as it is taken.
    """
    found = Soaked()
    lock = threading.Lock()
    numbers = iter(range(count))
    files = set(os.listdir(tempfile.gettempdir()))

    def work() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            if number % max(1, count // 10) == 0:
                step = footprint(number)
                with lock:
                    found.footprints.append(step)
                report(step)
            name, execution, right = _run(sandbox, number)
            with lock:
                found.outcomes[execution.outcome] += 1
                if execution.outcome not in right or "LEAK" in execution.stdout:
                    found.wrong.append(f"{name}: {execution.outcome}: {execution.message}")

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    found.files = sorted(set(os.listdir(tempfile.gettempdir())) - files)
    return found


def _run(sandbox: Any, number: int) -> tuple[str, Execution, Sequence[str] | frozenset[str]]:
    if number % 10 == 9:
        attack = _quick(HOSTILE[number // 10 % len(HOSTILE)])
        aimed = attack.aimed(home="/home", canary="/etc/shadow", port=9, pid=os.getpid())
        return attack.name, sandbox.run(aimed, attack.tests, attack.limits), attack.outcomes
    code = f"def solve(n):\n    total = 0\n    for k in range(n):\n        total += k * {number}\n    return total\n"
    tests = [f"assert solve({n}) == {number * n * (n - 1) // 2}" for n in range(1, 6)]
    return f"program {number}", sandbox.run(Candidate(code, "solve"), tests), ("passed",)


def _quick(attack: Hostile) -> Hostile:
    if attack.outcomes != frozenset({"timeout"}) or attack.limits.cpu_s < attack.limits.wall_s:
        return attack
    return replace(attack, limits=replace(attack.limits, wall_s=min(SHORT_S, attack.limits.wall_s)))


def descendants() -> set[int]:
    """Process ids of all descendants of this process; none where /proc is missing."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    mine, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in mine} - mine
        grown = bool(more)
        mine |= more
    return mine - {os.getpid()}


def tree_memory_mb() -> float:
    """Proportional memory of all descendants of this process, in MB."""
    total = 0
    for pid in descendants():
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def footprint(programs: int) -> Footprint:
    """What this process and its descendants hold now."""
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    return Footprint(programs, tree_memory_mb(), len(descendants()), descriptors, threading.active_count())

"""What a second worker and a second processor bring, told apart.

One worker uses more than one processor: the next candidate's process is made while its predecessor is judged. So one
worker against two on the same processors says how much of the machine one worker leaves idle; what scales is seen where
each worker has one processor more.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager

from greenloop.runtime.sandbox import Sandbox
from sandbox_work import Program, processor_s, programs, timed


@contextmanager
def processors(which: set[int] | None) -> Generator[None]:
    """Keep this thread, and what it starts, on some processors; None leaves all."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, which or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measured(todo: list[Program], workers: int, which: set[int] | None) -> tuple[float, float]:
    """Programs per second, and how many processors were busy."""
    with processors(which), Sandbox(workers=workers) as sandbox:

        def work(program: Program) -> bool:
            return sandbox.run(program[0], program[1]).passed

        timed(work, todo[: 4 * workers], workers)
        before = processor_s()
        seconds = timed(work, todo, workers)
        return len(todo) / seconds, (processor_s() - before) / seconds


def scaling(count: int, rounds: int) -> None:
    """Print programs per second of one and two workers, on all processors and with one processor each."""
    todo = programs(count)
    allowed = sorted(os.sched_getaffinity(0))
    ways: dict[str, tuple[int, set[int] | None]] = {
        f"1 worker, {len(allowed)} processors": (1, None),
        f"2 workers, {len(allowed)} processors": (2, None),
        "1 worker, 1 processor": (1, set(allowed[:1])),
        "2 workers, 2 processors": (2, set(allowed[:2])),
    }
    best: dict[str, tuple[float, float]] = {}
    for _ in range(rounds):
        for name, (workers, which) in ways.items():
            best[name] = max(best.get(name, (0.0, 0.0)), measured(todo, workers, which))
    print("\nscaling of the default tier")
    for name, (rate, busy) in best.items():
        print(f"  {name:26} {rate:6.0f}/s, {busy:.2f} processors busy")
    one, two = (best[f"{w}, {len(allowed)} processors"][0] for w in ("1 worker", "2 workers"))
    lone, pair = best["1 worker, 1 processor"][0], best["2 workers, 2 processors"][0]
    print(f"  {two / one:5.2f}× from one worker to two on the same processors")
    print(f"  {pair / lone:5.2f}× from one worker on one processor to two on two  (goal ≥ 1.7×)", flush=True)

"""How long a report of many attempts takes, how much memory it needs, and how large the HTML file is.

Run as ``python benchmarks/report.py [--attempts 100000]``; the exit code is 1 where a goal is missed. The attempts are
made up, written into a store's ledger first (not counted), and read from there in a process of its own, so that its
memory is the report's alone.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROGRAMS = 4
ATTEMPTS_PER_RUN = 4
TASKS = 427
FAILURES = [("failed", "AssertionError"), ("error", "NameError"), ("error", "TypeError"), ("timeout", None)]


def code(dice: random.Random, task: int) -> str:
    """Some thirty lines of made-up Python."""
    body = [f"    step_{i} = {dice.randrange(40)} + len(str(values)) * {i}  # task {task}" for i in range(24)]
    return "\n".join(
        [
            "from typing import List",
            "",
            f"def solve_{task}(values: List[int]) -> int:",
            *body,
            "    return step_0",
        ]
    )


def attempt(dice: random.Random, number: int, source: str) -> dict[str, Any]:
    """One attempt as the ledger holds it."""
    passed = dice.random() < 0.3
    outcome, error_type = ("passed", None) if passed else dice.choice(FAILURES)
    tests = [
        {
            "test": f"assert solve(x) == {i}",
            "passed": passed,
            "call": "solve(x)",
            "got": "1",
            "expected": str(i),
        }
        for i in range(3)
    ]
    execution = {
        "outcome": outcome,
        "error_type": error_type,
        "message": "what went wrong",
        "line": 4,
        "tests": tests,
    }
    return {
        "code": source,
        "stage": "refine" if number else "generate",
        "iteration": number,
        "execution": {**execution, "tests_total": 3, "tier": "namespaces", "mode": "apart"},
        "model": "made-up",
        "sampling": {"temperature": 0.3, "max_tokens": 512},
        "seed": dice.randrange(2**31),
        "usage": {"calls": 1, "tokens_in": 300, "tokens_out": 200, "model_seconds": 2.0},
        "answer": source,
        "feedback": "",
        "truncated": False,
        "flags": [],
        "call_keys": [],
    }


def fill(url: str, attempts: int) -> None:
    """Write the ledger."""
    from greenloop.runtime.store import open_store

    dice = random.Random(0)
    with open_store(url) as store:
        for run in range(attempts // ATTEMPTS_PER_RUN):
            program, rest = run % PROGRAMS, run // PROGRAMS
            task, replicate = rest % TASKS, rest // TASKS
            lines = code(dice, task).splitlines()
            made: list[dict[str, Any]] = []
            for number in range(ATTEMPTS_PER_RUN):
                lines[dice.randrange(3, len(lines))] = f"    changed = {dice.randrange(10**6)}"
                made.append(attempt(dice, number, "\n".join(lines)))
            outcome = made[-1]["execution"]["outcome"]
            usage = {"calls": 4, "tokens_in": 1200, "tokens_out": 800, "model_seconds": 8.0}
            row = {"program": f"{program:02d}" * 32, "task_id": f"Task/{task}", "task_digest": f"{task:016x}"}
            row |= {
                "replicate": replicate,
                "steering": "visible",
                "seed": 0,
                "score": float(outcome == "passed"),
            }
            row |= {"outcome": outcome, "steering_outcome": outcome, "chosen": 3, "usage": usage}
            store.record_run(row, made)


def measure(url: str, folder: str) -> None:
    """Build and write the report; print the figures as JSON."""
    from greenloop.evals.report import build_report, rows_from_store, write
    from greenloop.runtime.store import open_store

    started, busy = time.perf_counter(), time.process_time()
    with open_store(url) as store:
        rows = rows_from_store(store)
    read = time.perf_counter()
    report = build_report(rows)
    built = time.perf_counter()
    written = write(report, Path(folder) / "report.html")
    ended = time.perf_counter()
    pages = sum(page.stat().st_size for page in written.pages)
    figures = {
        "attempts": report.attempts,
        "read_s": read - started,
        "build_s": built - read,
        "write_s": ended - built,
        "total_s": ended - started,
        "cpu_s": time.process_time() - busy,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "html_mb": written.html.stat().st_size / 1e6,
        "pages": len(written.pages),
        "pages_mb": pages / 1e6,
    }
    print(json.dumps(figures))


GOALS = {"total_s": 60, "memory_mb": 1000, "html_mb": 15}
"""Figures of 100,000 attempts stay under these."""


def main() -> int:
    """Fill a store, then measure in a fresh process; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=100_000)
    parser.add_argument("--measure", nargs=2, metavar=("URL", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(*arguments.measure)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/ledger.db"
        fill(url, arguments.attempts)
        command = [sys.executable, __file__, "--measure", url, folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    f = json.loads(done.stdout.splitlines()[-1])
    print(f"{f['attempts']:,} attempts: {f['total_s']:.1f} s (goal < 60), {f['cpu_s']:.1f} s of it computing")
    print(
        f"  reading the ledger {f['read_s']:.1f} s, counting {f['build_s']:.1f} s, writing {f['write_s']:.1f} s"
    )
    print(f"  memory {f['memory_mb']:.0f} MB (goal < 1000)")
    print(
        f"  HTML {f['html_mb']:.1f} MB (goal < 15), and {f['pages']} linked pages of {f['pages_mb']:.0f} MB in all"
    )
    return int(any(f[name] >= most for name, most in GOALS.items()))


if __name__ == "__main__":
    sys.exit(main())

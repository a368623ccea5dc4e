"""Seconds that `import greenloop` takes, beside the import of the libraries that it loads on first use.

Run it:  python benchmarks/import_time.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

RUNS = 9
GOAL_S = 0.15


def seconds(statement: str) -> float:
    """Median wall seconds of a fresh interpreter that runs the statement."""
    taken: list[float] = []
    offline = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True, env=offline)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main() -> None:
    bare = seconds("pass")
    rows = {name: seconds(f"import {name}") - bare for name in ("greenloop", "dspy", "litellm", "optuna")}
    print(f"bare interpreter: {bare:.3f} s (median of {RUNS}, subtracted from what follows)")
    for name, taken in rows.items():
        print(f"import {name:10} {taken:.3f} s")
    print(f"dspy / greenloop: {rows['dspy'] / max(rows['greenloop'], 1e-4):.0f} times")
    print(f"goal: import greenloop under {GOAL_S} s: {'met' if rows['greenloop'] < GOAL_S else 'missed'}")


if __name__ == "__main__":
    main()

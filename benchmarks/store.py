"""How long the store takes when it is full: a million stored calls.

Fills a SQLite store with answers of a usual size, then measures look-ups of present and absent keys, first
answers (a claim, an insert, a release), the same from eight threads, and the process's memory before and
after. Look-ups have to stay under a millisecond, and memory flat.

Run it with `python benchmarks/store.py`; a million rows take one to two minutes and 2 GB of disk, `--rows`
fewer.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from greenloop.runtime.store import Store, open_store, schema
from sqlalchemy import insert

_BATCH = 5000


def key(number: int) -> str:
    """The key of row `number`."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def content(number: int) -> dict[str, Any]:
    """An answer with its prompt, some 1.5 kB as JSON."""
    prompt = f"Write a function that solves task {number}. " * 20
    return {
        "text": f"def solve_{number}(x):\n    return x + {number}\n" * 8,
        "tokens_in": 240,
        "tokens_out": 160,
        "seconds": 1.0,
        "messages": [{"role": "user", "content": prompt}],
        "model": "ollama:some-model",
    }


def fill(store: Store, rows: int) -> None:
    """Write `rows` answers in large transactions."""
    for start in range(0, rows, _BATCH):
        batch = [
            {"key": key(n), "made_at": 1.0, "content": json.dumps(content(n)), "label": "ollama:some-model"}
            for n in range(start, min(start + _BATCH, rows))
        ]
        with store.writer.begin() as connection:
            connection.execute(insert(schema.answers), batch)


def memory_mb() -> float:
    """The process's memory now, in MiB."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


def timed(name: str, work: Callable[[int], Any], numbers: list[int], threads: int = 1) -> float:
    """Print median and 99th percentile of one call of `work`, in ms; the median."""

    def one(number: int) -> float:
        started = time.perf_counter()
        work(number)
        return (time.perf_counter() - started) * 1000

    started = time.perf_counter()
    if threads == 1:
        times = [one(n) for n in numbers]
    else:
        with ThreadPoolExecutor(threads) as pool:
            times = list(pool.map(one, numbers))
    rate = len(numbers) / (time.perf_counter() - started)
    ordered = sorted(times)
    print(
        f"{name:<40} median {statistics.median(times):6.3f} ms, p99 {ordered[int(len(ordered) * 0.99)]:6.3f} ms, "
        f"{rate:8.0f}/s"
    )
    return statistics.median(times)


def main() -> None:
    """Fill a store and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=5000)
    given = parser.parse_args()
    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/s.db") as store:
        started = time.perf_counter()
        fill(store, given.rows)
        print(f"{given.rows} rows written in {time.perf_counter() - started:.0f} s")
        before = memory_mb()
        present = [draw.randrange(given.rows) for _ in range(given.calls)]
        absent = list(range(given.rows, given.rows + given.calls))
        found = timed("look-up, present", lambda n: store.answer(key(n)), present)
        timed("look-up, absent", lambda n: store.answer(key(n)), absent)
        timed("look-up, present, 8 threads", lambda n: store.answer(key(n)), present, threads=8)
        few = absent[: given.calls // 5]
        timed("first answer", lambda n: store.first_answer(key(n), lambda: content(n)), few)
        more = [n + given.calls for n in few]
        timed("first answer, 8 threads", lambda n: store.first_answer(key(n), lambda: content(n)), more, 8)
        print(f"memory before {before:.0f} MB, after {memory_mb():.0f} MB")
    raise SystemExit(0 if found < 1 else 1)


if __name__ == "__main__":
    main()

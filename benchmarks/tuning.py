"""How good the tuner is, on programs whose truth is known. Everything here is SIMULATED: no figure of a real model.

    python benchmarks/tuning.py                                    30 seeds
    python benchmarks/tuning.py --quick                            5 seeds
    python benchmarks/tuning.py --seeds 0-9 --rows rows.jsonl      a piece: what is in the file is not run again, and
                                                                   the tables are of all seeds in it

(a) Model calls for 40 trials, with stored answers and racing, against Optuna over plain evaluation, and the true score
    of what each chooses.
(b) True score of what is returned at equal tokens, as regret against the best reachable configuration. Every method
    has the same budget in all: the tuner's holds its finalists; the others search with all of it and return what scored
    best once. Only the tuner says what its choice is worth, for which a confirmation pays extra: so plain search stands
    there with these tokens added, too. What a confirmation reports is held against the truth in ten of them.
(c) How often the best assignment of models to stages is found where one is known.
"""

from __future__ import annotations

import os

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # two processes with small matrices: more threads only get in the way

import argparse
import hashlib
import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import greenloop as gl
import optuna
from tuning_parts import PARTS
from tuning_tables import print_assignment, print_calls, print_regret

Row = dict[str, Any]


def code() -> str:
    """Hash of what is measured and of what measures: rows of other code are not mixed with these."""
    root = Path(gl.__file__).parent
    files = [*root.glob("optimizers/**/*.py"), *root.glob("testing/simulated_*.py")]
    files += Path(__file__).parent.glob("tuning*.py")
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda one: one.name):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def rows_in(file: Path | None, of: str) -> list[Row]:
    """The rows that an earlier piece left."""
    if file is None or not file.exists():
        return []
    rows: list[Row] = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]
    if any(row["code"] != of for row in rows):
        raise SystemExit(f"{file} holds rows of other code: give --rows another name")
    return rows


def run(parts: str, seeds: range, file: Path | None, workers: int) -> list[Row]:
    """The rows of these seeds, and all that the file holds beside them."""
    of = code()
    rows = rows_in(file, of)
    done = {(row["part"], row["seed"]) for row in rows}
    with ProcessPoolExecutor(workers, initializer=quiet) as pool:
        todo = {
            pool.submit(PARTS[part], seed): (part, seed)
            for part in parts
            for seed in seeds
            if (part, seed) not in done
        }
        for one in as_completed(todo):
            part, seed = todo[one]
            rows.append({"part": part, "seed": seed, "code": of, **one.result()})
            if file is not None:
                with file.open("a") as out:
                    out.write(json.dumps(rows[-1]) + "\n")
    return sorted(rows, key=lambda row: row["seed"])


def quiet() -> None:
    """In a worker: only the tables are printed."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def seeds_of(text: str) -> range:
    """`0-29` as a range."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="seeds 0-4")
    parser.add_argument("--seeds", type=seeds_of, help="such as 0-29, both included")
    parser.add_argument(
        "--parts", default="acb", choices=["a", "b", "c", "acb"], help="one table instead of all"
    )
    parser.add_argument(
        "--rows", type=Path, help="file for a row of each seed, from which a later call goes on"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes")
    asked = parser.parse_args()
    seeds = asked.seeds or (range(5) if asked.quick else range(30))
    started = time.monotonic()
    print("SIMULATED: programs of known truth, 60 tuned tasks; mean and 95 % interval over seeds", flush=True)
    for part in asked.parts:  # each table as soon as it is known
        rows = run(part, seeds, asked.rows, asked.workers)
        mine = [row for row in rows if row["part"] == part]
        TABLES[part]({name: [row[name] for row in mine] for name in mine[0]})
    print(f"\n{time.monotonic() - started:.0f} s")


TABLES = {"a": print_calls, "b": print_regret, "c": print_assignment}


if __name__ == "__main__":
    main()

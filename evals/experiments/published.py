"""The published figures of *Feedback Over Form* (arXiv 2604.21950, C. J. McAndrews, April 2026), and what follows from
its raw results.

Figures of the paper's table are means and standard deviations of five runs; those marked "recomputed" follow from the
author's raw result files and do not stand in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

MAIN, SMALL, CODER = "llama3.2:3b", "qwen2.5:1.5b", "qwen2.5-coder:3b"

ROLES = (MAIN, SMALL, CODER)
"""The models of the paper's rows, in the order in which others may stand in for them."""

TASKS = {"humaneval": 164, "mbpp": 427}
"""Tasks of each benchmark: HumanEval, and sanitized MBPP with all four splits."""

Kind = Literal["single", "resample", "refine", "evolved"]


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """A row of the paper's table.

    Attributes:
        name: Its name.
        kind: Which program it is.
        generator: The paper's generating model.
        refiner: The paper's refining model; empty where nothing is refined.
        calls: Most model calls of a task.
        solved: Benchmark → (mean, SD) of tasks solved; SD None where it is not a row of runs.
        runs: Benchmark → tasks solved in each run, where the runs are known.
        recomputed: It does not stand in the paper, but follows from its raw results.
    """

    name: str
    kind: Kind
    generator: str
    refiner: str = ""
    calls: int = 4
    solved: dict[str, tuple[float, float | None]] = field(
        default_factory=dict[str, "tuple[float, float | None]"]
    )
    runs: dict[str, tuple[int, ...]] = field(default_factory=dict[str, "tuple[int, ...]"])
    recomputed: bool = False


ROWS: tuple[PublishedRow, ...] = (
    PublishedRow(
        f"{MAIN} alone",
        "single",
        MAIN,
        calls=1,
        solved={"humaneval": (76.6, 3.7), "mbpp": (255.8, 5.5)},
        runs={"humaneval": (81, 77, 79, 74, 72)},
    ),
    PublishedRow(
        f"{MAIN} resampled, 4 calls", "resample", MAIN, solved={"humaneval": (103.8, None)}, recomputed=True
    ),
    PublishedRow(
        f"{MAIN} → execute → {MAIN}",
        "refine",
        MAIN,
        MAIN,
        solved={"humaneval": (94.0, 2.7), "mbpp": (286.2, 2.9)},
        runs={"humaneval": (98, 92, 95, 91, 94)},
    ),
    PublishedRow(
        f"{SMALL} → execute → {MAIN}",
        "refine",
        SMALL,
        MAIN,
        solved={"humaneval": (93.6, 3.0), "mbpp": (287.0, 2.0)},
        runs={"humaneval": (93, 89, 95, 97, 94)},
    ),
    PublishedRow(
        "best evolved pipeline",
        "evolved",
        SMALL,
        MAIN,
        calls=7,
        solved={"humaneval": (98.2, 3.4)},
        runs={"humaneval": (102, 93, 98, 98, 100)},
    ),
    PublishedRow(f"{MAIN} resampled, 7 calls", "resample", MAIN, calls=7),
    PublishedRow(
        f"{CODER} alone",
        "single",
        CODER,
        calls=1,
        solved={"humaneval": (133.6, 3.4), "mbpp": (295.4, 5.4)},
        runs={"humaneval": (137, 131, 135, 129, 136)},
    ),
    PublishedRow(
        f"{CODER} resampled, 4 calls", "resample", CODER, solved={"humaneval": (144.4, None)}, recomputed=True
    ),
    PublishedRow(
        f"{CODER} → execute → {CODER}",
        "refine",
        CODER,
        CODER,
        solved={"humaneval": (139.6, 2.5), "mbpp": (307.2, 4.3)},
        runs={"humaneval": (136, 139, 142, 139, 142)},
    ),
)
"""The paper's table, and the rows that it lacks: each pipeline's refiner resampled with as many calls. Four calls are
unbiased pass@4 of its own five solo runs, recomputed; for seven, five runs are too few."""


@dataclass(frozen=True, slots=True)
class PublishedForced:
    """Three forced iterations on HumanEval, one run: tasks of 164.

    Attributes:
        row: Name of the row in `ROWS`.
        with_stopping: Cumulatively solved after 0 to 3 iterations.
        without: Passing at iteration 0 to 3 without stopping.
        later_broken: Of those that passed at first, how many failed at least once later.
    """

    row: str
    with_stopping: tuple[int, int, int, int]
    without: tuple[int, int, int, int]
    later_broken: int


FORCED: tuple[PublishedForced, ...] = (
    PublishedForced(f"{MAIN} → execute → {MAIN}", (76, 90, 92, 93), (76, 69, 71, 65), 33),
    PublishedForced(f"{SMALL} → execute → {MAIN}", (69, 91, 98, 99), (69, 63, 65, 50), 43),
    PublishedForced("best evolved pipeline", (78, 96, 100, 102), (78, 68, 66, 61), 45),
    PublishedForced(f"{CODER} → execute → {CODER}", (132, 136, 136, 136), (132, 125, 118, 126), 18),
)
"""The paper's early-stopping table (raw file)."""

ERROR_CLASSES: dict[str, tuple[int, int]] = {
    "wrong answer": (35, 222),
    "NameError": (27, 46),
    "SyntaxError": (3, 6),
    "TypeError": (3, 5),
    "IndexError, KeyError": (2, 10),
    "timeout": (2, 2),
    "other": (3, 10),
}
"""Class → (fixed, initial), HumanEval, the four forced configurations pooled (recomputed)."""


def published_class(name: str) -> str:
    """The published class that a class of ours falls under."""
    if name in ("IndexError", "KeyError"):
        return "IndexError, KeyError"
    return name if name in ERROR_CLASSES else "other"

"""Reproducing *Feedback Over Form* (arXiv 2604.21950): its rows beside ours, on its models or on stand-ins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import UsageError
from ...runtime.task import Task
from .bench import Bench, Watch, unwatched
from .cast import Cast
from .config import ExperimentConfig
from .published import ROWS, TASKS
from .reproduce_tables import FORCED_ON, forced_tables, rows_table, welch_table
from .result import Contrast, ExperimentResult, Table
from .run import result_of
from .verdicts import in_words

TITLE = "Feedback Over Form, reproduced"
QUESTION = "What do the paper's programs solve here, beside its published figures?"

_NO_PART = ("temperature", "refine_temperature", "resample_max", "margin_points", "limit", "data")
"""Settings of other experiments: rows have their own temperatures."""


def reproduce(
    cast: Cast,
    benchmarks: Mapping[str, Sequence[Task]],
    *,
    runs: int = 5,
    early_stopping: bool = True,
    concurrency: int = 8,
    watch: Watch = unwatched,
) -> ExperimentResult:
    """Run the paper's rows in the session in force, in its set-up; its figures beside ours.

    Args:
        cast: Who plays which model.
        benchmarks: "humaneval" and "mbpp" → tasks, possibly fewer than all; one that is missing stays empty.
        runs: Runs of each row.
        early_stopping: Also the forced trajectories on HumanEval, one run as in the paper.
        concurrency: Tasks run at once.
        watch: Shows progress.

    Raises:
        UsageError: No benchmark of the paper was given.
    """
    if not any(name in TASKS for name in benchmarks):
        raise UsageError(f"the paper's benchmarks are {' and '.join(TASKS)}")
    benches: dict[str, Bench] = {}
    tables: list[Table] = []
    comparisons: list[Contrast] = []
    verdicts: list[str] = []
    notes = list(cast.notes)
    for name in TASKS:
        tasks = benchmarks.get(name)
        bench: Bench | None = None
        if tasks:
            config = ExperimentConfig(
                tasks=name, replicates=runs, paper_faithful=True, concurrency=concurrency
            )
            bench = benches[name] = Bench(config, tasks, cast.pool, watch)
            for row in ROWS:
                if cast.can_run(row):
                    bench.run(cast.arm(row), cast.program(row))
            _compare_rows(bench, cast)
            comparisons += _labelled(bench.contrasts(), name)
            verdicts.append(f"{name}: {in_words(bench.contrasts())}")
            if len(tasks) < TASKS[name]:
                notes.append(
                    f"{name}: reduced to {len(tasks)} of {TASKS[name]} tasks; compare shares, not counts"
                )
        tables.append(rows_table(name, bench, cast))
    humaneval = benches.get(FORCED_ON)
    tables.append(welch_table(humaneval, cast))
    if early_stopping:
        tables += forced_tables(humaneval, cast, concurrency, watch)
    first = next(iter(benches.values()))
    made = result_of(first, "feedback-over-form", TITLE, QUESTION, " ".join(verdicts))
    return made.model_copy(
        update={
            "figures": {
                f"{b}: {name}": f for b, bench in benches.items() for name, f in bench.figures.items()
            },
            "settings": _settings(benches),
            "comparisons": tuple(comparisons),
            "tables": tuple(tables),
            "notes": (*notes, *(f"{b}: {bench.power_note()}" for b, bench in benches.items())),
        }
    ).with_scores({f"{b}: {name}": s for b, bench in benches.items() for name, s in bench.scores.items()})


def _compare_rows(bench: Bench, cast: Cast) -> None:
    """Refining against one draft, mixed pairs against the refiner; all against as many calls without feedback."""
    drafts = {(row.generator, row.calls): row for row in ROWS if row.kind in ("single", "resample")}
    alone = {row.refiner: row for row in ROWS if row.kind == "refine" and row.generator == row.refiner}
    for row in ROWS:
        if not row.refiner or not cast.can_run(row):
            continue
        other = drafts[row.generator, 1] if row.generator == row.refiner else alone[row.refiner]
        bench.compare(cast.arm(row), cast.arm(other))
        bench.compare(cast.arm(row), cast.arm(drafts[row.refiner, row.calls]), at="equal calls")


def _labelled(contrasts: Sequence[Contrast], benchmark: str) -> list[Contrast]:
    return [
        c.model_copy(update={"name": f"{benchmark}: {c.name}", "other": f"{benchmark}: {c.other}"})
        for c in contrasts
    ]


def _settings(benches: Mapping[str, Bench]) -> dict[str, Any]:
    """What the benchmarks share, and by benchmark what they don't; the temperatures of every row."""
    stated = {name: bench.settings() for name, bench in benches.items()}
    first = next(iter(stated.values()))
    apart = {key: {name: own[key] for name, own in stated.items()} for key in ("n", "tasks_digest")}
    kept = {key: value for key, value in first.items() if key not in _NO_PART}
    return {**kept, **apart, "tasks": ", ".join(benches), "temperatures": _temperatures(benches)}


def _temperatures(benches: Mapping[str, Bench]) -> dict[str, dict[str, float]]:
    return {
        name: {
            path.rpartition(".")[0]: value
            for path, value in scores.settings["program settings"].items()
            if path.endswith(".temperature")
        }
        for bench in benches.values()
        for name, scores in bench.scores.items()
    }

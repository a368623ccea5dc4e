"""The tables of a reproduction: published figures and ours side by side, what was not run visibly empty."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...modules import paper
from ..statistics import welch
from ..transitions import PASSED, ClassRate, class_rates, error_ledger
from .bench import Bench, Watch
from .cast import Cast
from .judged import Judged, forced, judge, ledger_of, share, stopped
from .published import ERROR_CLASSES, FORCED, ROLES, ROWS, TASKS, published_class
from .result import Cell, Table

FORCED_ON = "humaneval"


def rows_table(benchmark: str, bench: Bench | None, cast: Cast) -> Table:
    total = TASKS[benchmark]
    rows: list[tuple[Cell, ...]] = []
    for row in ROWS:
        published = row.solved.get(benchmark)
        ours: tuple[Cell, ...] = (None,) * 7
        if bench is not None and cast.can_run(row):
            figure, counts = bench.figures[cast.arm(row)], run_totals(bench, cast.arm(row))
            ours = (
                cast.arm(row),
                _mean_sd(counts),
                figure.n,
                f"{100 * figure.rate:.1f} %",
                f"{100 * figure.interval[0]:.1f}–{100 * figure.interval[1]:.1f} %",
                figure.model_calls,
                figure.tokens_in + figure.tokens_out,
            )
        rows.append(
            (
                row.name + (" (recomputed)" if row.recomputed else ""),
                published and (f"{published[0]:g}" + (f" ± {published[1]:g}" if published[1] else "")),
                published and f"{100 * published[0] / total:.1f} %",
                *ours,
            )
        )
    return Table(
        title=f"{benchmark}: tasks solved, mean ± SD of the runs",
        columns=(
            "configuration",
            f"published, of {total}",
            "published, share",
            "models here",
            "here",
            "tasks here",
            "share here",
            "95 % interval",
            "calls, all runs",
            "tokens, all runs",
        ),
        rows=tuple(rows),
        note="–: not published, or not run here",
    )


def run_totals(bench: Bench, name: str) -> list[float]:
    """Tasks solved in each run."""
    outcomes = bench.outcomes(name)
    return [math.fsum(run) for run in zip(*outcomes.values(), strict=True)]


def _mean_sd(counts: Sequence[float]) -> str:
    mean = sum(counts) / len(counts)
    if len(counts) < 2:
        return f"{mean:.1f}"
    sd = math.sqrt(sum((count - mean) ** 2 for count in counts) / (len(counts) - 1))
    return f"{mean:.1f} ± {sd:.1f}"


_WELCH = (
    (f"{ROLES[0]} → execute → {ROLES[0]}", f"{ROLES[0]} alone"),
    (f"{ROLES[1]} → execute → {ROLES[0]}", f"{ROLES[0]} → execute → {ROLES[0]}"),
    ("best evolved pipeline", f"{ROLES[0]} → execute → {ROLES[0]}"),
    (f"{ROLES[2]} → execute → {ROLES[2]}", f"{ROLES[2]} alone"),
)


def welch_table(bench: Bench | None, cast: Cast) -> Table:
    """Welch's test on whole runs, theirs and ours."""
    by_name = {row.name: row for row in ROWS}
    rows: list[tuple[Cell, ...]] = []
    for better, worse in _WELCH:
        pair = by_name[better], by_name[worse]
        theirs = _welch_cells(*([float(run) for run in row.runs.get(FORCED_ON, ())] for row in pair))
        ours: tuple[Cell, ...] = (None,) * 4
        if bench is not None and all(cast.can_run(row) for row in pair):
            ours = _welch_cells(*(run_totals(bench, cast.arm(row)) for row in pair))
        rows.append((f"{better} − {worse}", *theirs, *ours))
    heads = ("difference", "t", "df", "p")
    return Table(
        title="humaneval: Welch's test on the runs (about these tasks only)",
        columns=("rows", *(f"published: {h}" for h in heads), *(f"here: {h}" for h in heads)),
        rows=tuple(rows),
    )


def _welch_cells(a: list[float], b: list[float]) -> tuple[Cell, ...]:
    if min(len(a), len(b)) < 2 or (len(set(a)) == 1 and len(set(b)) == 1):
        return (None,) * 4
    found = welch(a, b)
    return round(found.difference, 2), round(found.t, 2), round(found.df, 1), f"{found.p:.2g}"


def forced_tables(bench: Bench | None, cast: Cast, concurrency: int, watch: Watch) -> list[Table]:
    """Early stopping by iteration, and error classes, from one forced run of each row."""
    last = paper.MAX_ITERATIONS
    rows: list[tuple[Cell, ...]] = []
    made: list[Judged] = []
    for published in FORCED:
        row = next(r for r in ROWS if r.name == published.row)
        ours: tuple[Cell, ...] = (None,) * 4
        if bench is not None and cast.can_run(row):
            once = Bench(bench.config.model_copy(update={"replicates": 1}), [], cast.pool, watch)
            once.tasks = bench.tasks
            judged = judge(once.run(cast.arm(row), cast.program(row, stop="never")), bench.tasks, concurrency)
            ledger = ledger_of(judged)
            made += judged
            passed = ledger.initial.get(PASSED, 0)
            ours = (
                " / ".join(f"{sum(j.solved(stopped(j, i)) for j in judged):g}" for i in range(last + 1)),
                " / ".join(f"{sum(j.solved(forced(j, i)) for j in judged):g}" for i in range(last + 1)),
                f"{ledger.later_broken} of {passed}",
                len(judged),
            )
        rows.append(
            (
                published.row,
                " / ".join(map(str, published.with_stopping)),
                " / ".join(map(str, published.without)),
                f"{published.later_broken} of {published.without[0]}",
                *ours,
            )
        )
    early = Table(
        title="humaneval: early stopping, one run: solved after 0 to 3 iterations",
        columns=(
            "configuration",
            "published: with stopping",
            "published: without",
            "published: later broken",
            "here: with stopping",
            "here: without",
            "here: later broken",
            "tasks here",
        ),
        rows=tuple(rows),
        note="–: not run here",
    )
    return [early, _classes_table(made)]


def _classes_table(judged: Sequence[Judged]) -> Table:
    """Ours under the published classes, clustered by task: the configurations share their tasks."""
    ours: dict[str, ClassRate] = {}
    if judged:
        classes = [tuple(c if c == PASSED else published_class(c) for c in j.classes) for j in judged]
        ledger = error_ledger(classes, [j.item.task_id for j in judged])
        ours = {rate.name: rate for rate in ledger.by_initial_class}
    theirs = {rate.name: rate for rate in class_rates(ERROR_CLASSES)}
    rows: list[tuple[Cell, ...]] = []
    for name in ERROR_CLASSES:
        here: tuple[Cell, ...] = (None,) * 3
        if name in ours:
            here = _class_cells(ours[name])
        rows.append((name, *_class_cells(theirs[name]), *here))
    return Table(
        title="humaneval: fixed / initial by class of the draft, forced configurations pooled",
        columns=(
            "class",
            "recomputed from the paper's data",
            "share",
            "against the others, p after Holm",
            "here",
            "share here",
            "against the others here, p after Holm",
        ),
        rows=tuple(rows),
        note="95 % intervals, ours clustered by task, the published pieces taken as independent; many NameErrors come"
        " from the paper's harness, which drops imports and helpers of the prompt",
    )


def _class_cells(rate: ClassRate) -> tuple[Cell, ...]:
    return f"{rate.fixed}/{rate.n}", share(rate.interval), f"{rate.p_adjusted:.2g}"

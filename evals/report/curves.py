"""Curves: what resampling solves by its cost, and what stands after each attempt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise

from ..statistics import Interval, clustered_interval, pass_at_k_interval
from ..statistics.units import all_binary
from ..transitions import error_ledger
from .model import ClassRow, Iteration, Point, ResamplingCurve
from .rows import ProgramRows

_MOST_CLASSES = 12


def iterations(rows: ProgramRows, level: float = 0.95) -> tuple[Iteration, ...]:
    """What stands after each attempt, over the runs whose attempts were run on tests."""
    run = [row for row in rows.rows if row.classes]
    if not run:
        return ()
    ledger = error_ledger([row.classes for row in run], [row.task_id for row in run], level)
    n = ledger.n
    found: list[Iteration] = []
    for number in range(len(ledger.steps) + 1):
        by_task: dict[str, list[float]] = {}
        for row in run:
            by_task.setdefault(row.task_id, []).append(float("passed" in row.classes[: number + 1]))
        ever = clustered_interval(by_task, level)
        step = ledger.steps[number - 1] if number else None
        found.append(
            Iteration(
                number=number,
                made=step.n if step else n,
                passing=(step.passing if step else ledger.initial.get("passed", 0)) / n,
                ever=ever.estimate,
                interval=(ever.low, ever.high),
                fixed=step.fixed if step else 0,
                broken=step.broken if step else 0,
                fix_interval=_limits(step.fix_rate if step else None),
                break_interval=_limits(step.break_rate if step else None),
            )
        )
    return tuple(found)


def _limits(rate: Interval | None) -> tuple[float, float] | None:
    return None if rate is None else (rate.low, rate.high)


def is_forced(rows: ProgramRows) -> bool:
    """Whether some run went on after code that passed."""
    return any("passed" in row.classes[:-1] for row in rows.rows)


def transitions(
    rows: ProgramRows, level: float = 0.95
) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...], tuple[ClassRow, ...]]:
    """Classes, the counts of class before → class after over all attempts, and the fix rate of each class."""
    run = [row for row in rows.rows if len(row.classes) > 1]
    if not run:
        return (), (), ()
    ledger = error_ledger([row.classes for row in run], [row.task_id for row in run], level)
    counts: dict[tuple[str, str], int] = {}
    for step in ledger.steps:
        for pair, count in step.matrix.items():
            counts[pair] = counts.get(pair, 0) + count
    weight: dict[str, int] = {}
    for (before, after), count in counts.items():
        weight[before] = weight.get(before, 0) + count
        weight[after] = weight.get(after, 0) + count
    ranked = sorted(weight, key=lambda name: (name != "passed", -weight[name], name))
    kept = ranked[:_MOST_CLASSES]
    others = set(ranked[_MOST_CLASSES:])
    classes = (*kept, *(["all others"] if others else []))

    def place(name: str) -> int:
        return len(kept) if name in others else kept.index(name)

    matrix = [[0] * len(classes) for _ in classes]
    for (before, after), count in counts.items():
        matrix[place(before)][place(after)] += count
    rates = tuple(
        ClassRow(
            name=rate.name,
            n=rate.n,
            fixed=rate.fixed,
            interval=(rate.interval.low, rate.interval.high),
            p_adjusted=rate.p_adjusted,
            tasks=rate.tasks,
        )
        for rate in ledger.by_step
    )
    return classes, tuple(tuple(line) for line in matrix), rates


def resampling_curves(programs: Sequence[ProgramRows], level: float = 0.95) -> tuple[ResamplingCurve, ...]:
    """What plain resampling solves by tokens, for each model that some program does nothing but draw from.

    From a program that asks once and has replicates, the unbiased pass@k; it supposes that a solution is recognised.
    Otherwise from a program that draws until its tests are green: what the code that it returned solves, where that was
    drawn within k draws (also on a task without visible tests, where the first draft that loads is returned).
    """
    by_model: dict[str, list[ProgramRows]] = {}
    for program in programs:
        model = _only_model(program)
        if model is not None and program.rows and _only_draws(program):
            by_model.setdefault(model, []).append(program)
    found = (_resampling(same, level) for same in by_model.values())
    return tuple(curve for curve in found if curve is not None)


def curve_for(program: ProgramRows, found: Sequence[ResamplingCurve]) -> ResamplingCurve | None:
    """The curve of the one model that a program asks; None where it asks several, or where there is no such curve."""
    model = _only_model(program)
    return next((curve for curve in found if (curve.digest or curve.model) == model), None)


def _resampling(programs: Sequence[ProgramRows], level: float) -> ResamplingCurve | None:
    """The curve of programs that only draw, all from one model."""
    single = [p for p in programs if all(len(row.tokens) == 1 for row in p.rows)]
    single = [p for p in single if _fewest(p) > 1 and all_binary(p.outcomes())]
    if single:
        return _pass_at_k(max(single, key=_fewest), level)
    drawing = [p for p in programs if any(len(row.tokens) > 1 for row in p.rows)]
    return _drawn(max(drawing, key=lambda p: p.attempts), level) if drawing else None


def _pass_at_k(program: ProgramRows, level: float) -> ResamplingCurve:
    tokens = sum(row.usage.tokens for row in program.rows) / len(program.rows)
    points: list[Point] = []
    for k in range(1, _fewest(program) + 1):
        found = pass_at_k_interval(program.outcomes(), k, level)
        points.append((k * tokens, found.estimate, found.low, found.high))
    source = f"pass@k of {program.name}, k = 1 to {len(points)}: a solution among the k draws counts as found"
    return _curve(program, source, points, perfect_judge=True)


def _drawn(program: ProgramRows, level: float) -> ResamplingCurve:
    most = max(len(row.tokens) for row in program.rows)
    points: list[Point] = []
    for k in range(1, most + 1):
        by_task: dict[str, list[float]] = {}
        for row in program.rows:
            held = row.outcome == "passed" and (row.chosen or 0) < k
            by_task.setdefault(row.task_id, []).append(float(held))
        cost = sum(sum(row.tokens[:k]) for row in program.rows) / len(program.rows)
        found = clustered_interval(by_task, level)
        points.append((cost, found.estimate, found.low, found.high))
    source = f"{program.name}: solved by code drawn within k draws, k = 1 to {most}"
    return _curve(program, source, points, perfect_judge=False)


def _curve(
    program: ProgramRows, source: str, points: Sequence[Point], *, perfect_judge: bool
) -> ResamplingCurve:
    name, digest = next(iter(program.models.items()))
    return ResamplingCurve(
        source=source, points=tuple(points), model=name, digest=digest, perfect_judge=perfect_judge
    )


def at_tokens(curve: ResamplingCurve, tokens: float) -> float | None:
    """The curve's rate at a cost, between two of its points; None beyond its ends."""
    points = curve.points
    for (x0, y0, *_), (x1, y1, *_) in pairwise(points):
        if x0 <= tokens <= x1:
            return y0 if x1 == x0 else y0 + (y1 - y0) * (tokens - x0) / (x1 - x0)
    return points[0][1] if len(points) == 1 and points[0][0] == tokens else None


def _fewest(program: ProgramRows) -> int:
    return min(len(runs) for runs in program.outcomes().values())


def _only_model(program: ProgramRows) -> str | None:
    """Digest of the one model that it asks, or its name where that is not known; None where there are several."""
    weights = {digest or name for name, digest in program.models.items()}
    return weights.pop() if len(weights) == 1 else None


def _only_draws(program: ProgramRows) -> bool:
    """Whether every call is a plain draft of one stage: nothing planned, guided or mended."""
    stages = {stage for stage, _, _ in program.sampling} | {row.stage for row in program.spent}
    modes = {json.loads(sampling).get("mode", "plain") for _, _, sampling in program.sampling}
    mends = any("refine" in stage or "route" in stage for stage in stages)
    return len(stages) == 1 and modes == {"plain"} and not mends

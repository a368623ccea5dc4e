"""The tables, curves and drawings of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from scipy import stats

from ..runtime.budget import Budget
from .compare_locked import Conditions, Locked
from .compare_methods import Method
from .compare_searches import SIMPLE_LOOP, Search
from .compare_words import Inflation, structures
from .experiments.result import Cell, Curve, Drawing, Table


def searches_table(searches: Sequence[Search], parts: Sequence[Locked], budget: Budget) -> Table:
    """A row for each search: what it found, its own score, and what locked tasks say."""
    rows: list[tuple[Cell, ...]] = []
    for s in searches:
        confirmed = [part.rates[s.method][s.number] for part in parts]
        rows.append(
            (
                s.method,
                s.number + 1,
                s.structure or "nothing: the budget ended",
                _percent(s.own_score),
                _percent(s.fresh_score),
                *(_percent(rate) for rate in confirmed),
                s.evidence.trials if s.evidence else None,
                *((None, None) if s.program is None and not s.paid.calls else (s.paid.calls, s.paid.tokens)),
            )
        )
    limits = ", ".join(f"{value:,} {name}" for name, value in budget.model_dump(exclude_none=True).items())
    return Table(
        title="Searches",
        columns=(
            "method",
            "search",
            "found",
            "own score, %",
            "fresh replicates of the search tasks, %",
            *(f"{part.benchmark}, locked, %" for part in parts),
            "candidates",
            "calls paid",
            "tokens paid",
        ),
        rows=tuple(rows),
        note=f"Each search could pay {limits or 'without limit'}; stored calls count as when first made.",
    )


def structures_table(searches: Sequence[Search], methods: Mapping[str, Method]) -> Table:
    """What structures each searching method returned, and how often that was the simple loop's."""
    rows: list[tuple[Cell, ...]] = []
    for name, method in methods.items():
        mine = [s for s in searches if s.method == name and s.program is not None]
        if method.searches:
            rows.append(
                (
                    name,
                    len(mine),
                    sum(s.structure == SIMPLE_LOOP for s in mine),
                    sum(s.leader == SIMPLE_LOOP for s in mine) if any(s.leader for s in mine) else None,
                    structures(mine, name),
                )
            )
    return Table(
        title="Structures",
        columns=(
            "method",
            "searches",
            "returned the simple loop",
            "scored the simple loop best",
            "what was returned",
        ),
        rows=tuple(rows),
        note=f"The simple loop is the graph {SIMPLE_LOOP}, whatever its models, temperatures and iterations.",
    )


def inflation_table(found: Sequence[Inflation]) -> tuple[Table, ...]:
    """How much too high the methods' own scores were; no table where none told one."""
    if not found:
        return ()
    rows = tuple(
        (
            one.method,
            one.n,
            round(100 * one.own, 1),
            round(100 * one.confirmed, 1),
            round(mean(one.points), 1),
            _interval(one.points),
            round(mean(one.fresh_points), 1) if one.fresh_points else None,
        )
        for one in found
    )
    return (
        Table(
            title="How much each method's own score was too high",
            columns=(
                "method",
                "searches",
                "own score, %",
                "locked tasks, %",
                "own minus locked, points",
                "95 % interval over searches",
                "own minus fresh replicates of the same tasks, points",
            ),
            rows=rows,
            note=(
                "Locked tasks are other tasks, so the first difference holds the luck of selection and that of the"
                " split; the second holds the luck of selection alone."
            ),
        ),
    )


def curves(parts: Sequence[Locked], how: Conditions) -> tuple[Curve, ...]:
    """Resampling's cost–quality curve on each benchmark, and every method as a point."""
    made: list[Curve] = []
    for part in parts:
        x_name = f"{part.benchmark}: mean {how.measure.name} of a run"
        if part.rungs:
            points = [
                (how.measure.mean(part.rungs[n]), (f := part.rungs[n].figure(how.level)).rate, *f.interval)
                for n in sorted(part.rungs)
            ]
            made.append(Curve(name=f"{part.benchmark}: resampling", x_name=x_name, points=tuple(points)))
        for name, scores in part.scores.items():
            figure = scores.figure(how.level)
            point = (how.measure.mean(scores), figure.rate, *figure.interval)
            made.append(Curve(name=f"{part.benchmark}: {name}", x_name=x_name, points=(point,)))
    return tuple(made)


def drawings(searches: Sequence[Search]) -> tuple[Drawing, ...]:
    """What the first search of each method drew, and of the others their first drawing: the graph."""
    found: list[Drawing] = []
    for s in searches:
        for place, (title, svg) in enumerate(s.drawings.items()):
            if s.number == 0 or place == 0:
                found.append(Drawing(title=f"{s.method}, search {s.number + 1}. {title}", svg=svg))
    return tuple(found)


def _interval(points: Sequence[float]) -> str | None:
    if len(points) < 3:
        return None
    half = float(stats.t.ppf(0.975, len(points) - 1)) * stdev(points) / len(points) ** 0.5
    return f"{mean(points) - half:+.1f} to {mean(points) + half:+.1f}"


def _percent(rate: float | None) -> float | None:
    return None if rate is None else round(100 * rate, 1)

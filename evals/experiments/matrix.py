"""Experiment `matrix`: every generator with every refiner of a pool."""

from __future__ import annotations

from ..statistics import equivalence, holm
from .bench import Bench
from .result import Cell, Table
from .verdicts import in_words


def matrix(bench: Bench) -> str:
    """Run it; the verdict in words.

    Every ordered pair against the refiner alone in both roles, and against resampling the refiner at equal calls.
    "Matches" is claimed only where two one-sided tests against `margin_points` show it, Holm-adjusted.

    Source: *Feedback Over Form* (arXiv 2604.21950), the cross-model rows; its "matched" rests on p > .05.
    """
    models = bench.pool.comparable
    calls = bench.config.calls
    for generator in models:
        for refiner in models:
            bench.run(f"{generator.label} → {refiner.label}", bench.arms.refine(generator, refiner))
    for model in models:
        bench.run(f"resample {model.label} ×{calls}", bench.arms.resample(model))
    for generator in models:
        for refiner in models:
            name = f"{generator.label} → {refiner.label}"
            if generator is not refiner:
                bench.compare(name, f"{refiner.label} → {refiner.label}")
            bench.compare(name, f"resample {refiner.label} ×{calls}", at="equal calls")
    rows = tuple(
        (g.label, *(round(bench.figures[f"{g.label} → {r.label}"].rate, 4) for r in models)) for g in models
    )
    bench.tables.append(
        Table(
            title="Share of tasks solved: generator (rows) × refiner (columns)",
            columns=("generator \\ refiner", *(m.label for m in models)),
            rows=rows,
            kind="matrix",
        )
    )
    return f"{in_words(bench.contrasts())} {_equivalences(bench)}"


def _equivalences(bench: Bench) -> str:
    """Which mixed pairs are shown equal to the refiner in both roles."""
    models, margin, alpha = bench.pool.comparable, bench.config.margin_points, 1 - bench.config.level
    found = {
        f"{g.label} → {r.label}": equivalence(
            bench.outcomes(f"{g.label} → {r.label}"),
            bench.outcomes(f"{r.label} → {r.label}"),
            margin / 100,
            alpha,
        )
        for g in models
        for r in models
        if g is not r
    }
    adjusted = holm({name: e.p for name, e in found.items()}, alpha)
    level = 100 * (1 - 2 * alpha)
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            round(100 * e.difference, 2),
            f"{100 * e.low:+.1f} to {100 * e.high:+.1f}",
            round(e.p, 4),
            round(adjusted.adjusted[name], 4),
            "yes" if name in adjusted.rejected else "not shown",
        )
        for name, e in found.items()
    ]
    bench.tables.append(
        Table(
            title=f"Equal to the refiner in both roles within ±{margin:g} points? (two one-sided tests)",
            columns=(
                "pair",
                "difference, points",
                f"{level:g} % interval",
                "p",
                "p after Holm",
                "equal",
            ),
            rows=tuple(rows),
        )
    )
    if adjusted.rejected:
        return f"Shown equal within ±{margin:g} points: {', '.join(adjusted.rejected)}."
    return f"No mixed pair is shown equal to its refiner alone within ±{margin:g} points."

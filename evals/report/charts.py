"""The charts, as plain plotly data; `report.js` draws them in the colours of the reader's theme."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

from .model import ProgramReport, Report

Chart = dict[str, Any]
"""`id`, `title`, `note`, `data`, `layout`, and `columns` and `cells`: the same figures as a table. Colours are
numbers of a palette ("slot"), `muted` or `ink`, which the page's theme fills in."""


class Difference(NamedTuple):
    """A paired difference in points, as the forest plot takes it."""

    name: str
    points: float
    interval: tuple[float, float]
    p: float
    p_adjusted: float
    n: int


def forest(rows: Sequence[Difference], chart_id: str, title: str) -> Chart | None:
    """Paired differences with their intervals."""
    if not rows:
        return None
    shown = list(rows)[::-1]
    names = [label(row.name) for row in shown]
    tallest = max(name.count("<br>") + 1 for name in names)
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": rounded([row.points for row in shown]),
        "y": names,
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": rounded([row.interval[1] - row.points for row in shown]),
            "arrayminus": rounded([row.points - row.interval[0] for row in shown]),
        },
        "marker": {"size": 10},
        "slot": 0,
        "showlegend": False,
        "hovertemplate": "%{y}: %{x:+.1f} points<extra></extra>",
    }
    return {
        "id": chart_id,
        "title": title,
        "note": "Percentage points on the same tasks, with intervals. An interval that crosses the line at 0 shows no"
        " difference.",
        "data": [trace],
        "layout": {
            "height": 130 + max(56, 16 * tallest + 12) * len(shown),
            "xaxis": {"title": {"text": "difference, points"}, "zeroline": True},
            "yaxis": {"automargin": True},
        },
        "columns": ["comparison", "points", "interval", "p", "p (Holm)", "tasks"],
        "cells": [
            [
                row.name,
                f"{row.points:+.1f}",
                f"{row.interval[0]:+.1f} to {row.interval[1]:+.1f}",
                f"{row.p:.3f}",
                f"{row.p_adjusted:.3f}",
                str(row.n),
            ]
            for row in rows
        ],
    }


def cost_quality(report: Report) -> Chart | None:
    """Rate by tokens of a run, with resampling's curve."""
    if not report.programs:
        return None
    data: list[dict[str, Any]] = []
    cells: list[list[str]] = []
    for number, curve in enumerate(report.resampling):
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label(f"resampling {curve.model}"),
                "x": rounded([p[0] for p in curve.points]),
                "y": percent([p[1] for p in curve.points]),
                "line": {"dash": ("dash", "dot", "dashdot")[number % 3], "width": 2},
                "marker": {"size": 5},
                "slot": "muted",
            }
        )
        cells += [
            [
                f"resampling {curve.model}, {k} draws",
                f"{x:,.0f}",
                f"{100 * y:.1f} %",
                f"{100 * low:.1f} to {100 * high:.1f} %",
            ]
            for k, (x, y, low, high) in enumerate(curve.points, 1)
        ]
    for slot, p in enumerate(report.programs):
        f = p.figure
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label(p.name),
                "x": rounded([p.tokens]),
                "y": percent([f.rate]),
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": percent([f.interval[1] - f.rate]),
                    "arrayminus": percent([f.rate - f.interval[0]]),
                },
                "marker": {"size": 11},
                "slot": slot,
            }
        )
        interval = f"{100 * f.interval[0]:.1f} to {100 * f.interval[1]:.1f} %"
        cells.append([p.name, f"{p.tokens:,.0f}", f"{100 * f.rate:.1f} %", interval])
    source = (
        f" Resampling: {'; '.join(curve.source for curve in report.resampling)}."
        if report.resampling
        else " No program here is resampling."
    )
    return {
        "id": "cost",
        "title": "Quality by cost",
        "note": "Share of tasks solved by prompt and answer tokens of a run, as if run alone. Tokens are comparable"
        " within one model only." + source,
        "data": data,
        "layout": {
            "xaxis": {"title": {"text": "tokens of a run"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": "solved, %"}, "range": [0, 100]},
        },
        "columns": ["program", "tokens of a run", "solved", "interval"],
        "cells": cells,
    }


def iteration_curves(programs: Sequence[ProgramReport]) -> Chart | None:
    """Share passing after each attempt, with and without stopping at the first pass."""
    shown = [(slot, p) for slot, p in enumerate(programs) if len(p.iterations) > 1]
    if not shown:
        return None
    data: list[dict[str, Any]] = []
    cells: list[list[str]] = []
    for slot, p in shown:
        x = [i.number + 1 for i in p.iterations]
        kinds = [("stops at the first pass" if p.forced else "", [i.ever for i in p.iterations], "solid")]
        if p.forced:
            kinds.append(("goes on", [i.passing for i in p.iterations], "dot"))
        for kind, values, dash in kinds:
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": label(f"{p.name}, {kind}" if kind else p.name),
                    "x": x,
                    "y": percent(values),
                    "line": {"dash": dash, "width": 2},
                    "slot": slot,
                }
            )
        cells += [
            [
                p.name,
                str(i.number + 1),
                str(i.made),
                f"{100 * i.ever:.1f} % ({100 * i.interval[0]:.1f} to {100 * i.interval[1]:.1f})",
                f"{100 * i.passing:.1f} %",
                _with_limits(i.fixed, i.fix_interval),
                _with_limits(i.broken, i.break_interval),
            ]
            for i in p.iterations
        ]
    return {
        "id": "iterations",
        "title": "After each attempt",
        "note": "Share of runs whose code passes the tests that steered. A solid line keeps the first code that passed"
        " (early stopping); a dotted one shows the latest code of runs that went on after passing.",
        "data": data,
        "layout": {
            "xaxis": {"title": {"text": "attempts"}, "dtick": 1},
            "yaxis": {"title": {"text": "passing, %"}, "range": [0, 100]},
        },
        "columns": [
            "program",
            "attempt",
            "runs that made it",
            "passed by now",
            "passing now",
            "fixed (of failing code, interval)",
            "broken (of passing code, interval)",
        ],
        "cells": cells,
    }


def _with_limits(count: int, limits: tuple[float, float] | None) -> str:
    return str(count) if limits is None else f"{count} ({100 * limits[0]:.0f} to {100 * limits[1]:.0f} %)"


def heat_map(program: ProgramReport, number: int) -> Chart:
    """What each class of code became in the next attempt."""
    return matrix(
        program.classes,
        program.classes,
        program.transitions,
        f"transitions-{number}",
        f"What became of it: {program.name}",
        "Rows: the class of an attempt; columns: the class of the next one; cells: how many. The shade is the share of"
        " the row. Classes are of the tests that steered.",
    )


def matrix(
    rows: Sequence[str],
    columns: Sequence[str],
    counts: Sequence[Sequence[float]],
    chart_id: str,
    title: str,
    note: str,
    *,
    by_row: bool = True,
) -> Chart:
    """A heat map with its numbers written in; shaded by the share of the row, or of the largest number."""
    largest = max((c for line in counts for c in line), default=0.0)
    sums = [sum(line) if by_row else largest for line in counts]
    shades = [[c / whole if whole else 0.0 for c in line] for line, whole in zip(counts, sums, strict=True)]
    texts = [[f"{c:.4g}" if c else "" for c in line] for line in counts]
    return {
        "id": chart_id,
        "title": title,
        "note": note,
        "data": [
            {
                "type": "heatmap",
                "z": [rounded(line, 3) for line in shades],
                "x": [label(name, 16) for name in columns],
                "y": [label(name, 16) for name in rows],
                "text": texts,
                "texttemplate": "%{text}",
                "zmin": 0,
                "zmax": 1,
                "showscale": False,
                "xgap": 1,
                "ygap": 1,
                "hovertemplate": "%{y} → %{x}: %{text}<extra></extra>",
            }
        ],
        "layout": {
            "height": 150 + 38 * len(rows),
            "yaxis": {"autorange": "reversed", "automargin": True, "type": "category"},
            "xaxis": {"automargin": True, "type": "category"},
        },
        "columns": ["from \\ to", *columns],
        "cells": [[name, *(f"{c:.4g}" for c in line)] for name, line in zip(rows, counts, strict=True)],
    }


def label(text: str, width: int = 26) -> str:
    """A text for plotly, which reads its labels as HTML: escaped, and broken into lines."""
    return "<br>".join(html.escape(line) for line in textwrap.wrap(text, width)) or " "


def percent(values: Sequence[float]) -> list[float]:
    """Shares as percentages."""
    return rounded([100 * value for value in values])


def rounded(values: Sequence[float], digits: int = 2) -> list[float]:
    """Numbers short enough for a file."""
    return [round(value, digits) for value in values]

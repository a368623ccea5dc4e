"""The charts, as plain plotly data; `report.js` draws them in the colours of the reader's theme."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from typing import Any

from .model import Contrast, ProgramReport, Report

Chart = dict[str, Any]
"""`id`, `title`, `note`, `data`, `layout`, and `columns` and `cells`: the same figures as a table. Colours are
numbers of a palette ("slot"), `muted` or `ink`, which the page's theme fills in."""

_MOST_HEAT_MAPS = 6


def charts(report: Report) -> list[Chart]:
    """All charts that the report has figures for."""
    found = [forest(report.comparisons), cost_quality(report), iteration_curves(report.programs)]
    found += [heat_map(p, i) for i, p in enumerate(report.programs) if p.transitions][:_MOST_HEAT_MAPS]
    for number, section in enumerate(report.experiments):
        found += experiment_charts(section, number)
    return [chart for chart in found if chart is not None]


def forest(contrasts: Sequence[Contrast]) -> Chart | None:
    """Paired differences with their intervals."""
    if not contrasts:
        return None
    shown = list(contrasts)[::-1]
    points = [c.comparison.points for c in shown]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": _rounded(points),
        "y": [label(f"{c.comparison.name} − {c.comparison.other}") for c in shown],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": _rounded([c.comparison.interval[1] - c.comparison.points for c in shown]),
            "arrayminus": _rounded([c.comparison.points - c.comparison.interval[0] for c in shown]),
        },
        "marker": {"size": 10},
        "slot": 0,
        "showlegend": False,
        "hovertemplate": "%{y}: %{x:+.1f} points<extra></extra>",
    }
    return {
        "id": "forest",
        "title": "Paired differences",
        "note": "Percentage points on the same tasks, with intervals. An interval that crosses the line at 0 shows no"
        " difference.",
        "data": [trace],
        "layout": {
            "height": 130 + 56 * len(shown),
            "xaxis": {"title": {"text": "difference, points"}, "zeroline": True},
            "yaxis": {"automargin": True},
        },
        "columns": ["comparison", "points", "interval", "p", "p (Holm)", "tasks"],
        "cells": [
            [
                f"{c.comparison.name} − {c.comparison.other}",
                f"{c.comparison.points:+.1f}",
                f"{c.comparison.interval[0]:+.1f} to {c.comparison.interval[1]:+.1f}",
                f"{c.comparison.p:.3f}",
                f"{c.p_adjusted:.3f}",
                str(c.comparison.n),
            ]
            for c in contrasts
        ],
    }


def cost_quality(report: Report) -> Chart | None:
    """Rate by tokens of a run, with resampling's curve."""
    if not report.programs:
        return None
    data: list[dict[str, Any]] = []
    cells: list[list[str]] = []
    if report.resampling:
        points = report.resampling.points
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": "resampling",
                "x": _rounded([p[0] for p in points]),
                "y": _percent([p[1] for p in points]),
                "line": {"dash": "dash", "width": 2},
                "marker": {"size": 5},
                "slot": "muted",
            }
        )
        cells += [
            [
                f"resampling, {k} draws",
                f"{x:,.0f}",
                f"{100 * y:.1f} %",
                f"{100 * low:.1f} to {100 * high:.1f} %",
            ]
            for k, (x, y, low, high) in enumerate(points, 1)
        ]
    for slot, p in enumerate(report.programs):
        f = p.figure
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label(p.name),
                "x": _rounded([p.tokens]),
                "y": _percent([f.rate]),
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "array": _percent([f.interval[1] - f.rate]),
                    "arrayminus": _percent([f.rate - f.interval[0]]),
                },
                "marker": {"size": 11},
                "slot": slot,
            }
        )
        interval = f"{100 * f.interval[0]:.1f} to {100 * f.interval[1]:.1f} %"
        cells.append([p.name, f"{p.tokens:,.0f}", f"{100 * f.rate:.1f} %", interval])
    source = (
        f" Resampling: {report.resampling.source}."
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
                    "y": _percent(values),
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
                str(i.fixed),
                str(i.broken),
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
            "fixed",
            "broken",
        ],
        "cells": cells,
    }


def heat_map(program: ProgramReport, number: int) -> Chart:
    """What each class of code became in the next attempt."""
    shares = [[c / sum(line) if sum(line) else 0.0 for c in line] for line in program.transitions]
    names = [label(name, 16) for name in program.classes]
    return {
        "id": f"transitions-{number}",
        "title": f"What became of it: {program.name}",
        "note": "Rows: the class of an attempt; columns: the class of the next one; cells: how many. The shade is the"
        " share of the row. Classes are of the tests that steered.",
        "data": [
            {
                "type": "heatmap",
                "z": [_rounded(line, 3) for line in shares],
                "x": names,
                "y": names,
                "text": [[str(c) if c else "" for c in line] for line in program.transitions],
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
            "height": 150 + 38 * len(names),
            "yaxis": {"autorange": "reversed", "automargin": True, "type": "category"},
            "xaxis": {"automargin": True, "type": "category"},
        },
        "columns": ["from \\ to", *program.classes],
        "cells": [
            [name, *map(str, line)] for name, line in zip(program.classes, program.transitions, strict=True)
        ],
    }


def experiment_charts(section: dict[str, Any], number: int) -> list[Chart]:
    """The curves of an experiment, one chart for each pair of axes."""
    by_axes: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for curve in section.get("curves") or ():
        by_axes.setdefault((str(curve["x_name"]), str(curve["y_name"])), []).append(curve)
    found: list[Chart] = []
    for place, ((x_name, y_name), lines) in enumerate(by_axes.items()):
        data = [_line(curve, slot) for slot, curve in enumerate(lines)]
        found.append(
            {
                "id": f"experiment-{number}-{place}",
                "experiment": number,
                "title": f"{section.get('title', '')}: {y_name} by {x_name}",
                "note": "",
                "data": data,
                "layout": {
                    "xaxis": {"title": {"text": label(x_name, 60)}},
                    "yaxis": {"title": {"text": label(y_name, 60)}, "rangemode": "tozero"},
                },
                "columns": ["line", x_name, y_name, "interval"],
                "cells": [
                    [str(c["name"]), f"{x:g}", f"{y:.3f}", "" if low is None else f"{low:.3f} to {high:.3f}"]
                    for c in lines
                    for x, y, low, high in c["points"]
                ],
            }
        )
    return found


def label(text: str, width: int = 26) -> str:
    """A text for plotly, which reads its labels as HTML: escaped, and broken into lines."""
    return "<br>".join(html.escape(line) for line in textwrap.wrap(text, width)) or " "


def _line(curve: dict[str, Any], slot: int) -> dict[str, Any]:
    points = curve["points"]
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": label(str(curve["name"])),
        "x": [p[0] for p in points],
        "y": [p[1] for p in points],
        "slot": slot,
    }
    if all(p[2] is not None and p[3] is not None for p in points):
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": _rounded([p[3] - p[1] for p in points], 4),
            "arrayminus": _rounded([p[1] - p[2] for p in points], 4),
        }
    return trace


def _percent(values: Sequence[float]) -> list[float]:
    return _rounded([100 * value for value in values])


def _rounded(values: Sequence[float], digits: int = 2) -> list[float]:
    return [round(value, digits) for value in values]

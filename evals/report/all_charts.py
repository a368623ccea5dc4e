"""Which charts a report has: those of its programs, and those of its experiments."""

from __future__ import annotations

from typing import Any

from .charts import (
    Chart,
    Difference,
    cost_quality,
    forest,
    heat_map,
    iteration_curves,
    label,
    matrix,
    rounded,
)
from .model import Report

_MOST_HEAT_MAPS = 6


def charts(report: Report) -> list[Chart]:
    """All charts that the report has figures for; those of an experiment bear its number as "experiment"."""
    differences = [
        Difference(
            f"{c.comparison.name} − {c.comparison.other}",
            c.comparison.points,
            c.comparison.interval,
            c.comparison.p,
            c.p_adjusted,
            c.comparison.n,
        )
        for c in report.comparisons
    ]
    found = [
        forest(differences, "forest", "Paired differences"),
        cost_quality(report),
        iteration_curves(report.programs),
    ]
    found += [heat_map(p, i) for i, p in enumerate(report.programs) if p.transitions][:_MOST_HEAT_MAPS]
    for number, section in enumerate(report.experiments):
        found += [chart and {**chart, "experiment": number} for chart in _experiment(section, number)]
    return [chart for chart in found if chart is not None]


def _experiment(section: dict[str, Any], number: int) -> list[Chart | None]:
    """An experiment's differences, its curves, and its square tables."""
    differences = [
        Difference(
            f"{c['name']} − {c['other']}" + (f", {c['at']}" if c.get("at") else ""),
            c["points"],
            (c["interval"][0], c["interval"][1]),
            c["p"],
            c["p"] if c.get("p_adjusted") is None else c["p_adjusted"],
            c["n"],
        )
        for c in section.get("comparisons") or ()
    ]
    found: list[Chart | None] = [forest(differences, f"experiment-{number}-forest", "Paired differences")]
    found += curve_charts(section, number)
    tables: list[dict[str, Any]] = list(section.get("tables") or ())
    for place, table in enumerate(tables):
        rows = table["rows"]
        numbers = all(isinstance(cell, (int, float)) for row in rows for cell in row[1:])
        if table.get("kind") == "matrix" and rows and numbers:
            chart_id = f"experiment-{number}-matrix-{place}"
            names = [str(row[0]) for row in rows]
            counts = [list(row[1:]) for row in rows]
            found.append(
                matrix(
                    names, table["columns"][1:], counts, chart_id, table["title"], table["note"], by_row=False
                )
            )
    return found


def curve_charts(section: dict[str, Any], number: int) -> list[Chart]:
    """The curves of the experiment with this number, one chart for each pair of axes."""
    by_axes: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for curve in section.get("curves") or ():
        by_axes.setdefault((str(curve["x_name"]), str(curve["y_name"])), []).append(curve)
    return [
        _curves(lines, x_name, y_name, f"experiment-{number}-curve-{place}")
        for place, ((x_name, y_name), lines) in enumerate(by_axes.items())
    ]


def _curves(lines: list[dict[str, Any]], x_name: str, y_name: str, chart_id: str) -> Chart:
    return {
        "id": chart_id,
        "title": f"{y_name} by {x_name}",
        "note": "",
        "data": [_line(curve, slot) for slot, curve in enumerate(lines)],
        "layout": {
            "xaxis": {
                "title": {"text": label(x_name, 60)},
                **({"dtick": 1} if x_name == "iteration" else {}),
            },
            "yaxis": {"title": {"text": label(y_name, 60)}, "rangemode": "tozero"},
        },
        "columns": ["line", x_name, y_name, "interval"],
        "cells": [
            [str(c["name"]), f"{x:g}", f"{y:.3f}", "" if low is None else f"{low:.3f} to {high:.3f}"]
            for c in lines
            for x, y, low, high in c["points"]
        ],
    }


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
            "array": rounded([p[3] - p[1] for p in points], 4),
            "arrayminus": rounded([p[1] - p[2] for p in points], 4),
        }
    return trace

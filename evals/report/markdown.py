"""The report as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from . import tables
from .all_charts import charts, curve_charts
from .model import Report


def markdown(report: Report) -> str:
    """Everything but the attempts; charts as tables."""
    parts = [f"# {plain(report.title)}", f"{report.created} · {report.attempts:,} attempts"]
    if report.simulated:
        parts.append("**Simulated: a scripted model had a part in this. It says nothing about a real one.**")
    parts.append("\n".join(f"- {plain(line)}" for line in (*report.summary, *report.notes)))
    if report.programs:
        parts += ["## Programs", table(tables.FIGURES, tables.figure_cells(report))]
    if cells := tables.spent_cells(report):
        parts += ["## Compute by stage and model", table(tables.SPENT, cells)]
    if report.comparisons:
        parts += ["## Paired differences", table(tables.COMPARISONS, tables.comparison_cells(report))]
    for chart in charts(report):
        if "experiment" not in chart and chart["id"] != "forest":
            parts += [
                f"## {plain(chart['title'])}",
                plain(chart["note"]),
                table(chart["columns"], chart["cells"]),
            ]
    for program in report.programs:
        if program.class_rates:
            title = f"## Fix rate by error class: {plain(program.name)}"
            parts += [title, table(tables.CLASSES, tables.class_cells(program))]
    for number, section in enumerate(report.experiments):
        parts += _section(section, number)
    parts.append("## Settings")
    parts += [f"### {plain(p.name)}\n\n{_settings(p.settings)}" for p in report.programs]
    parts.append(f"### Versions\n\n{_settings(report.versions)}")
    return "\n\n".join(parts) + "\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = [_row(columns), _row(["---"] * len(columns)), *(_row(row) for row in rows)]
    return "\n".join(lines)


def plain(text: Any) -> str:
    """Text that Markdown takes as it is, in one line: names of models and tasks may hold anything."""
    shown = "–" if text is None else f"{text:.4g}" if isinstance(text, float) else str(text)
    for mark in "\\`*_<>[]|#":
        shown = shown.replace(mark, "\\" + mark)
    return " ".join(shown.split())


def _section(section: dict[str, Any], number: int) -> list[str]:
    parts = [
        f"## {plain(section['title'])}",
        plain(section["question"]),
        f"**{plain(section['status'])}: {plain(section['verdict'])}**",
    ]
    if section.get("simulated"):
        parts.append("**Simulated: says nothing about a real model.**")
    if cells := tables.section_figures(section):
        parts.append(table(tables.FIGURES, cells))
    if cells := tables.section_comparisons(section):
        parts.append(table(tables.CONTRASTS, cells))
    for chart in curve_charts(section, number):
        parts += [f"**{plain(chart['title'])}**", table(chart["columns"], chart["cells"])]
    for found in section.get("tables") or ():
        parts += [f"**{plain(found['title'])}**", table(found["columns"], found["rows"])]
        parts += [plain(found["note"])] if found.get("note") else []
    if section.get("notes"):
        parts.append("\n".join(f"- {plain(note)}" for note in section["notes"]))
    return parts


def _settings(settings: dict[str, Any]) -> str:
    return "\n".join(f"- {plain(k)}: {_value(v)}" for k, v in settings.items())


def _value(value: Any) -> str:
    return plain(json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list, tuple)) else value)


def _row(cells: Iterable[Any]) -> str:
    return "| " + " | ".join(cell if cell == "---" else plain(cell) for cell in cells) + " |"

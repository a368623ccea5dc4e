"""Writing a report: one self-contained HTML file, Markdown, JSON, and pages for the attempts beyond a bound."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from ...errors import UsageError
from . import tables
from .all_charts import charts
from .attempts import TaskLine, run_views, task_lines
from .markdown import markdown
from .model import Report

TEMPLATES = Path(__file__).parent / "templates"

INLINE_ATTEMPTS = 2_000
"""Attempts that the HTML file itself holds; the others stand on pages beside it."""

INLINE_CHARACTERS = 5_000_000
"""Characters of attempts that it holds at most."""

LISTED_TASKS = 5_000
"""Tasks that its table lists; the others stand on the pages only."""

PAGE_ATTEMPTS = 500
"""Attempts of a page, unless one task alone has more."""


@dataclass(frozen=True, slots=True)
class Written:
    """The files of a report.

    Attributes:
        html: The report.
        markdown: The same as text.
        data: The same as JSON.
        pages: Pages with attempts, in their order.
    """

    html: Path
    markdown: Path
    data: Path
    pages: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Listed:
    """A task of the HTML file's table: with its attempts, or with a link to them."""

    line: TaskLine
    html: Markup | None
    href: str


def write(
    report: Report, target: str | os.PathLike[str], *, inline_attempts: int = INLINE_ATTEMPTS
) -> Written:
    """Write a report.

    Args:
        report: The report.
        target: ``NAME.html``: Markdown and JSON stand beside it under the same name, pages in ``NAME-attempts/``. Or a
            folder, which then holds ``index.html`` and the others.
        inline_attempts: Attempts that the HTML file holds; the others are linked.

    Returns:
        What was written.

    Raises:
        UsageError: It cannot be written there.
    """
    path = Path(target)
    if path.suffix.lower() not in (".html", ".htm"):
        path = path / "index.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return _Writer(report, path, inline_attempts).write()
    except OSError as error:
        raise UsageError(f"cannot write the report to {str(path)!r}: {error.strerror}") from error


class _Writer:
    def __init__(self, report: Report, path: Path, inline_attempts: int) -> None:
        self._report = report
        self._path = path
        self._bound = inline_attempts
        self._folder = path.with_name(path.stem + "-attempts")
        self._environment = _environment()
        self._css = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
        self._programs = [p.name for p in report.rows]
        self._task: Any = self._environment.get_template("attempts.html.j2").module

    def write(self) -> Written:
        lines = task_lines(self._report.rows)
        listed, linked = self._split(lines)
        batches = list(_batches(linked))
        names = [self._page_name(number) for number in range(1, len(batches) + 1)]
        pages = [self._write_page(number, batch, len(batches)) for number, batch in enumerate(batches, 1)]
        for old in self._folder.glob("page-*.html"):
            if old not in pages:
                old.unlink()
        for name, batch in zip(names, batches, strict=True):
            href = f"{self._folder.name}/{name}"
            room = max(0, LISTED_TASKS - len(listed))
            listed += [_Listed(line, None, f"{href}#{line.anchor}-runs") for line in batch[:room]]
        labels = [
            {
                "href": f"{self._folder.name}/{name}",
                "label": batch[0].task_id
                if len(batch) == 1
                else f"{batch[0].task_id} to {batch[-1].task_id}",
            }
            for name, batch in zip(names, batches, strict=True)
        ]
        data, text = self._path.with_suffix(".json"), self._path.with_suffix(".md")
        html = self._main(listed, labels, len(linked), len(lines) - len(listed), data.name, text.name)
        _replace(self._path, html)
        _replace(text, markdown(self._report))
        _replace(data, json.dumps(self._report.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n")
        return Written(self._path, text, data, tuple(pages))

    def _split(self, lines: list[TaskLine]) -> tuple[list[_Listed], list[TaskLine]]:
        """The tasks whose attempts fit into the file, and the others."""
        listed: list[_Listed] = []
        attempts = characters = 0
        for number, line in enumerate(lines):
            attempts += line.attempts
            if attempts > self._bound:
                return listed, lines[number:]
            html = Markup(self._task.task(line, list(run_views(line)), self._programs))
            characters += len(html)
            if characters > INLINE_CHARACTERS:
                return listed, lines[number:]
            listed.append(_Listed(line, html, ""))
        return listed, []

    def _write_page(self, number: int, batch: list[TaskLine], pages: int) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / self._page_name(number)
        made = self._environment.get_template("page.html.j2").stream(
            report=self._report,
            css=self._css,
            number=number,
            pages=pages,
            name=self._page_name,
            back=f"../{self._path.name}",
            programs=self._programs,
            tasks=((line, run_views(line)) for line in batch),
        )
        with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.writelines(made)
        return path

    def _main(
        self,
        listed: list[_Listed],
        pages: list[dict[str, str]],
        linked: int,
        unlisted: int,
        json_name: str,
        markdown_name: str,
    ) -> str:
        from plotly.offline import get_plotlyjs

        report = self._report
        drawn = charts(report)
        # Inside a script element only "<" could end it.
        chart_json = json.dumps(drawn, ensure_ascii=True).replace("<", "\\u003c")
        return self._environment.get_template("report.html.j2").render(
            report=report,
            css=self._css,
            nonce=hashlib.sha256(report.created.encode() + chart_json.encode()).hexdigest()[:24],
            charts=drawn,
            chart_json=Markup(chart_json),
            plotly=Markup(get_plotlyjs()) if drawn else "",
            script=Markup((TEMPLATES / "report.js").read_text(encoding="utf-8")),
            figure_columns=tables.FIGURES,
            figure_cells=tables.figure_cells(report),
            spent_columns=tables.SPENT,
            spent_cells=tables.spent_cells(report),
            comparison_columns=tables.COMPARISONS,
            comparison_cells=tables.comparison_cells(report),
            contrast_columns=tables.CONTRASTS,
            class_columns=tables.CLASSES,
            class_cells=tables.class_cells,
            section_figures=tables.section_figures,
            section_comparisons=tables.section_comparisons,
            verdict_parts=tables.verdict_parts,
            programs=self._programs,
            lines=listed,
            pages=pages,
            linked=linked,
            unlisted=unlisted,
            json_name=json_name,
            markdown_name=markdown_name,
        )

    @staticmethod
    def _page_name(number: int) -> str:
        return f"page-{number:04d}.html"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=False,
    )
    own: dict[str, Any] = {"search": _search, "rounded": _rounded, "svg_image": _svg_image}
    environment.globals |= own
    return environment


def _batches(lines: list[TaskLine]) -> Iterator[list[TaskLine]]:
    """Tasks in pages of about `PAGE_ATTEMPTS` attempts."""
    batch: list[TaskLine] = []
    attempts = 0
    for line in lines:
        if batch and attempts + line.attempts > PAGE_ATTEMPTS:
            yield batch
            batch, attempts = [], 0
        batch.append(line)
        attempts += line.attempts
    if batch:
        yield batch


def _search(line: TaskLine) -> str:
    """What the filter looks through: name, outcomes, and whether the task was solved."""
    outcomes = {row.outcome.replace("_", " ") for _, rows in line.runs for row in rows}
    classes = {name for _, rows in line.runs for row in rows for name in row.classes}
    words = [line.task_id, *sorted(outcomes | classes)]
    words.append("unsolved" if "none" in line.states or "some" in line.states else "solved")
    if line.false_greens:
        words.append("false green")
    return " ".join(words).lower()


def _svg_image(svg: str) -> str:
    """An SVG as the address of an image: what is in it is shown, and never run."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _rounded(rows: list[list[Any]]) -> list[list[Any]]:
    return [[f"{cell:.4g}" if isinstance(cell, float) else cell for cell in row] for row in rows]


def _replace(path: Path, content: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(content, encoding="utf-8", errors="replace", newline="\n")
    os.replace(part, path)


__all__ = ["INLINE_ATTEMPTS", "Written", "write"]

"""`greenloop report`: what the store knows of programs, as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ..errors import UsageError
from ..evals.experiments.result import ExperimentResult
from ..evals.program_settings import program_settings
from ..evals.report import ProgramRows, build_report, rows_from_store, write
from ..evals.report.writing import INLINE_ATTEMPTS
from ..modules.blueprint import program_digest
from ..optimizers.artifact import load
from .common import JsonOption, StoreOption, check_file, out, print_json, store_url
from .store_command import existing_store

_MOST_PROGRAMS = 12
"""Programs of a store that a report takes unless they are named: those with the most runs."""


def report(
    store: StoreOption = None,
    program: Annotated[
        list[str] | None,
        typer.Option(
            "--program", help="digest of a program or its beginning, or NAME=DIGEST (repeat); else all"
        ),
    ] = None,
    exported: Annotated[
        list[Path] | None,
        typer.Option("--exported", help="exported folder: names a program and its settings (repeat)"),
    ] = None,
    experiment: Annotated[
        list[Path] | None,
        typer.Option("--experiment", help="JSON file that greenloop experiment wrote, as a section (repeat)"),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", help="name of the program that the others are compared with")
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            "--study", help="instead: a page of a tuner's study (what mattered, path, configurations)"
        ),
    ] = None,
    title: Annotated[str, typer.Option("--title", help="title of the report")] = "Greenloop report",
    inline_attempts: Annotated[
        int,
        typer.Option("--inline-attempts", min=0, help="attempts in the file itself; the others are linked"),
    ] = INLINE_ATTEMPTS,
    to: Annotated[Path, typer.Option("--out", help="HTML file, or folder, to write")] = Path("report.html"),
    as_json: JsonOption = False,
) -> None:
    """Write a report of the runs in the store: HTML that needs no network, Markdown and JSON."""
    if study is not None:
        _study(study, store, to, as_json)
        return
    names, settings = _named(program or [], exported or [])
    with existing_store(store) as opened:
        rows = rows_from_store(opened, names)
    notes: list[str] = []
    if not names and len(rows) > _MOST_PROGRAMS:
        notes.append(
            f"The store holds {len(rows)} programs; these are the {_MOST_PROGRAMS} with the most runs"
            " (--program names others)."
        )
        rows = _largest(rows)
    made = build_report(
        rows,
        title=title,
        baseline=baseline,
        settings=settings,
        notes=notes,
        experiments=[_experiment(path) for path in experiment or []],
    )
    written = write(made, to, inline_attempts=inline_attempts)
    files = {
        "html": str(written.html),
        "markdown": str(written.markdown),
        "json": str(written.data),
        "pages": len(written.pages),
    }
    if as_json:
        print_json({**files, "programs": [p.name for p in made.programs], "summary": list(made.summary)})
        return
    for line in made.summary:
        out.print(escape(line), soft_wrap=True)
    pages = f", {files['pages']} pages of attempts beside it" if written.pages else ""
    out.print(
        escape(f"written: {files['html']}, {files['markdown']}, {files['json']}{pages}"), soft_wrap=True
    )


def _study(name: str, store: str | None, to: Path, as_json: bool) -> None:
    """Write the page of a study, and say what stands in it."""
    from ..optimizers.study_page import read_study, study_page, summary

    check_file(to, "--out")
    with existing_store(store):
        found = read_study(store_url(store), name)
    to.write_text(study_page(found), encoding="utf-8")
    told = summary(found)
    if as_json:
        print_json({"html": str(to), **told.model_dump(mode="json")})
        return
    out.print(escape(told.saved.line()), soft_wrap=True)
    for path, share in told.importances.items():
        out.print(escape(f"  {path}: {100 * share:.0f} % of the differences"), soft_wrap=True)
    out.print(escape(f"written: {to}"), soft_wrap=True)


def _named(
    programs: Sequence[str], exported: Sequence[Path]
) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Digest → name of the programs asked for, and name → settings of those that were exported."""
    names: dict[str, str] = {}
    settings: dict[str, dict[str, Any]] = {}
    for text in programs:
        name, separator, digest = text.rpartition("=")
        if not digest or (separator and not name):
            raise UsageError(f"--program takes a digest or NAME=DIGEST, not {text!r}")
        names[digest] = name
    for folder in exported:
        found = load(folder)
        digest = program_digest(found)
        name = names.get(digest) or folder.resolve().name
        names[digest] = name
        settings[name] = program_settings(found)
    return names, settings


def _experiment(path: Path) -> ExperimentResult:
    try:
        return ExperimentResult.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--experiment {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--experiment {path} is no result of greenloop experiment") from error


def _largest(rows: Sequence[ProgramRows]) -> list[ProgramRows]:
    chosen = sorted(rows, key=lambda p: -len(p.rows))[:_MOST_PROGRAMS]
    return [p for p in rows if p in chosen]

"""The attempts as a person reads them: code, what went wrong, what was changed; task by task."""

from __future__ import annotations

import difflib
import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ..transitions import error_class
from .rows import ProgramRows, Row

_MOST_CHARACTERS = 20_000
_CONTEXT = 2
_KINDS = {"+": "add", "-": "del", " ": ""}


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task in the table.

    Attributes:
        task_id: The task's name.
        anchor: Its place in a page.
        cells: For each program: what it solved, such as "3/5"; empty where it was not run.
        states: For each program: "all", "some", "none" or "".
        false_greens: Runs of it that passed the steering tests and are not solved.
        attempts: Attempts of all programs.
        runs: (program, its rows of this task).
    """

    task_id: str
    anchor: str
    cells: tuple[str, ...]
    states: tuple[str, ...]
    false_greens: int
    attempts: int
    runs: tuple[tuple[str, tuple[Row, ...]], ...]


def task_lines(programs: Sequence[ProgramRows]) -> list[TaskLine]:
    """The tasks of all programs, in the order in which they were first met."""
    by_task: dict[str, list[list[Row]]] = {}
    for number, program in enumerate(programs):
        for row in program.rows:
            by_task.setdefault(row.task_id, [[] for _ in programs])[number].append(row)
    lines: list[TaskLine] = []
    for number, (task_id, columns) in enumerate(by_task.items()):
        solved = [sum(row.score for row in column) for column in columns]
        lines.append(
            TaskLine(
                task_id=task_id,
                anchor=f"task-{number + 1}",
                cells=tuple(f"{s:g}/{len(c)}" if c else "" for s, c in zip(solved, columns, strict=True)),
                states=tuple(_state(s, len(c)) for s, c in zip(solved, columns, strict=True)),
                false_greens=sum(row.false_green for column in columns for row in column),
                attempts=sum(len(row.tokens) for column in columns for row in column),
                runs=tuple((p.name, tuple(c)) for p, c in zip(programs, columns, strict=True) if c),
            )
        )
    return lines


def run_views(line: TaskLine) -> Iterator[dict[str, Any]]:
    """The runs of a task for the template, each with its attempts."""
    for program, rows in line.runs:
        for row in rows:
            yield {
                "program": program,
                "replicate": row.replicate,
                "seed": row.seed,
                "outcome": row.outcome,
                "solved": row.outcome == "passed",
                "false_green": row.false_green,
                "attempts": _attempts(row),
            }


def _attempts(row: Row) -> list[dict[str, Any]]:
    views: list[dict[str, Any]] = []
    before: str | None = None
    for number, attempt in enumerate(row.attempts()):
        code = str(attempt.get("code") or "")
        execution = attempt.get("execution") or {}
        usage = attempt.get("usage") or {}
        outcome = str(execution.get("outcome") or "not run")
        total = int(execution.get("tests_total") or 0)
        views.append(
            {
                "number": number + 1,
                "stage": attempt.get("stage") or "",
                "model": attempt.get("model") or "",
                "outcome": outcome,
                "class": error_class(outcome, str(execution.get("error_type") or "")),
                "chosen": row.chosen == number,
                "tokens": int(usage.get("tokens_in", 0)) + int(usage.get("tokens_out", 0)),
                "seconds": float(usage.get("model_seconds", 0.0)),
                "seed": attempt.get("seed"),
                "truncated": bool(attempt.get("truncated")),
                "error": _error(execution) if outcome != "passed" else "",
                "tests": f"{execution.get('tests_passed')} of {total} tests" if total else "",
                "failing": [_test(t) for t in execution.get("failing") or ()],
                "code": _bounded(code),
                "answer": "" if code else _bounded(str(attempt.get("answer") or "")),
                "same": before is not None and bool(code) and code == before,
                "diff": _diff(before, code) if before and code and code != before else "",
            }
        )
        before = code or before
    return views


def _state(solved: float, runs: int) -> str:
    if not runs:
        return ""
    return "all" if solved == runs else "some" if solved else "none"


def _error(execution: dict[str, Any]) -> str:
    parts = [str(execution[name]) for name in ("error_type", "message") if execution.get(name)]
    where = f" (line {execution['line']})" if execution.get("line") else ""
    return _bounded(": ".join(parts)) + where if parts else ""


def _test(test: dict[str, Any]) -> str:
    call = test.get("call") or str(test.get("test") or "").strip()
    text = _bounded(str(call), 300)
    if test.get("got") is not None:
        text += f"  got {_bounded(str(test['got']), 200)}"
    if test.get("expected") is not None:
        text += f", expected {_bounded(str(test['expected']), 200)}"
    return text


def _diff(before: str, after: str) -> Markup:
    """The changed lines with two around them as escaped HTML, a span each: "add", "del", or "at" for a gap."""
    old, new = _bounded(before).splitlines(), _bounded(after).splitlines()
    # What both begin and end with is most of them, and difflib's time goes by the lines it is given.
    start, end, shorter = 0, 0, min(len(old), len(new))
    while start < shorter and old[start] == new[start]:
        start += 1
    while end < shorter - start and old[-1 - end] == new[-1 - end]:
        end += 1
    first = max(0, start - _CONTEXT)
    cut_old, cut_new = (lines[first : len(lines) - max(0, end - _CONTEXT)] for lines in (old, new))
    found: list[tuple[str, str]] = []
    for line in list(difflib.unified_diff(cut_old, cut_new, lineterm="", n=_CONTEXT))[2:]:
        if line.startswith("@@"):
            found += [("at", "⋯")] if found or first else []
        else:
            found.append((_KINDS[line[0]], line))
    # Not in the template: this is most of a page, and one string is escaped faster than a hundred.
    spans = [
        f'<span class="{kind}">{html.escape(line)}</span>' if kind else f"<span>{html.escape(line)}</span>"
        for kind, line in found
    ]
    return Markup("".join(spans))


def _bounded(text: str, most: int = _MOST_CHARACTERS) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}\n… ({len(text) - most:,} more characters)"

"""The attempts as a person reads them: code, what went wrong, what was changed; task by task."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from ...runtime.execution import error_class
from .rows import ProgramRows, Row

_MOST_CHARACTERS = 20_000
_CONTEXT = 2
_SIGNS = {"add": "+", "del": "-", "": " "}


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


@dataclass(frozen=True, slots=True)
class AttemptView:
    """An attempt as the template shows it: few texts, as each of them is escaped on its own.

    Attributes:
        heading: Its number and stage.
        error_class: Of its run on the tests that steered; "not run" where it was not run.
        colour: "good", "bad" or "muted".
        chosen: It was returned.
        facts: Model, tokens, seconds, seed, tests passed, cut at `max_tokens`.
        error: What went wrong, with the first failing tests; empty where it passed.
        code: The code.
        answer: The model's answer where it held no code.
        same: The same code as in the attempt before.
        diff: What was changed since the attempt before, as escaped HTML.
    """

    heading: str
    error_class: str
    colour: str
    chosen: bool
    facts: str
    error: str
    code: str
    answer: str
    same: bool
    diff: Markup | str


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as the template shows it.

    Attributes:
        program: The program's name.
        replicate: Number of the replicate.
        outcome: On all tests.
        solved: It passed them.
        false_green: It passed the tests that steered, and is not solved.
        attempts: Its attempts.
    """

    program: str
    replicate: int
    outcome: str
    solved: bool
    false_green: bool
    attempts: list[AttemptView]


def run_views(line: TaskLine) -> Iterator[RunView]:
    """The runs of a task for the template, each with its attempts."""
    for program, rows in line.runs:
        for row in rows:
            solved = row.outcome == "passed"
            yield RunView(program, row.replicate, row.outcome, solved, row.false_green, _attempts(row))


def _attempts(row: Row) -> list[AttemptView]:
    views: list[AttemptView] = []
    before: str | None = None
    for number, attempt in enumerate(row.attempts()):
        code = str(attempt.get("code") or "")
        execution = attempt.get("execution") or {}
        outcome = str(execution.get("outcome") or "not run")
        same = before is not None and bool(code) and code == before
        views.append(
            AttemptView(
                heading=f"Attempt {number + 1} · {attempt.get('stage') or ''}",
                error_class=error_class(outcome, str(execution.get("error_type") or "")),
                colour={"passed": "good", "not run": "muted"}.get(outcome, "bad"),
                chosen=row.chosen == number,
                facts=_facts(attempt, execution),
                error=_error(execution) if outcome != "passed" else "",
                code=_bounded(code),
                answer="" if code else _bounded(str(attempt.get("answer") or "")),
                same=same,
                diff=_diff(before, code) if before and code and not same else "",
            )
        )
        before = code or before
    return views


def _facts(attempt: dict[str, Any], execution: dict[str, Any]) -> str:
    usage = attempt.get("usage") or {}
    tokens = int(usage.get("tokens_in", 0)) + int(usage.get("tokens_out", 0))
    told = [
        f"{attempt.get('model') or ''} · {tokens} tokens · {float(usage.get('model_seconds', 0.0)):.1f} s"
    ]
    if (seed := attempt.get("seed")) is not None:
        told.append(f"seed {seed}")
    if total := int(execution.get("tests_total") or 0):
        told.append(f"{execution.get('tests_passed')} of {total} tests")
    if attempt.get("truncated"):
        told.append("cut at max_tokens")
    return " · ".join(told)


def _state(solved: float, runs: int) -> str:
    if not runs:
        return ""
    return "all" if solved == runs else "some" if solved else "none"


def _error(execution: dict[str, Any]) -> str:
    """Error and message in a line, then a line for each of the first failing tests."""
    parts = [str(execution[name]) for name in ("error_type", "message") if execution.get(name)]
    if not parts:
        return ""
    where = f" (line {execution['line']})" if execution.get("line") else ""
    return "\n".join([_bounded(": ".join(parts)) + where, *map(_test, execution.get("failing") or ())])


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
    # Escaped as a whole, then cut: a text is escaped faster than its lines one by one.
    old, new = (str(escape(_bounded(text))).splitlines() for text in (before, after))
    # What both begin and end with is most of them, and difflib's time goes by the lines it is given.
    start, end, shorter = 0, 0, min(len(old), len(new))
    while start < shorter and old[start] == new[start]:
        start += 1
    while end < shorter - start and old[-1 - end] == new[-1 - end]:
        end += 1
    first = max(0, start - _CONTEXT)
    cut_old, cut_new = (lines[first : len(lines) - max(0, end - _CONTEXT)] for lines in (old, new))
    spans: list[str] = []
    for kind, line in _changes(cut_old, cut_new, start - first, min(end, _CONTEXT)):
        if kind == "at":
            spans += ['<span class="at">⋯</span>'] if spans or first else []
        else:
            sign = _SIGNS[kind]
            spans.append(
                f'<span class="{kind}">{sign}{line}</span>' if kind else f"<span>{sign}{line}</span>"
            )
    return Markup("".join(spans))


def _changes(old: list[str], new: list[str], ahead: int, behind: int) -> Iterator[tuple[str, str]]:
    """(kind, line) of a diff of two texts that begin with `ahead` and end with `behind` common lines."""
    gone, come = old[ahead : len(old) - behind], new[ahead : len(new) - behind]
    if not gone and not come:  # what differs was cut off
        return
    if set(old).isdisjoint(come) and set(new).isdisjoint(gone):  # nothing that a diff could align
        yield "at", ""
        yield from (("", line) for line in old[:ahead])
        yield from (("del", line) for line in gone)
        yield from (("add", line) for line in come)
        yield from (("", line) for line in old[len(old) - behind :])
        return
    for group in difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(_CONTEXT):
        yield "at", ""
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from (("", line) for line in old[i1:i2])
            else:
                yield from (("del", line) for line in old[i1:i2])
                yield from (("add", line) for line in new[j1:j2])


def _bounded(text: str, most: int = _MOST_CHARACTERS) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}\n… ({len(text) - most:,} more characters)"

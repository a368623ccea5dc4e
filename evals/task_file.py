"""Tasks of a user's own: a JSONL file, one object a line, with the fields of `Task`.

======================  =======  ======================================================================
field                   needed   meaning
======================  =======  ======================================================================
``task_id``             yes      string, unique in the file
``prompt``              yes      string: the request in words, or a stub with docstring
``entry_point``         no       string: the function (or class) that the tests call
``preamble``            no       string: Python that runs ahead of the candidate (imports, helpers)
``visible_tests``       no       list of strings: Python that a program may see and run
``hidden_tests``        no       list of strings: Python that scores, seen by no program
``reference``           no       string or null: Python of a known solution
======================  =======  ======================================================================

Unknown fields are refused. A task without any test loads: `greenloop solve` takes it, scoring refuses it.
Files are UTF-8 (a byte-order mark is allowed), blank lines are skipped.
"""

from __future__ import annotations

import ast
import json
import keyword
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import TaskError
from ..runtime.task import Task

MAX_BYTES = 64 * 2**20
"""Bytes that a task file may have."""

MAX_LINE_BYTES = 4 * 2**20
"""Bytes that one task may have."""


class TaskRecord(BaseModel):
    """One line of a task file; its JSON schema is the file's documentation for machines."""

    model_config = ConfigDict(extra="forbid", strict=True)

    task_id: str = Field(min_length=1, description="unique in the file")
    prompt: str = Field(min_length=1, description="the request in words, or a stub with docstring")
    entry_point: str = Field(default="", description="the function or class that the tests call")
    preamble: str = Field(default="", description="Python that runs ahead of the candidate")
    visible_tests: list[str] = Field(default=[], description="Python that a program may see and run")
    hidden_tests: list[str] = Field(default=[], description="Python that scores, seen by no program")
    reference: str | None = Field(default=None, description="Python of a known solution")


def read_tasks(path: str | Path) -> list[Task]:
    """Read and check a task file.

    Raises:
        TaskError: The file cannot be read, is empty or too large, or a line is malformed; the message names
            file, line and field.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp(), "tasks.jsonl")
        >>> _ = file.write_text('{"task_id": "add", "prompt": "Add two numbers.", "entry_point": "add"}')
        >>> read_tasks(file)[0].entry_point
        'add'
    """
    path = Path(path)
    tasks: list[Task] = []
    seen: dict[str, int] = {}
    for number, line in _lines(path):
        where = f"{path}:{number}"
        task = parse_task(line, where)
        if task.task_id in seen:
            raise TaskError(
                f"{where}: field 'task_id': {task.task_id!r} was used on line {seen[task.task_id]}"
            )
        seen[task.task_id] = number
        tasks.append(task)
    if not tasks:
        raise TaskError(f"{path}: the file holds no task")
    return tasks


def write_tasks(tasks: Iterable[Task], path: str | Path) -> None:
    """Write a task file that `read_tasks` reads back: every field, hidden tests too."""
    lines = [json.dumps(task.fields(), ensure_ascii=False) + "\n" for task in tasks]
    Path(path).write_text("".join(lines), encoding="utf-8", newline="\n")


def parse_task(line: str, where: str) -> Task:
    """One line as a task.

    Args:
        line: A JSON object.
        where: File and line, put ahead of the message of an error.

    Raises:
        TaskError: The line is no JSON object, a field is missing, unknown or of the wrong type, or a
            field that should be Python does not compile.
    """
    try:
        record = TaskRecord.model_validate(json.loads(line, object_pairs_hook=_without_repeats))
    except json.JSONDecodeError as error:
        raise TaskError(f"{where}: no JSON object: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise TaskError(f"{where}: no JSON object: nested too deeply") from error
    except _RepeatedFieldError as error:
        raise TaskError(f"{where}: field {error.args[0]!r} is given twice") from error
    except ValidationError as error:
        raise TaskError(f"{where}: {_first_problem(error)}") from error
    for field, problem in _problems(record):
        raise TaskError(f"{where}: field {field!r}: {problem}")
    return Task(**record.model_dump())


class _RepeatedFieldError(ValueError):
    """A JSON object names a field twice."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for key, value in pairs:
        if key in record:
            raise _RepeatedFieldError(key)
        record[key] = value
    return record


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    try:
        if path.exists() and not path.is_file():
            raise TaskError(f"{path}: is no regular file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise TaskError(f"{path}: {size} bytes; a task file may have {MAX_BYTES // 2**20} MiB")
        content = path.read_bytes()
    except OSError as error:
        raise TaskError(f"{path}: cannot be read: {error.strerror}") from error
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if len(raw) > MAX_LINE_BYTES:
            raise TaskError(
                f"{path}:{number}: {len(raw)} bytes; a task may have {MAX_LINE_BYTES // 2**20} MiB"
            )
        try:
            line = raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise TaskError(f"{path}:{number}: no UTF-8 at byte {error.start + 1} of the line") from error
        if line:
            yield number, line


def _first_problem(error: ValidationError) -> str:
    """Pydantic's first complaint in one line, with the count of the others."""
    found = error.errors(include_url=False)
    first = found[0]
    unknown = next((str(e["loc"][0]) for e in found if e["type"] == "extra_forbidden"), "")
    if first["type"] == "missing" and unknown:  # a typo is both
        return f"field {str(first['loc'][0])!r}: is missing, and {unknown!r} is unknown"
    field = "".join(f"[{part}]" if isinstance(part, int) else part for part in first["loc"])
    message = {
        "missing": "is missing",
        "extra_forbidden": f"is unknown; fields are {', '.join(TaskRecord.model_fields)}",
    }.get(first["type"], first["msg"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"field {field!r}: {message}{more}" if field else f"{message}{more}"


def _problems(record: TaskRecord) -> Iterator[tuple[str, str]]:
    """What pydantic cannot see, as (field, problem): names that are none, Python that does not compile."""
    for field in ("task_id", "prompt"):
        if not getattr(record, field).strip():
            yield field, "must not be blank"
    name = record.entry_point
    if name and (not name.isidentifier() or keyword.iskeyword(name)):
        yield "entry_point", f"{name!r} is no Python name"
    if problem := _python_problem(record.preamble):
        yield "preamble", problem
    for field in ("visible_tests", "hidden_tests"):
        for number, test in enumerate(cast("list[str]", getattr(record, field))):
            if problem := _python_problem(test, empty="holds no statement"):
                yield f"{field}[{number}]", problem
    if record.reference is not None and (problem := _python_problem(record.reference, empty="holds no code")):
        yield "reference", problem


def _python_problem(source: str, empty: str = "") -> str:
    """Why `source` is no Python, in one line; nothing if it is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(source)
            compile(tree, "<task>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"no Python: {error.msg}" + (f" on its line {error.lineno}" if error.lineno else "")
    except (ValueError, RecursionError, MemoryError) as error:
        return f"no Python: {str(error) or type(error).__name__}"
    return empty if not tree.body else ""

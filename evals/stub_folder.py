"""A folder of Python stubs with pytest files, as tasks.

::

    slug.py  or  stubs/slug.py           a function (or class) whose body is still to be written
    test_slug.py  or  tests/test_slug.py its tests: plain asserts, fixtures, parametrize, unittest cases
    solutions/slug.py                    if you have one: a known solution, seen by no program

A stub is a function or class without a body: ``...``, ``pass``, a docstring alone, or ``raise NotImplementedError``.
What else stands in its file (imports, helpers) is the task's preamble. Tests may import the stub's names from wherever
the stub will live: ``from slug import slugify``, ``from my_package.slug import slugify``. A ``conftest.py`` beside the
tests is put ahead of them.

Which tests a program may see and steer by: those whose name begins with ``test_visible``, or that bear the comment
``# visible`` on their ``def`` line or on the line above it. All others are hidden: they only score, and what only they
use (constants with their cases, helpers, fixtures) is hidden with them. Where none is marked, the first test of the
file is visible.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from ..errors import TaskError, UsageError
from ..runtime.task import Task
from .records import as_python, unique
from .stub_tests import split_tests

SHAPE = "NAME.py or stubs/NAME.py with test_NAME.py or tests/test_NAME.py"

MAX_BYTES = 2**20
"""Bytes that a file may have."""

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def folder_tasks(folder: str | Path) -> list[Task]:
    """The tasks of a folder, in the order of their names.

    Raises:
        UsageError: There is no stub with a test in it.
        TaskError: A file cannot be read, is no Python, or holds no stub or several; the message names it.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "twice.py").write_text("def twice(n):\\n    '''Twice n.'''\\n")
        >>> test = "from twice import twice\\n\\ndef test_it():\\n    assert twice(2) == 4\\n"
        >>> _ = (folder / "test_twice.py").write_text(test)
        >>> [task.entry_point for task in folder_tasks(folder)]
        ['twice']
    """
    root = Path(folder)
    tasks = unique(_tasks(root))
    if not tasks:
        raise UsageError(
            f"{str(root)!r} is a folder that holds no stub with a test: it takes {SHAPE}; or name a JSONL file of tasks"
        )
    return tasks


def _tasks(root: Path) -> Iterator[tuple[str, Task]]:
    for source in sorted([*root.glob("*.py"), *(root / "stubs").glob("*.py")]):
        if _is_test(source) or source.name in ("conftest.py", "setup.py") or source.name.startswith("_"):
            continue
        test = _test_of(root, source)
        text = _read(source)
        tree = as_python(text, str(source), "source")
        stubs = [n for n in tree.body if isinstance(n, _Definition) and is_stub(n)]
        if test is None:
            if stubs:
                raise TaskError(
                    f"{source}: it has no test: write {root / 'tests' / f'test_{source.stem}.py'}"
                )
            continue
        if len(stubs) != 1:
            said = f"holds {len(stubs)} stubs ({', '.join(s.name for s in stubs)}); a file has one"
            hint = "holds no stub: a function whose body is '...', 'pass', a docstring or 'raise NotImplementedError'"
            raise TaskError(f"{source}: {said if stubs else hint}")
        yield str(source), _task(root, source, text, stubs[0], test)


def _task(root: Path, source: Path, text: str, stub: _Definition, test: Path) -> Task:
    conftest = test.parent / "conftest.py"
    ahead = _read(conftest) if conftest.is_file() else ""
    visible, hidden = split_tests(_read(test), test, source.stem, ahead)
    solution = root / "solutions" / source.name
    return Task(
        task_id=source.stem,
        prompt=text.strip() + "\n",
        entry_point=stub.name,
        preamble=_without(text, stub),
        visible_tests=[visible] if visible else [],
        hidden_tests=[hidden] if hidden else [],
        reference=_read(solution) if solution.is_file() else None,
    )


def is_stub(node: _Definition) -> bool:
    """Whether a function has no body yet, or a class no method with one."""
    if isinstance(node, ast.ClassDef):
        methods = [n for n in node.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
        return bool(methods) and all(is_stub(method) or method.name == "__init__" for method in methods)
    return all(_says_nothing(statement) for statement in node.body)


def _says_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Raise):
        return "NotImplemented" in ast.unparse(statement)
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass) or constant


def _without(text: str, stub: _Definition) -> str:
    """The file without its stub; its docstring is left to the prompt."""
    first = min([stub.lineno, *(d.lineno for d in stub.decorator_list)])
    lines = text.splitlines()
    rest = "\n".join([*lines[: first - 1], *lines[stub.end_lineno :]]).strip("\n")
    tree = ast.parse(rest)
    if ast.get_docstring(tree) is not None:
        rest = "\n".join(rest.splitlines()[tree.body[0].end_lineno :]).strip("\n")
    return rest + "\n" if rest.strip() else ""


def _is_test(path: Path) -> bool:
    return path.stem.startswith("test_") or path.stem.endswith("_test")


def _test_of(root: Path, source: Path) -> Path | None:
    names = (f"test_{source.stem}.py", f"{source.stem}_test.py")
    folders = (source.parent, root / "tests", root / "test", source.parent / "tests", root)
    return next((f / name for f in folders for name in names if (f / name).is_file()), None)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TaskError(f"{path}: {path.stat().st_size} bytes; a file may have {MAX_BYTES // 2**20} MiB")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TaskError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TaskError(f"{path}: is no UTF-8 text") from error

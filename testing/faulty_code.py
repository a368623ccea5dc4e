"""Code that really has a given error class when it is run against a task's tests."""

from __future__ import annotations

import ast
import builtins
import textwrap

from ..errors import UsageError
from ..runtime.parsing import syntax_tree
from ..runtime.task import Task

_RAISING = {
    "NameError": "return this_name_is_not_defined",
    "TypeError": "return None + 1",
    "IndexError": "return [][0]",
    "KeyError": "return {}['absent']",
    "AttributeError": "return (0).absent",
    "ZeroDivisionError": "return 1 // 0",
    "UnboundLocalError": "value += 1",
    "timeout": "while True: pass",
}

_ANOTHER_VALUE = """\
def _another_value(value):
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float, complex)):
        return value + 1
    if isinstance(value, str):
        return value + "?"
    if isinstance(value, list):
        return value + [None]
    if isinstance(value, tuple):
        return value + (None,)
    if isinstance(value, dict):
        return {**value, "simulated": None}
    if isinstance(value, (set, frozenset)):
        return value | {"simulated"}
    return 0
"""


def code_of_class(name: str, task: Task) -> str:
    """Source that passes the task, or fails it in the way asked for.

    Every code bears the note ``simulated: NAME`` inside its function, so that it is known for what it is.

    Args:
        name: "passed", "wrong answer", "SyntaxError", "timeout", or the name of a builtin exception.
        task: A task with a reference that defines its entry point as a function.

    Raises:
        UsageError: No reference, no function of the entry point's name in it, or a class that is not known.
    """
    if task.reference is None:
        raise UsageError(f"task {task.task_id!r} has no reference to make code from")
    entry = task.problem.entry_point
    if not any(
        isinstance(node, ast.FunctionDef) and node.name == entry for node in syntax_tree(task.reference).body
    ):
        raise UsageError(f"the reference of task {task.task_id!r} defines no function {entry!r}")
    if name == "passed":
        return _wrapped(task.reference, entry, name, f"return {entry}(*args, **kwargs)")
    if name == "wrong answer":
        body = f"return _another_value({entry}(*args, **kwargs))"
        return _ANOTHER_VALUE + "\n\n" + _wrapped(task.reference, entry, name, body)
    if name == "SyntaxError":
        return f'def {entry}(*args, **kwargs):\n    """simulated: {name}"""\n    return (\n'
    if name in _RAISING:
        body = _RAISING[name]
    else:
        known = getattr(builtins, name, None)
        if not (isinstance(known, type) and issubclass(known, Exception)):
            raise UsageError(f"{name!r} is no error class that code can be made of")
        body = f"raise {name}('simulated')"
    return f'def {entry}(*args, **kwargs):\n    """simulated: {name}"""\n    {body}\n'


def _wrapped(reference: str, entry: str, name: str, last_line: str) -> str:
    """The reference inside a function of the same name, so that what it returns can be handled."""
    imports, rest = _split_imports(reference)
    inner = textwrap.indent(rest.strip("\n"), "    ")
    head = f'def {entry}(*args, **kwargs):\n    """simulated: {name}"""\n'
    return f"{imports}{head}{inner}\n\n    {last_line}\n"


def _split_imports(source: str) -> tuple[str, str]:
    """Top-level imports, and the rest: star and future imports cannot stand in a function."""
    lines = source.splitlines()
    taken: set[int] = set()
    for node in syntax_tree(source).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            taken |= set(range(node.lineno - 1, node.end_lineno or node.lineno))
    imports = "".join(lines[i] + "\n" for i in sorted(taken))
    return imports, "\n".join(line for i, line in enumerate(lines) if i not in taken)

"""Sanitized MBPP: 427 small functions asked for in a sentence (Austin et al. 2021, arXiv 2108.07732).

All four splits: ids 2 to 4 are the usual few-shot examples, 11 to 510 the test split (257 tasks). The first
assert is the visible test, the others (two or more) are hidden.
"""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Sequence

from ..errors import TaskError
from ..runtime.task import Task
from .download import Record, Source
from .records import PublishedRecord

SOURCE = Source(
    name="mbpp",
    url="https://raw.githubusercontent.com/google-research/google-research/master/mbpp/sanitized-mbpp.json",
    filenames=("sanitized-mbpp.json", "sanitized-mbpp.json.gz"),
    sha256="0a699546e9e40b657bfd6bdaf9ecd330bd590ecc8e0602e9cb0ef85cd41d6e16",
)


class SanitizedRecord(PublishedRecord):
    """A record of ``sanitized-mbpp.json``."""

    task_id: int
    prompt: str
    code: str
    test_imports: list[str]
    test_list: list[str]


def to_tasks(records: list[Record]) -> list[Task]:
    """Sanitized MBPP's records as tasks, in their order."""
    return [to_task(record) for record in records]


def to_task(record: Record) -> Task:
    """One record as a task: the sentence as prompt, first assert visible, others hidden.

    Example:
        >>> task = to_task({"task_id": 1, "prompt": "Add one.", "code": "def inc(n): return n + 1",
        ...                 "test_imports": [], "test_list": ["assert inc(1) == 2", "assert inc(2) == 3"]})
        >>> task.entry_point, task.hidden_tests
        ('inc', ('assert inc(2) == 3',))
    """
    return assert_task(
        f"MBPP/{record['task_id']}",
        record["prompt"],
        record["code"],
        record["test_list"],
        imports=record["test_imports"],
    )


def assert_task(
    task_id: str,
    prompt: str,
    code: str,
    tests: Sequence[str],
    *,
    imports: Sequence[str] = (),
    setup: str = "",
    entry_point: str = "",
) -> Task:
    """A task of MBPP's form: a sentence, its first assert visible, the others hidden.

    Args:
        task_id: Its id.
        prompt: The sentence.
        code: The reference.
        tests: The asserts.
        imports: Import statements that the tests need.
        setup: Python that runs ahead of each test, after the candidate.
        entry_point: What the tests call; the first definition of the reference that they name where it is not given.

    Raises:
        TaskError: There is no test, or the tests name nothing that the reference defines.
    """
    if not tests:
        raise TaskError(f"{task_id} has no test")
    ahead = setup.replace("\r\n", "\n").strip()
    visible, *hidden = [f"{ahead}\n{test.strip()}" if ahead else test.strip() for test in tests]
    code = code.replace("\r\n", "\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some references hold escapes such as "\w"
        reference = ast.parse(code)
        used = {
            node.id
            for test in tests
            for node in ast.walk(ast.parse(test.strip()))
            if isinstance(node, ast.Name)
        }
    defined = [node.name for node in reference.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    called = entry_point or next((name for name in defined if name in used), "")
    if not called:
        raise TaskError(f"the tests of {task_id} name nothing that its reference defines")
    needed = [*imports, *_imports_for(used - {called}, reference, list(imports))]
    return Task(
        task_id=task_id,
        prompt=prompt,
        entry_point=called,
        preamble="\n".join(needed) + "\n" if needed else "",
        visible_tests=[visible],
        hidden_tests=hidden,
        reference=code,
    )


def _imports_for(names: set[str], reference: ast.Module, given: list[str]) -> list[str]:
    """The reference's imports that the tests assume and `test_imports` lacks (``sys`` in task 596)."""
    missing = {name for name in names if not hasattr(builtins, name)} - _bound(ast.parse("\n".join(given)))
    return [
        ast.unparse(node)
        for node in reference.body
        if isinstance(node, (ast.Import, ast.ImportFrom)) and _bound(ast.Module([node], [])) & missing
    ]


def _bound(module: ast.Module) -> set[str]:
    """Names that the module's imports bind."""
    imports = [node for node in module.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return {(alias.asname or alias.name).split(".")[0] for node in imports for alias in node.names}

"""Judging code against a task's tests, and the metric that DSPy's optimizers and ours share."""

from __future__ import annotations

from typing import Any, Literal

from ..errors import UsageError
from ..runtime.execution import Candidate, Execution, Limits
from ..runtime.judge import run_candidate
from ..runtime.run import current_session
from ..runtime.task import Task

Tests = Literal["visible", "hidden", "all"]


def check(task: Task, code: str, tests: Tests = "visible", limits: Limits | None = None) -> Execution:
    """Run code on a task's tests in the sandbox of the session in force.

    Args:
        task: The task.
        code: The program's source; the task's preamble is put ahead of it.
        tests: "visible" (those that may steer), "hidden" (those that only score) or "all".
        limits: Bounds of the run.

    Returns:
        The execution; `unverified` where the task has no such test and the code loads.

    Raises:
        UsageError: `tests` is none of the three.
        SandboxError: The sandbox itself failed.

    Example:
        >>> task = Task(task_id="t", prompt="Add.", entry_point="add", hidden_tests=["assert add(1, 2) == 3"])
        >>> check(task, "def add(a, b): return a - b", tests="hidden").outcome
        'failed'
    """
    if tests not in ("visible", "hidden", "all"):
        raise UsageError(f'tests must be "visible", "hidden" or "all", not {tests!r}')
    problem = task.problem
    chosen: list[str] = []
    if tests in ("visible", "all"):
        chosen += problem.visible_tests
    if tests in ("hidden", "all"):
        chosen += task.hidden_tests
    candidate = Candidate(code=code, entry_point=problem.entry_point, preamble=problem.preamble)
    return run_candidate(current_session(), candidate, chosen, limits or Limits())


def solved(example: Any, pred: Any, trace: Any = None) -> bool:
    """DSPy metric: the predicted code passes all tests of the task, hidden and visible.

    Args:
        example: The task.
        pred: A prediction with `code`.
        trace: DSPy passes it; it changes nothing here.

    Returns:
        Whether every test held. A task without any test is never solved.

    Raises:
        SandboxError: The sandbox itself failed; never scored as a failure of the program.
    """
    if not isinstance(example, Task):
        raise UsageError(f"gl.solved judges gl.Task examples, not {type(example).__name__}")
    code = getattr(pred, "code", None)
    return isinstance(code, str) and check(example, code, tests="all").passed

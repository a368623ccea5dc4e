"""Is a benchmark sound? Every reference passes its tests, and with its body taken out it fails them."""

from __future__ import annotations

import ast
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from ..errors import SandboxError, TaskError
from ..runtime.execution import Candidate, Execution, Limits
from ..runtime.sandbox import Sandbox
from ..runtime.task import Task

HOLLOW_PASSES = frozenset({"MBPP/794"})
"""Tasks whose hidden tests a function that returns None is known to pass: both asserts of MBPP/794 are
`assert not …`."""


@dataclass(frozen=True, slots=True)
class TaskCheck:
    """One task's reference, whole and hollow.

    Attributes:
        task_id: The task's name.
        reference: Its reference on all tests.
        hollow: The reference with the entry point's body replaced by `return None`, on the hidden tests (on all where
            there is no hidden one): what fails these fails them all.
    """

    task_id: str
    reference: Execution
    hollow: Execution

    @property
    def as_expected(self) -> bool:
        """The reference passes; the hollow one does not, unless that is known of the task."""
        return self.reference.passed and (not self.hollow.passed or self.task_id in HOLLOW_PASSES)


@dataclass(frozen=True, slots=True)
class BenchmarkCheck:
    """All references of a set of tasks.

    Attributes:
        tier: The sandbox tier that judged.
        items: One for each task that has a reference, in the set's order.
        without_reference: Ids of the tasks that have none.
    """

    tier: str
    items: tuple[TaskCheck, ...]
    without_reference: tuple[str, ...]

    @property
    def as_expected(self) -> bool:
        """Whether every task is sound."""
        return all(item.as_expected for item in self.items)

    @property
    def passed(self) -> int:
        """References that pass."""
        return sum(item.reference.passed for item in self.items)

    @property
    def hollow_passed(self) -> list[str]:
        """Ids of the tasks whose hollow reference passes."""
        return [item.task_id for item in self.items if item.hollow.passed]

    @property
    def modes(self) -> dict[str, int]:
        """How many references ran with judge and candidate "apart", and how many "together"."""
        return dict(Counter(item.reference.mode for item in self.items))

    def to_json(self) -> dict[str, Any]:
        """The check as plain JSON data."""
        return {
            "n": len(self.items),
            "passed": self.passed,
            "apart": self.modes.get("apart", 0),
            "together": self.modes.get("together", 0),
            "failed": [
                {"task_id": i.task_id, "outcome": i.reference.outcome, "message": i.reference.message}
                for i in self.items
                if not i.reference.passed
            ],
            "hollow_failed": len(self.items) - len(self.hollow_passed),
            "hollow_passed": self.hollow_passed,
            "hollow_passes_known": sorted(HOLLOW_PASSES & set(self.hollow_passed)),
            "without_reference": list(self.without_reference),
            "tier": self.tier,
            "as_expected": self.as_expected,
        }


def check_references(
    tasks: Sequence[Task],
    sandbox: Sandbox,
    *,
    limits: Limits | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> BenchmarkCheck:
    """Run every reference, whole and hollow; nothing is taken from a store.

    A reference that runs into the time limit is run once more when the others are done.

    Args:
        tasks: The set.
        sandbox: What judges; it runs as many at once as it has workers.
        limits: Bounds of one run.
        on_progress: Called with (runs done, runs in all), from the calling thread.

    Raises:
        TaskError: No task has a reference.
        SandboxError: The sandbox itself failed.

    Example:
        >>> task = Task(task_id="t", prompt="Add one.", entry_point="inc",
        ...             hidden_tests=["assert inc(1) == 2"], reference="def inc(n): return n + 1")
        >>> with Sandbox(workers=1) as sandbox:
        ...     check_references([task], sandbox).as_expected
        True
    """
    having = [task for task in tasks if task.reference]
    if not having:
        raise TaskError("none of the tasks has a reference solution to check")
    bounds = limits or Limits()
    found: dict[tuple[int, bool], Execution] = {}
    # Twice the workers: one job is always waiting, so that none of them idles.
    with ThreadPoolExecutor(max_workers=2 * sandbox.workers, thread_name_prefix="greenloop-check") as pool:
        futures = {
            pool.submit(_run, sandbox, task, is_hollow, bounds): (number, is_hollow)
            for number, task in enumerate(having)
            for is_hollow in (False, True)
        }
        try:
            for future in as_completed(futures):
                found[futures[future]] = future.result()
                if on_progress is not None:
                    on_progress(len(found), len(futures))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    for (number, is_hollow), execution in found.items():
        if (
            execution.outcome == "timeout" and not is_hollow
        ):  # on a busy machine: once more, with nothing beside it
            found[number, is_hollow] = _run(sandbox, having[number], is_hollow, bounds)
    items = tuple(TaskCheck(t.task_id, found[i, False], found[i, True]) for i, t in enumerate(having))
    without = tuple(task.task_id for task in tasks if not task.reference)
    return BenchmarkCheck(sandbox.tier, items, without)


def hollow(source: str, entry_point: str) -> str:
    """The source with the entry point's body replaced by `return None`.

    A class keeps its methods, each of them hollow. A whole program (no entry point) becomes one that does nothing.

    Example:
        >>> print(hollow("def one():\\n    return 1", "one"))
        def one():
            return None
    """
    if not entry_point:
        return "pass"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some references hold escapes such as "\w"
        tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == entry_point:
            _empty(node)
        elif isinstance(node, ast.ClassDef) and node.name == entry_point:
            for method in node.body:
                if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    _empty(method)
    return ast.unparse(tree)


def _empty(function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    function.body = [ast.Return(ast.Constant(None))]


def _run(sandbox: Sandbox, task: Task, is_hollow: bool, limits: Limits) -> Execution:
    source = task.reference or ""
    tests = task.tests
    if is_hollow:
        source = hollow(source, task.entry_point)
        tests = task.hidden_tests or task.tests
    candidate = Candidate(code=source, entry_point=task.entry_point, preamble=task.preamble)
    execution = sandbox.run(candidate, tests, limits)
    if execution.outcome == "sandbox_error":
        raise SandboxError(f"the sandbox failed on task {task.task_id}: {execution.message}")
    return execution

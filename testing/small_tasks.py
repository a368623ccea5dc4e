"""Small tasks whose right answer a scripted model can read off the prompt."""

from __future__ import annotations

from ..runtime.task import Task


def adding_tasks(count: int) -> list[Task]:
    """Tasks "t0", "t1", …: write f(x) that adds the task's number to x.

    Args:
        count: How many; at least 1.

    Example:
        >>> adding_tasks(2)[1].prompt
        'Write f(x) that adds 1 to x.'
    """
    return [
        Task(
            task_id=f"t{i}",
            prompt=f"Write f(x) that adds {i} to x.",
            entry_point="f",
            visible_tests=[f"assert f(0) == {i}"],
            hidden_tests=[f"assert f(1) == {i + 1}"],
        )
        for i in range(count)
    ]

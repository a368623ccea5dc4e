"""A seeded split into tasks to learn from and tasks to judge by."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable

from ..errors import UsageError
from ..runtime.task import Task


def split(tasks: Iterable[Task], fraction: float, seed: int = 0) -> tuple[list[Task], list[Task]]:
    """Two disjoint parts of the tasks, the same for the same tasks and seed whatever order they come in.

    Args:
        tasks: The tasks; their `task_id` must be unique.
        fraction: Share of the first part, above 0 and below 1; its size is rounded, halves up.
        seed: Seed of the shuffle.

    Returns:
        (train, val), both in shuffled order.

    Raises:
        UsageError: `fraction` is out of range, a part would be empty, or two tasks share an id.

    Example:
        >>> train, val = split([Task(task_id=str(n), prompt="p") for n in range(10)], 0.7, seed=1)
        >>> len(train), len(val)
        (7, 3)
    """
    ordered = sorted(tasks, key=lambda task: task.task_id)
    if not 0 < fraction < 1:
        raise UsageError(f"the fraction of a split must be above 0 and below 1, got {fraction}")
    for task, following in itertools.pairwise(ordered):
        if task.task_id == following.task_id:
            raise UsageError(f"two tasks are called {task.task_id!r}; a split needs unique ids")
    size = math.floor(len(ordered) * fraction + 0.5)
    if not 0 < size < len(ordered):
        raise UsageError(f"a split of {len(ordered)} tasks at {fraction} leaves one part empty")
    random.Random(seed).shuffle(ordered)
    return ordered[:size], ordered[size:]

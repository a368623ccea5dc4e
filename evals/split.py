"""Tasks to learn from and tasks to judge by: a seeded split, and what two such parts must not share."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Sequence

from ..errors import UsageError
from ..runtime.task import Task


def split(tasks: Iterable[Task], fraction: float, seed: int = 0) -> tuple[list[Task], list[Task]]:
    """Two disjoint parts of the tasks, the same for the same tasks and seed whatever order they come in.

    Args:
        tasks: The tasks; their `task_id` must be unique. Those of one problem (the same prompt and visible tests under
            another id) go to the same side.
        fraction: Share of the first part, above 0 and below 1; its size is rounded, halves up, and as near to that as
            tasks of one problem allow.
        seed: Seed of the shuffle.

    Returns:
        (train, val), both in shuffled order.

    Raises:
        UsageError: `fraction` is out of range, a part would be empty, or two tasks share an id.

    Example:
        >>> train, val = split([Task(task_id=str(n), prompt=f"p{n}") for n in range(10)], 0.7, seed=1)
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
    groups = by_problem(ordered)
    random.Random(seed).shuffle(groups)
    first: list[Task] = []
    second: list[Task] = []
    for group in groups:
        (first if len(first) + len(group) / 2 <= size else second).extend(group)
    if not first or not second:
        raise UsageError(f"a split of {len(ordered)} tasks at {fraction} leaves one part empty")
    return first, second


def by_problem(tasks: Iterable[Task]) -> list[list[Task]]:
    """The tasks in groups of one problem each: a program cannot tell those of a group from each other.

    Seeds and stored answers go by the problem, so what is drawn for one task is drawn for all of its group.
    """
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        groups.setdefault(task.problem.digest, []).append(task)
    return list(groups.values())


def check_apart(trainset: Sequence[Task], valset: Sequence[Task]) -> None:
    """Refuse parts of which one would tell about the other.

    Raises:
        UsageError: There is nothing to learn from, or a problem is in both.
    """
    if not trainset:
        raise UsageError("trainset is empty: there is nothing to tune or search on")
    seen = {task.problem.digest: task.task_id for task in reversed(trainset)}
    both = [task for task in valset if task.problem.digest in seen]
    if both:
        twin = seen[both[0].problem.digest]
        raise UsageError(
            f"{len(both)} task(s) stand in trainset and valset, such as {both[0].task_id!r}"
            + (f", the same problem as {twin!r}" if twin != both[0].task_id else "")
            + ": split all of them at once with gl.split"
        )

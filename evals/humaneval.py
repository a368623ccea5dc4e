"""HumanEval: 164 functions to complete from a stub with docstring (Chen et al. 2021, arXiv 2107.03374).

What stands ahead of the stub in a prompt (imports, helper functions) is the task's preamble: without it
23 of the 164 canonical solutions fail with a NameError. The docstring's examples are the visible tests; six
tasks have none. The authors' ``check`` function is the hidden test.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import TaskError
from ..runtime.task import Task
from .docstring_examples import examples
from .download import Record, Source
from .records import PublishedRecord

SOURCE = Source(
    name="humaneval",
    url="https://raw.githubusercontent.com/openai/human-eval/master/data/HumanEval.jsonl.gz",
    filenames=("HumanEval.jsonl", "HumanEval.jsonl.gz"),
    sha256="62eeaa082ca375405caa318234d2eadb3536c69ab5a5cbf7a70138aac686645c",
)

CONTRADICTED: dict[str, tuple[str, ...]] = {
    "HumanEval/47": ("assert abs(median([-10, 4, 6, 1000, 10, 20]) - 15.0) < 1e-06",),
    "HumanEval/116": (
        "assert sort_array([1, 5, 2, 3, 4]) == [1, 2, 3, 4, 5]",
        "assert sort_array([-2, -3, -4, -5, -6]) == [-6, -5, -4, -3, -2]",
        "assert sort_array([1, 0, 2, 3, 4]) == [0, 1, 2, 3, 4]",
    ),
    "HumanEval/130": ("assert tri(1) == 3", "assert tri(2) == 2", "assert tri(4) == 3"),
    "HumanEval/148": ("assert bf('Earth', 'Mercury') == 'Venus'",),
}
"""Examples that the canonical solution contradicts, by task: left out of the visible tests.

They are wrong in the docstring (47, 116), speak of another function of the same name (130), or miss a comma
(148).
"""


class HumanEvalRecord(PublishedRecord):
    """A record of ``HumanEval.jsonl``."""

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test: str


def to_tasks(records: list[Record]) -> list[Task]:
    """HumanEval's records as tasks, in their order."""
    return [to_task(record) for record in records]


def to_task(record: Record) -> Task:
    """One record as a task: stub as prompt, what is ahead of it as preamble, docstring examples visible.

    Example:
        >>> stub = "def inc(n):\\n    '''\\n    >>> inc(1)\\n    2\\n    '''\\n"
        >>> task = to_task({"task_id": "T/0", "entry_point": "inc", "prompt": "import math\\n\\n" + stub,
        ...                 "canonical_solution": "    return n + 1\\n",
        ...                 "test": "def check(candidate):\\n    assert candidate(5) == 6\\n"})
        >>> task.preamble, task.visible_tests
        ('import math\\n', ('assert inc(1) == 2',))
    """
    return stub_task(
        record["task_id"],
        record["prompt"],
        record["entry_point"],
        record["canonical_solution"],
        [f"{record['test'].strip()}\n\n\ncheck({record['entry_point']})\n"],
    )


def stub_task(
    task_id: str, prompt: str, entry_point: str, solution: str, hidden_tests: Sequence[str]
) -> Task:
    """A task of HumanEval's form: a stub to complete, what is ahead of it as preamble, docstring examples visible.

    Raises:
        TaskError: The prompt does not define the entry point.
    """
    starts = [match.start() for match in re.finditer(rf"^def {re.escape(entry_point)}\(", prompt, re.M)]
    if not starts:
        raise TaskError(f"the prompt of {task_id} does not define {entry_point!r}")
    ahead, stub = prompt[: starts[-1]].strip("\n"), prompt[starts[-1] :]
    dropped = CONTRADICTED.get(task_id, ())
    return Task(
        task_id=task_id,
        prompt=prompt,
        entry_point=entry_point,
        preamble=ahead + "\n" if ahead else "",
        visible_tests=[test for test in examples(stub, entry_point) if test not in dropped],
        hidden_tests=hidden_tests,
        reference=stub + solution,
    )

"""CodeContests: programs on standard input and output from programming contests (Li et al. 2022, arXiv 2203.07814).

The public tests are visible, the private and generated ones hidden; numbers with a decimal point may differ by 1e-6.
The reference is the first correct solution in Python 3, where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field

from ..errors import TaskError
from ..runtime.task import Task
from .programs_by_output import REQUEST, output_test
from .records import Numbered, PublishedRecord, checked, unique

PYTHON3 = 3
"""The number of Python 3 among the languages of solutions."""

TOLERANCE = 1e-6


class Pairs(PublishedRecord):
    """Inputs and outputs, in two lists of one length."""

    input: list[str] = Field(default=[])
    output: list[str] = Field(default=[])


class Solutions(PublishedRecord):
    """Solutions and their languages, in two lists of one length."""

    language: list[int] = Field(default=[])
    solution: list[str] = Field(default=[])


class ContestRecord(PublishedRecord):
    """A record of ``deepmind/code_contests``."""

    name: str
    description: str
    public_tests: Pairs
    private_tests: Pairs = Field(default=Pairs())
    generated_tests: Pairs = Field(default=Pairs())
    solutions: Solutions = Field(default=Solutions())


def contest_tasks(numbered: Iterable[Numbered]) -> list[Task]:
    """Records of CodeContests as tasks."""
    return unique(_tasks(numbered))


def _tasks(numbered: Iterable[Numbered]) -> Iterator[tuple[str, Task]]:
    for where, raw in numbered:
        record = checked(ContestRecord, raw, where)
        visible = _tests(record.public_tests, where, "public_tests")
        hidden = _tests(record.private_tests, where, "private_tests")
        hidden += _tests(record.generated_tests, where, "generated_tests")
        if not visible and not hidden:
            raise TaskError(f"{where}: field 'public_tests': there is no test")
        if not record.name.strip() or not record.description.strip():
            raise TaskError(f"{where}: field 'name' and 'description' must not be blank")
        known = zip(record.solutions.language, record.solutions.solution, strict=False)
        yield (
            where,
            Task(
                task_id=f"CodeContests/{record.name}",
                prompt=f"{record.description.strip()}\n\n{REQUEST}",
                visible_tests=visible,
                hidden_tests=hidden,
                reference=next((solution for language, solution in known if language == PYTHON3), None),
            ),
        )


def _tests(pairs: Pairs, where: str, field: str) -> list[str]:
    if len(pairs.input) != len(pairs.output):
        raise TaskError(
            f"{where}: field {field!r}: {len(pairs.input)} inputs and {len(pairs.output)} outputs"
        )
    return [output_test(i, o, TOLERANCE) for i, o in zip(pairs.input, pairs.output, strict=True)]

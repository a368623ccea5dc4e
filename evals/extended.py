"""Sets of HumanEval's and MBPP's form: full MBPP, and the -ET variants with more test cases.

Full MBPP (Austin et al. 2021, arXiv 2108.07732): 974 tasks, of which ids 11 to 510 are the test split. The -ET
variants (Dong et al. 2023, *CodeScore*, arXiv 2301.09043) have HumanEval's and MBPP's tasks with more asserts: run
`greenloop check-benchmark` on a copy to see which of them the references fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..errors import TaskError
from ..runtime.task import Task
from .humaneval import stub_task
from .mbpp import assert_task
from .records import Numbered, PublishedRecord, as_python, checked, unique

TEST_SPLIT = range(11, 511)
"""Ids of MBPP's 500 test tasks."""


class MbppRecord(PublishedRecord):
    """A line of ``mbpp.jsonl`` and of ``MBPP_ET.jsonl``."""

    task_id: int
    text: str
    code: str
    test_list: list[str]
    test_setup_code: str = ""
    entry_point: str = ""


class HumanEvalETRecord(PublishedRecord):
    """A line of ``HumanEval_ET.jsonl``."""

    task_id: str
    prompt: str
    entry_point: str
    canonical_solution: str
    test_case_list: list[str]


def mbpp_tasks(numbered: Iterable[Numbered]) -> list[Task]:
    """Records of MBPP as tasks: the test split where the whole of it is there, else all that are given.

    The text is the prompt, the first assert visible, the others hidden; the record's setup runs ahead of each.
    """
    tasks = unique(_each(numbered, _mbpp))
    by_id = {int(task.task_id.partition("/")[2]): task for task in tasks}
    if all(number in by_id for number in TEST_SPLIT):
        return [by_id[number] for number in TEST_SPLIT]
    return tasks


def whole_mbpp(numbered: Iterable[Numbered]) -> list[Task]:
    """The 500 test tasks, in the order of their ids.

    Raises:
        TaskError: Some are missing.
    """
    tasks = mbpp_tasks(numbered)
    missing = len(TEST_SPLIT) - sum(int(t.task_id.partition("/")[2]) in TEST_SPLIT for t in tasks)
    if missing:
        raise TaskError(
            f"mbpp-full: {missing} of its 500 test tasks (ids 11 to 510) are missing; give a part of it by its path"
        )
    return tasks


def humaneval_et_tasks(numbered: Iterable[Numbered]) -> list[Task]:
    """Records of HumanEval-ET as tasks: docstring examples visible, the extended test cases hidden."""
    return unique(_each(numbered, _humaneval_et))


def _mbpp(where: str, raw: dict[str, object]) -> Task:
    record = checked(MbppRecord, raw, where)
    as_python(record.code.replace("\r\n", "\n"), where, "code")
    as_python(record.test_setup_code.replace("\r\n", "\n"), where, "test_setup_code")
    for number, test in enumerate(record.test_list):
        as_python(test.strip(), where, f"test_list[{number}]")
    return assert_task(
        f"MBPP/{record.task_id}",
        record.text,
        record.code,
        record.test_list,
        setup=record.test_setup_code,
        entry_point=record.entry_point,
    )


def _humaneval_et(where: str, raw: dict[str, object]) -> Task:
    record = checked(HumanEvalETRecord, raw, where)
    if not record.test_case_list:
        raise TaskError("field 'test_case_list': it holds no test")
    for number, test in enumerate(record.test_case_list):
        as_python(test.strip(), where, f"test_case_list[{number}]")
    as_python(record.prompt + record.canonical_solution, where, "canonical_solution")
    tests = [test.strip() for test in record.test_case_list]
    return stub_task(record.task_id, record.prompt, record.entry_point, record.canonical_solution, tests)


def _each(
    numbered: Iterable[Numbered], make: Callable[[str, dict[str, object]], Task]
) -> Iterator[tuple[str, Task]]:
    for where, raw in numbered:
        try:
            yield where, make(where, raw)
        except TaskError as error:
            raise error if str(error).startswith(where) else TaskError(f"{where}: {error}") from error

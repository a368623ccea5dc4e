"""LiveCodeBench: contest problems with the date of their release, so that a model can be asked newer ones than it read.

Problems are of two kinds: whole programs on standard input and output, and ("functional") a method of a class
``Solution`` with JSON arguments. Public tests are visible, private ones hidden. The published files hold the private
tests as base64 of zlib of a *pickle* of one string: the string is read here without an unpickler, and any other pickle
is refused.

Two differences to the authors' harness: they give each test six seconds, here `Limits.wall_s` bounds all tests of a
problem (raise it); and they let a method return a tuple for a list.

Source: Jain et al. 2024 (arXiv 2403.07974); the files of ``livecodebench/code_generation_lite``.
"""

from __future__ import annotations

import base64
import binascii
import json
import pickletools
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, cast

from pydantic import ValidationError

from ..errors import TaskError, UsageError
from ..runtime.task import Task
from .programs_by_output import REQUEST, output_test
from .records import Numbered, PublishedRecord, as_python, checked, unique

MAX_TEST_BYTES = 2**28
"""Bytes that a problem's unpacked private tests may have."""

MAX_TOTAL_BYTES = 2**31
"""Bytes that the tests of all chosen problems may have; a narrower range of dates has fewer."""

PREAMBLE = """\
import bisect, collections, functools, heapq, itertools, math, re, string
from bisect import *
from collections import *
from functools import *
from heapq import *
from itertools import *
from math import ceil, comb, floor, gcd, inf, log, sqrt
from typing import *
"""
"""What the site imports for functional problems."""

_PLAIN = frozenset("PROTO FRAME MEMOIZE PUT BINPUT LONG_BINPUT STOP".split())
_STRING = frozenset("UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8".split())


@dataclass(frozen=True, slots=True)
class Released:
    """A range of release dates, both ends included; None leaves an end open.

    Example:
        >>> Released.parse("2024-10-01..2025-01-31").since
        datetime.date(2024, 10, 1)
    """

    since: date | None = None
    until: date | None = None

    @classmethod
    def parse(cls, text: str) -> Released:
        """Read "SINCE..UNTIL", "SINCE.." or "..UNTIL", dates as in 2024-10-01.

        Raises:
            UsageError: It is none of these, or ends before it begins.
        """
        first, dots, last = text.partition("..")
        try:
            made = cls(*(date.fromisoformat(end) if end else None for end in (first, last)))
        except ValueError:
            dots = ""
        else:
            if made.since and made.until and made.since > made.until:
                raise UsageError(f"the range of dates {text!r} ends before it begins")
            if dots and text != "..":
                return made
        raise UsageError(
            f"{text!r} is no range of dates: write 2024-10-01..2025-01-31, 2024-10-01.. or ..2025-01-31"
        )

    def holds(self, day: date) -> bool:
        """Whether a day is in the range."""
        return (self.since is None or day >= self.since) and (self.until is None or day <= self.until)


class Case(PublishedRecord):
    """One test of a problem."""

    input: str
    output: str
    testtype: Literal["stdin", "functional"]


class LiveRecord(PublishedRecord):
    """A line of ``test.jsonl`` to ``test6.jsonl``."""

    question_id: str
    question_title: str = ""
    question_content: str
    contest_date: datetime
    starter_code: str = ""
    public_test_cases: str
    private_test_cases: str
    metadata: str = "{}"


def live_tasks(numbered: Iterable[Numbered], released: Released | None = None) -> list[Task]:
    """Records of LiveCodeBench as tasks, those of the range of dates only; other problems' tests are not unpacked."""
    tasks = unique(_tasks(numbered, released or Released()))
    if released is not None and not tasks:
        raise UsageError(
            f"no problem was released from {released.since or 'ever'} to {released.until or 'ever'}"
        )
    return tasks


def _tasks(numbered: Iterable[Numbered], released: Released) -> Iterator[tuple[str, Task]]:
    total = 0
    for where, raw in numbered:
        record = checked(LiveRecord, raw, where)
        if not released.holds(record.contest_date.date()):
            continue
        total += 8 * len(record.private_test_cases)
        if total > MAX_TOTAL_BYTES:
            raise UsageError(
                f"{where}: the tests so far take some {total / 2**30:.0f} GiB of memory: choose a range of dates,"
                " such as livecodebench@2025-01-01.."
            )
        public = _cases(record.public_test_cases, where, "public_test_cases")
        private = _cases(_unpacked(record.private_test_cases, where), where, "private_test_cases")
        yield where, _task(record, public, private, where)


def _task(record: LiveRecord, public: list[Case], private: list[Case], where: str) -> Task:
    kinds = {case.testtype for case in [*public, *private]}
    if len(kinds) != 1:
        raise TaskError(
            f"{where}: field 'public_test_cases': the tests are of {len(kinds)} kinds, not of one"
        )
    task_id = f"LiveCodeBench/{record.question_id}"
    if kinds == {"stdin"}:
        return Task(
            task_id=task_id,
            prompt=f"{record.question_content.strip()}\n\n{REQUEST}",
            visible_tests=[output_test(case.input, case.output) for case in public],
            hidden_tests=[output_test(case.input, case.output) for case in private],
        )
    called = _method(record, where)
    stub = record.starter_code.rstrip()
    as_python(f"{stub}\n        pass" if stub.endswith(":") else stub, where, "starter_code")
    return Task(
        task_id=task_id,
        prompt=f"{record.question_content.strip()}\n\nComplete the class:\n\n{stub}\n",
        entry_point="Solution",
        preamble=PREAMBLE,
        visible_tests=[_call(called, case, where, "public_test_cases") for case in public],
        hidden_tests=[_call(called, case, where, "private_test_cases") for case in private],
    )


def _method(record: LiveRecord, where: str) -> str:
    try:
        name: Any = json.loads(record.metadata).get("func_name")
    except (ValueError, AttributeError) as error:
        raise TaskError(f"{where}: field 'metadata': no JSON object") from error
    if not isinstance(name, str) or not name.isidentifier():
        raise TaskError(f"{where}: field 'metadata': a functional problem needs 'func_name'")
    return name


def _call(method: str, case: Case, where: str, field: str) -> str:
    try:
        arguments = [json.loads(line) for line in case.input.split("\n") if line.strip()]
        expected = json.loads(case.output)
    except ValueError as error:
        raise TaskError(
            f"{where}: field {field!r}: a functional test's input or output is no JSON"
        ) from error
    return f"assert Solution().{method}({', '.join(map(repr, arguments))}) == {expected!r}"


def _cases(text: str, where: str, field: str) -> list[Case]:
    try:
        return [Case.model_validate(case) for case in cast("list[Any]", json.loads(text))]
    except ValidationError as error:
        first = error.errors()[0]
        named = ".".join(map(str, first["loc"]))
        raise TaskError(f"{where}: field {field!r}: a test's {named or 'record'}: {first['msg']}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise TaskError(f"{where}: field {field!r}: no JSON list of tests") from error


def _unpacked(text: str, where: str) -> str:
    """The private tests as JSON: as they stand, or out of base64, zlib and a pickled string."""
    if text.lstrip().startswith("["):
        return text
    field = f"{where}: field 'private_test_cases'"
    try:
        inflate = zlib.decompressobj()
        content = inflate.decompress(base64.b64decode(text, validate=True), MAX_TEST_BYTES)
    except (binascii.Error, zlib.error) as error:
        raise TaskError(f"{field}: neither JSON nor base64 of zlib: {error}") from error
    if inflate.unconsumed_tail or not inflate.eof:
        raise TaskError(f"{field}: cut, or larger than {MAX_TEST_BYTES // 2**20} MiB")
    return pickled_string(content, field)


def pickled_string(content: bytes, where: str) -> str:
    """The string that a pickle of one string holds; read by its opcodes, nothing is ever unpickled.

    Raises:
        TaskError: It is another pickle, or none.

    Example:
        >>> import pickle
        >>> pickled_string(pickle.dumps("text"), "here")
        'text'
    """
    found: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name in _STRING:
                found.append(str(argument))
            elif opcode.name not in _PLAIN:
                raise TaskError(
                    f"{where}: a pickle of something else than one string (opcode {opcode.name}); refused"
                )
    except ValueError as error:
        raise TaskError(f"{where}: no pickle of a string: {error}") from error
    if len(found) != 1:
        raise TaskError(f"{where}: a pickle of something else than one string; refused")
    return found[0]

"""A user's own task file: what is read back, and what each mistake is told as."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from greenloop.errors import TaskError
from greenloop.evals import task_file
from greenloop.evals.task_file import read_tasks, write_tasks
from greenloop.evals.tasks import load_tasks
from greenloop.runtime.task import Task
from hypothesis import given
from hypothesis import strategies as st

GOOD = {"task_id": "add", "prompt": "Add.", "entry_point": "add", "hidden_tests": ["assert add(1, 2) == 3"]}

plain = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
numbers = st.integers(-99, 99)
tests = st.lists(st.builds("assert f({}) == {}".format, numbers, numbers), max_size=4)
tasks = st.builds(
    Task,
    task_id=plain,
    prompt=plain,
    entry_point=st.sampled_from(["", "f", "größe", "Stack"]),
    preamble=st.sampled_from(["", "import math\n", "x = '\u2028 \x85'\n"]),
    visible_tests=tests,
    hidden_tests=tests,
    reference=st.none() | st.just("def f(x):\n    return 'ü'\n"),
)


def write(folder: Path, *lines: Any) -> Path:
    file = folder / "tasks.jsonl"
    file.write_bytes(b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines))
    return file


def message(file: Path) -> str:
    with pytest.raises(TaskError) as raised:
        read_tasks(file)
    text = str(raised.value)
    assert "\n" not in text
    assert text.startswith(str(file))
    return text.removeprefix(str(file))


@given(st.lists(tasks, min_size=1, max_size=5, unique_by=lambda task: task.task_id))
def test_what_is_written_is_read_back(tmp_path_factory, written):
    file = tmp_path_factory.mktemp("tasks") / "tasks.jsonl"
    write_tasks(written, file)
    read = read_tasks(file)
    assert read == written
    assert [task.digest for task in read] == [task.digest for task in written]


def test_blank_lines_a_byte_order_mark_and_windows_line_ends_are_allowed(tmp_path):
    other = {**GOOD, "task_id": "b"}
    file = write(tmp_path, b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r", b"", b"  ", other, b"")
    assert [task.task_id for task in read_tasks(file)] == ["add", "b"]
    assert load_tasks(file) == load_tasks(str(file)) == read_tasks(file)


def test_a_task_without_tests_loads(tmp_path):
    (task,) = read_tasks(write(tmp_path, {"task_id": "t", "prompt": "Say hello."}))
    assert task.tests == ()
    assert task.reference is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", ":1: no JSON object: Expecting property name"),
        (b'{"task_id": "a"} trailing', ":1: no JSON object: Extra data at column 18"),
        (b"[]", ":1: Input should be a valid dictionary"),
        (b"3", ":1: Input should be a valid dictionary"),
        (b"[" * 100_000, ":1: no JSON object"),
        (b'{"task_id": "\xff"}', ":1: no UTF-8 at byte 14 of the line"),
        (b'{"task_id": "a", "task_id": "b", "prompt": "p"}', ":1: field 'task_id' is given twice"),
        ({"task_id": "a"}, ":1: field 'prompt': is missing"),
        ({}, ":1: field 'task_id': is missing (and 1 more)"),
        ({**GOOD, "prompt": "  "}, ":1: field 'prompt': must not be blank"),
        ({**GOOD, "prompt": "\ud800"}, ":1: field 'prompt': "),
        (
            {**GOOD, "canonical_solution": ""},
            ":1: field 'canonical_solution': is unknown; fields are task_id,",
        ),
        ({**GOOD, "hidden_tests": "assert 1"}, ":1: field 'hidden_tests': Input should be a valid list"),
        (
            {**GOOD, "visible_tests": ["assert 1", 2]},
            ":1: field 'visible_tests[1]': Input should be a valid string",
        ),
        ({**GOOD, "entry_point": "a b"}, ":1: field 'entry_point': 'a b' is no Python name"),
        ({**GOOD, "entry_point": "class"}, ":1: field 'entry_point': 'class' is no Python name"),
        (
            {**GOOD, "hidden_tests": ["assert (1"]},
            ":1: field 'hidden_tests[0]': no Python: '(' was never closed",
        ),
        (
            {**GOOD, "hidden_tests": ["return 1"]},
            ":1: field 'hidden_tests[0]': no Python: 'return' outside function",
        ),
        ({**GOOD, "hidden_tests": ["# later"]}, ":1: field 'hidden_tests[0]': holds no statement"),
        ({**GOOD, "hidden_tests": ["x = '\0'"]}, ":1: field 'hidden_tests[0]': no Python: "),
        (
            {**GOOD, "hidden_tests": ["x = " + "(" * 5000 + ")" * 5000]},
            ":1: field 'hidden_tests[0]': no Python: ",
        ),
        ({**GOOD, "preamble": "import"}, ":1: field 'preamble': no Python: "),
        ({**GOOD, "reference": "def f(:"}, ":1: field 'reference': no Python: "),
        ({**GOOD, "reference": ""}, ":1: field 'reference': holds no code"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_field(tmp_path, line, words):
    assert message(write(tmp_path, line)).startswith(words)


def test_the_line_counts_blank_ones(tmp_path):
    assert message(write(tmp_path, GOOD, b"", {"task_id": "b"})).startswith(":3: field 'prompt'")


def test_a_repeated_id_names_both_lines(tmp_path):
    assert message(write(tmp_path, GOOD, b"", GOOD)) == ":3: field 'task_id': 'add' was used on line 1"


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(tmp_path, content):
    assert message(write(tmp_path, content)) == ": the file holds no task"


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    file = tmp_path / "tasks.jsonl"
    with file.open("wb") as handle:
        handle.truncate(task_file.MAX_BYTES + 1)
    assert message(file).endswith("a task file may have 64 MiB")


def test_a_huge_line_is_refused(tmp_path):
    assert message(write(tmp_path, GOOD, b'"' + b"x" * task_file.MAX_LINE_BYTES)).endswith("may have 4 MiB")


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    assert message(tmp_path / "none.jsonl") == ": cannot be read: No such file or directory"
    assert message(tmp_path) == ": is no regular file"
    assert message(Path("/dev/zero")) == ": is no regular file"


def test_the_documented_fields_are_the_fields():
    documented = {line.split("``")[1] for line in task_file.__doc__.splitlines() if line.startswith("``")}
    assert documented == set(task_file.TaskRecord.model_fields)

"""The published forms of other benchmarks, on tasks of our own, written as their authors write them."""

from __future__ import annotations

import base64
import gzip
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import greenloop as gl
import pytest
from greenloop.errors import TaskError, UsageError
from greenloop.evals.check import check
from greenloop.evals.livecodebench import pickled_string


def jsonl(path: Path, *records: dict[str, Any]) -> Path:
    text = "".join(json.dumps(record) + "\n" for record in records)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def verdict(task: gl.Task, code: str | None = None) -> str:
    return check(task, code or task.reference or "", tests="all").outcome


HALVE: dict[str, Any] = {
    "task_id": "HumanEval/0",
    "prompt": "import math\n\n\ndef halve(x):\n    '''Half of x.\n    >>> halve(4)\n    2.0\n    '''\n",
    "entry_point": "halve",
    "canonical_solution": "    return math.fsum([x]) / 2\n",
    "contract": "\n    assert x >= 0\n",
    "base_input": [[4], [1]],
    "plus_input": [[0.1], [10**6]],
    "atol": 0,
}
PAIRS: dict[str, Any] = {
    "task_id": "Mbpp/2",
    "prompt": '"""\nWrite a function to find what tuples share.\nassert similar_elements((3, 4),(5, 4)) == (4,)\n"""\n',
    "entry_point": "similar_elements",
    "canonical_solution": "\ndef similar_elements(a, b):\n  return tuple(set(a) & set(b))\n",
    "contract": "",
    "base_input": [[[3, 4], [5, 4]]],
    "plus_input": [[[1, 2, 3], [3, 2, 9]]],
    "atol": 0,
}


def test_humaneval_plus_compares_with_the_reference_on_every_input(tmp_path: Path) -> None:
    (task,) = gl.load_tasks(jsonl(tmp_path / "part.jsonl.gz", HALVE))
    assert (task.task_id, task.preamble, task.visible_tests) == (
        "HumanEval/0",
        "import math\n",
        ("assert abs(halve(4) - 2.0) < 1e-06",),
    )
    assert len(task.hidden_tests) == 2
    assert verdict(task) == "passed"
    assert verdict(task, "def halve(x):\n    return x * 0.5000000001") == "passed"
    assert verdict(task, "def halve(x):\n    return x // 2 if x == 10**6 else round(x / 2)") == "failed"
    assert verdict(task, "def halve(x):\n    return x / 2 if x == 4 else str(x / 2)") == "failed"
    assert verdict(task, "def halve(x):\n    return str(x / 2)") == "error", (
        "the visible test subtracts from it"
    )
    base, plus = check(task, "def halve(x):\n    return x / 2 if x in (1, 4) else 0", tests="hidden").tests
    assert (base.passed, plus.passed) == (True, False)


def test_mbpp_plus_turns_lists_into_tuples_and_knows_its_ambiguous_tasks(tmp_path: Path) -> None:
    (task,) = gl.load_tasks(jsonl(tmp_path / "plus.jsonl", PAIRS))
    assert task.task_id == "MBPP/2"
    assert task.prompt == "Write a function to find what tuples share."
    assert task.visible_tests == ("assert similar_elements((3, 4),(5, 4)) == (4,)",)
    assert verdict(task) == "passed"
    assert verdict(task, "def similar_elements(a, b):\n    assert type(a) is tuple\n    return (2, 3) if 1 in a else (4,)") == "passed"  # fmt: skip  # noqa: E501
    assert verdict(task, "def similar_elements(a, b):\n    return (4,)") == "failed"


def test_a_whole_set_of_too_few_tasks_is_refused_and_says_what_to_download(tmp_path: Path) -> None:
    jsonl(tmp_path / "HumanEvalPlus.jsonl", HALVE)
    with pytest.raises(
        TaskError, match=r"1 tasks; humaneval\+ has 164: download https://github.com/evalplus/"
    ):
        gl.load_tasks("humaneval+", tmp_path)
    with pytest.raises(
        UsageError, match=r"no MbppPlus.jsonl.gz in .*: download https://github.com/evalplus/"
    ):
        gl.load_tasks("mbpp+", tmp_path)


def test_et_variants(tmp_path: Path) -> None:
    stub = {k: v for k, v in HALVE.items() if not k.endswith("_input")}
    humaneval = {**stub, "test_case_list": ["assert halve(3) == 1.5", "assert halve(-2) == -1"]}
    (task,) = gl.load_tasks(jsonl(tmp_path / "h.jsonl", humaneval))
    assert task.hidden_tests == ("assert halve(3) == 1.5", "assert halve(-2) == -1")
    assert verdict(task) == "passed"
    mbpp = {
        "task_id": 17,
        "text": "Write a function to add one.",
        "code": "class Box:\r\n  pass\r\ndef inc(n):\r\n  return n + 1",
        "test_list": ["assert inc(box) == 2", "assert inc(box + 1) == 3"],
        "test_setup_code": "box = 1",
        "challenge_test_list": [],
        "entry_point": "inc",
    }
    (task,) = gl.load_tasks(jsonl(tmp_path / "m.jsonl", mbpp))
    assert (task.task_id, task.entry_point) == ("MBPP/17", "inc")
    assert task.visible_tests == ("box = 1\nassert inc(box) == 2",)
    assert verdict(task) == "passed"


def test_full_mbpp_takes_the_test_split_and_names_what_is_missing(tmp_path: Path) -> None:
    def record(number: int) -> dict[str, Any]:
        return {
            "task_id": number,
            "text": f"Write a function to add {number}.",
            "code": f"def add(n):\n  return n + {number}",
            "test_list": [f"assert add(1) == {number + 1}", f"assert add(0) == {number}"],
            "test_setup_code": "",
            "challenge_test_list": [],
        }

    jsonl(tmp_path / "mbpp.jsonl", *map(record, range(1, 975)))
    tasks = gl.load_tasks("mbpp-full", tmp_path)
    assert [tasks[0].task_id, tasks[-1].task_id, len(tasks)] == ["MBPP/11", "MBPP/510", 500]
    assert verdict(tasks[3]) == "passed"
    jsonl(tmp_path / "mbpp.jsonl", *map(record, range(20, 600)))
    with pytest.raises(TaskError, match=r"9 of its 500 test tasks"):
        gl.load_tasks("mbpp-full", tmp_path)


SUM = "n = int(input())\nprint(sum(map(float, input().split())))\n"


def test_code_contests_runs_whole_programs(tmp_path: Path) -> None:
    record = {
        "name": "1_A. Sum",
        "description": "Print the sum of n numbers.",
        "public_tests": {"input": ["2\n1 2\n"], "output": ["3.0\n"]},
        "private_tests": {"input": ["1\n0.5\n"], "output": ["0.50000001\n"]},
        "generated_tests": {"input": [], "output": []},
        "solutions": {"language": [2, 3], "solution": ["int main() {}", SUM]},
        "time_limit": {"seconds": 2, "nanos": 0},
    }
    (task,) = gl.load_tasks(jsonl(tmp_path / "code_contests.jsonl", record))
    assert task.task_id == "CodeContests/1_A. Sum"
    assert task.entry_point == ""
    assert verdict(task) == "passed"
    assert verdict(task, "input()\nprint(float(input()[0]))") == "failed"
    assert gl.load_tasks("codecontests", tmp_path) == [task]
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(
        pyarrow.Table.from_pylist([record]), tmp_path / "part.parquet"
    )
    assert gl.load_tasks(tmp_path / "part.parquet") == [task]
    record["private_tests"]["output"] = []
    with pytest.raises(TaskError, match=r"x.jsonl:1: field 'private_tests': 1 inputs and 0 outputs"):
        gl.load_tasks(jsonl(tmp_path / "x.jsonl", record))


def packed(cases: list[dict[str, str]]) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(cases)))).decode()


def live(number: int, day: str, kind: str = "stdin") -> dict[str, Any]:
    pairs = [("1 2\n", "3\n"), ("5 5\n", "10\n")] if kind == "stdin" else [("[1, 2]\n3", "6"), ("[]\n0", "0")]
    cases = [{"input": i, "output": o, "testtype": kind} for i, o in pairs]
    return {
        "question_title": "Sum",
        "question_content": "Add them all.",
        "platform": "atcoder" if kind == "stdin" else "leetcode",
        "question_id": f"q{number}",
        "contest_id": "c",
        "contest_date": f"{day}T00:00:00",
        "starter_code": ""
        if kind == "stdin"
        else "class Solution:\n    def addAll(self, xs: List[int], y: int) -> int:\n        ",
        "difficulty": "easy",
        "public_test_cases": json.dumps(cases[:1]),
        "private_test_cases": packed(cases[1:]),
        "metadata": json.dumps({} if kind == "stdin" else {"func_name": "addAll"}),
    }


def test_livecodebench_cuts_by_date_and_has_both_kinds(tmp_path: Path) -> None:
    jsonl(tmp_path / "test.jsonl", live(1, "2024-01-06"), live(2, "2024-12-31", "functional"))
    jsonl(tmp_path / "test6.jsonl", live(3, "2025-01-04"))
    program, method, _ = gl.load_tasks("livecodebench", tmp_path)
    newer = gl.load_tasks("livecodebench@2024-12-31..", tmp_path)
    assert [task.task_id for task in newer] == ["LiveCodeBench/q2", "LiveCodeBench/q3"]
    assert [t.task_id for t in gl.load_tasks("livecodebench@..2024-12-30", tmp_path)] == ["LiveCodeBench/q1"]
    assert verdict(program, "print(sum(map(int, input().split())))") == "passed"
    assert verdict(program, "print(3)") == "failed"
    right = "class Solution:\n    def addAll(self, xs: List[int], y: int) -> int:\n        return sum(xs) + y"
    assert method.entry_point == "Solution"
    assert verdict(method, right) == "passed"
    assert verdict(method, right.replace("+ y", "- y")) == "failed"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("livecodebench@2025", "is no range of dates"),
        ("livecodebench@2025-02-01..2025-01-01", "ends before it begins"),
        ("livecodebench@2030-01-01..", "no problem was released from 2030-01-01"),
        ("mbpp@2024-01-01..", "mbpp has no release dates"),
    ],
)
def test_wrong_ranges_of_dates(tmp_path: Path, name: str, said: str) -> None:
    jsonl(tmp_path / "test.jsonl", live(1, "2024-01-06"))
    with pytest.raises(UsageError, match=said):
        gl.load_tasks(name, tmp_path)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("__import__('pathlib').Path('/tmp/greenloop-was-here').touch()",)


def test_a_pickle_of_anything_but_a_string_is_refused_and_never_run(tmp_path: Path) -> None:
    for number, protocol in enumerate(range(pickle.HIGHEST_PROTOCOL + 1)):
        assert pickled_string(pickle.dumps("größer\n'x'", protocol), "here") == "größer\n'x'"
        record = live(number, "2024-01-06")
        record["private_test_cases"] = base64.b64encode(
            zlib.compress(pickle.dumps(Evil(), protocol))
        ).decode()
        with pytest.raises(TaskError, match=r"test.jsonl:1: field 'private_test_cases': .*refused"):
            gl.load_tasks("livecodebench", jsonl(tmp_path / "test.jsonl", record).parent)
    assert not Path("/tmp/greenloop-was-here").exists()
    for content in (pickle.dumps(["a"]), pickle.dumps(7), b"", b"junk", pickle.dumps("a")[:-1]):
        with pytest.raises(TaskError, match=r"^here: "):
            pickled_string(content, "here")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"canonical_solution": None}, "field 'canonical_solution'"),
        ({"canonical_solution": "   return ("}, "field 'canonical_solution': no Python"),
        ({"base_input": [4]}, "field 'base_input.0'"),
        ({"entry_point": "third"}, "does not define 'third'"),
        ({"task_id": 3}, "field 'task_id'"),
        ({"base_input": [], "plus_input": []}, "field 'base_input': there is no input"),
    ],
)
def test_a_wrong_record_is_named_by_file_line_and_field(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = jsonl(tmp_path / "p.jsonl", HALVE, {**HALVE, "task_id": "HumanEval/1", **change})
    with pytest.raises(TaskError) as told:
        gl.load_tasks(path)
    assert str(told.value).startswith(f"{path}:2: ")
    assert said in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no task"),
        (b"\n\n", "holds no task"),
        (b'{"base_input": [', ":1: "),
        (json.dumps(HALVE).encode() + b"\n{half", ":2: no JSON"),
        (json.dumps(HALVE).encode() + b"\n\xff\xfe", ":2: no UTF-8"),
        (json.dumps(HALVE).encode() + b"\n[1]", ":2: no JSON object"),
        (json.dumps(HALVE).encode() + b"\n" + json.dumps(HALVE).encode(), "was given before"),
        (b"{" * 5000, ":1: "),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_bytes(content)
    with pytest.raises(TaskError) as told:
        gl.load_tasks(path)
    assert said in str(told.value)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


HUMANEVAL: dict[str, Any] = {
    **{k: v for k, v in HALVE.items() if not k.endswith("_input")},
    "test": "def check(candidate):\n    assert candidate(3) == 1.5\n",
}
SANITIZED: dict[str, Any] = {
    "task_id": 7,
    "prompt": "Write a function to add one.",
    "code": "def inc(n):\n  return n + 1",
    "test_imports": [],
    "test_list": ["assert inc(1) == 2", "assert inc(2) == 3"],
}


@pytest.mark.parametrize(
    ("record", "change", "said"),
    [
        (HUMANEVAL, {"test": None}, "field 'test'"),
        (HUMANEVAL, {"prompt": 3}, "field 'prompt'"),
        (HUMANEVAL, {"canonical_solution": "   return ("}, "field 'canonical_solution': no Python"),
        (SANITIZED, {"code": "def inc(:"}, "field 'code': no Python"),
        (SANITIZED, {"test_list": "assert inc(1) == 2"}, "field 'test_list'"),
        (SANITIZED, {"test_list": ["assert inc(1 == 2"]}, ":2: "),
        (SANITIZED, {"test_list": []}, "has no test"),
    ],
)
def test_parts_of_humaneval_and_mbpp_are_read_by_their_path_and_mistakes_named(
    tmp_path: Path, record: dict[str, Any], change: dict[str, Any], said: str
) -> None:
    (task,) = gl.load_tasks(jsonl(tmp_path / "one.jsonl", record))
    assert verdict(task) == "passed"
    other = {**record, "task_id": 8 if isinstance(record["task_id"], int) else "HumanEval/1"}
    path = jsonl(tmp_path / "two.jsonl", record, {**other, **change})
    with pytest.raises(TaskError) as told:
        gl.load_tasks(path)
    assert str(told.value).startswith(f"{path}:2: ")
    assert said in str(told.value)
    assert "\n" not in str(told.value)

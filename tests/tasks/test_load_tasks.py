"""Task sets by name: HumanEval and MBPP as published, and what a wrong name is told."""

from __future__ import annotations

import dataclasses
import json

import pytest
from greenloop.errors import UsageError
from greenloop.evals import humaneval, mbpp, tasks
from greenloop.evals.docstring_examples import examples
from greenloop.evals.download import fetch, fingerprint
from greenloop.evals.tasks import load_tasks
from greenloop.runtime.execution import Candidate
from greenloop.runtime.task import Task


def reference(task: Task) -> Candidate:
    return Candidate(task.reference or "", task.entry_point, task.preamble)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("human-eval", "no task set or file 'human-eval'; did you mean humaneval?"),
        ("MBPP", "did you mean mbpp?"),
        ("xyz", "sets are humaneval, mbpp, humaneval+, mbpp+,"),
        ("mine/tasks.jsonl", "no such file: 'mine/tasks.jsonl'"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(name, words):
    with pytest.raises(UsageError) as raised:
        load_tasks(name)
    assert words in str(raised.value)


def test_a_folder_is_no_task_file(tmp_path):
    with pytest.raises(UsageError, match="is a folder"):
        load_tasks(tmp_path)


def test_a_set_by_name_goes_through_its_converter(tmp_path, monkeypatch):
    records = [
        {
            "task_id": "HumanEval/900",
            "prompt": "import math\n\n\ndef half(n):\n    return n / 2\n\n\ndef inc(n):\n"
            '    """Add one.\n    >>> inc(1)\n    2\n    """\n',
            "entry_point": "inc",
            "canonical_solution": "    return n + 1\n",
            "test": "\ndef check(candidate):\n    assert candidate(5) == 6\n",
        }
    ]
    source = dataclasses.replace(humaneval.SOURCE, sha256=fingerprint(records))
    monkeypatch.setitem(tasks._PUBLISHED, "humaneval", (source, humaneval.to_tasks))
    (tmp_path / "HumanEval.jsonl").write_text(json.dumps(records[0]))
    (task,) = load_tasks("humaneval", tmp_path)
    assert task.preamble == "import math\n\n\ndef half(n):\n    return n / 2\n"
    assert task.prompt == records[0]["prompt"]
    assert task.visible_tests == ("assert inc(1) == 2",)
    assert task.hidden_tests == ("def check(candidate):\n    assert candidate(5) == 6\n\n\ncheck(inc)\n",)
    assert task.reference is not None
    assert task.reference.startswith("def inc(n):")


def test_mbpp_imports_that_only_the_reference_has():
    task = mbpp.to_task(
        {
            "task_id": 596,
            "prompt": "Find the size.",
            "code": "import sys\nimport os\ndef size(t):\n  return sys.getsizeof(t)",
            "test_imports": ["import math"],
            "test_list": ["assert size(()) == sys.getsizeof(())", "assert math.isclose(size(1), 28)"],
        }
    )
    assert (task.task_id, task.entry_point) == ("MBPP/596", "size")
    assert task.preamble == "import math\nimport sys\n"
    assert len(task.visible_tests) == len(task.hidden_tests) == 1


def test_every_humaneval_reference_passes_its_tests(data_dir, run_all):
    loaded = load_tasks("humaneval", data_dir)
    assert len(loaded) == 164
    runs = run_all([(reference(task), task.tests) for task in loaded])
    assert [task.task_id for task, run in zip(loaded, runs, strict=True) if not run.passed] == []


def test_humaneval_coverage_by_visible_tests(data_dir):
    loaded = load_tasks("humaneval", data_dir)
    without = [task.task_id.split("/")[1] for task in loaded if not task.visible_tests]
    assert without == ["38", "41", "50", "83", "116", "160"]
    assert sum(len(task.visible_tests) for task in loaded) == 454


def test_23_humaneval_references_need_the_preamble(data_dir, run_all):
    loaded = load_tasks("humaneval", data_dir)
    bare = run_all(
        [(Candidate(task.reference or "", task.entry_point), task.hidden_tests) for task in loaded]
    )
    assert sum(run.error_type == "NameError" for run in bare) == 23


def test_the_dropped_humaneval_examples_are_those_that_the_references_contradict(data_dir, run_all):
    written: list[tuple[str, str]] = []
    jobs: list[tuple[Candidate, list[str]]] = []
    for record in fetch(humaneval.SOURCE, data_dir):
        task = humaneval.to_task(record)
        stub = record["prompt"][record["prompt"].rindex(f"def {task.entry_point}(") :]
        for test in examples(stub, task.entry_point):
            written.append((task.task_id, test))
            jobs.append((reference(task), [test]))
    found: dict[str, tuple[str, ...]] = {}
    for (task_id, test), run in zip(written, run_all(jobs), strict=True):
        if not run.passed:
            found[task_id] = (*found.get(task_id, ()), test)
    assert found == humaneval.CONTRADICTED


def test_every_mbpp_reference_passes_its_tests(data_dir, run_all):
    loaded = load_tasks("mbpp", data_dir)
    assert len(loaded) == 427
    assert all(len(task.visible_tests) == 1 and len(task.hidden_tests) >= 2 for task in loaded)
    runs = run_all([(reference(task), task.tests) for task in loaded])
    assert [task.task_id for task, run in zip(loaded, runs, strict=True) if not run.passed] == []


def test_the_flawed_mbpp_tasks_are_kept(data_dir):
    known_flawed = {f"MBPP/{number}" for number in (180, 276, 310, 312, 313, 436, 438, 461, 493)}
    kept = {task.task_id for task in load_tasks("mbpp", data_dir)} & known_flawed
    assert kept == {f"MBPP/{number}" for number in (276, 310, 312, 436, 438, 461)}

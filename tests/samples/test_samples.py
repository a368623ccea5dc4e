"""Samples files: written so that others read them, read with every bad line named, judged as in scoring."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import greenloop as gl
import pytest
from greenloop.cli.main import main
from greenloop.errors import TaskError, UsageError
from greenloop.evals.sample_scores import judge_samples
from greenloop.evals.samples import read_samples, write_samples
from greenloop.testing import ScriptedModel

STUB = 'def double(x: List[int]) -> List[int]:\n    """ Twice each.\n    >>> double([1])\n    [2]\n    """\n'
TASKS = [
    gl.Task(
        task_id="Set/0",
        prompt=STUB,
        entry_point="double",
        preamble="from typing import List\n",
        visible_tests=["assert double([1]) == [2]"],
        hidden_tests=["assert double([3]) == [6]"],
    ),
    gl.Task(
        task_id="MBPP/9",
        prompt="Write one() that returns 1.",
        entry_point="one",
        hidden_tests=["assert one() == 1"],
    ),
]
BODY = "    return [2 * i for i in x]\n"


def write(path: Path, *records: object) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    return path


def judged(path: Path) -> list[str]:
    with gl.session():
        scores = judge_samples(read_samples(path, TASKS), tasks_in_set=len(TASKS))
    return [execution.outcome for execution in scores.executions]


def test_both_forms_are_judged(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.jsonl",
        {"task_id": "Set/0", "completion": BODY},
        {"task_id": "Set/0", "completion": "    return x\n"},
        {"task_id": "Set/0", "solution": STUB + BODY},
        {"task_id": "Set/0", "completion": "\ndef double(x):\n" + BODY},
        {"task_id": "Mbpp/9", "completion": "def one(): return 1"},
    )
    assert judged(path) == ["passed", "failed", "passed", "passed", "passed"]


def test_a_stub_with_imports_ahead_of_it_is_completed(tmp_path: Path) -> None:
    task = TASKS[0].copy(prompt="from typing import List\n\n" + STUB, preamble="")
    path = write(tmp_path / "s.jsonl", {"task_id": "Set/0", "completion": BODY})
    with gl.session():
        scores = judge_samples(read_samples(path, [task]), tasks_in_set=1)
    assert scores.executions[0].passed


def test_what_was_scored_is_judged_alike_when_read_back(tmp_path: Path) -> None:
    def answer(messages: list[dict[str, str]]) -> str:
        asked = messages[1]["content"]
        return "```python\n" + ("def one():\n    return 2" if "one()" in asked else STUB + BODY) + "\n```"

    model = ScriptedModel(answer)
    program = gl.GenerateExecuteRefine(generate=gl.Generate(model=model), refine=gl.Refine(model=model))
    with gl.session():
        scores = gl.score(program, TASKS, replicates=2)
        write_samples(scores, tmp_path / "out.jsonl", TASKS)
        back = judge_samples(read_samples(tmp_path / "out.jsonl", TASKS), tasks_in_set=2)
    assert [e.outcome for e in back.executions] == [item.outcome for item in scores.items]
    assert back.outcomes == scores.by_task()
    for line in (tmp_path / "out.jsonl").read_text().splitlines():
        record = json.loads(line)
        assert set(record) == {"task_id", "completion", "solution"}
        assert record["task_id"] in ("Set/0", "Mbpp/9")
    namespace: dict[str, object] = {}
    exec(json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["solution"], namespace)
    assert namespace["double"]([4]) == [8]  # type: ignore[operator]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "no JSON object"),
        ("[1]", "no JSON object"),
        ({"completion": "x"}, "'task_id' is missing"),
        ({"task_id": "Set/7", "completion": "x"}, "no task 'Set/7'"),
        ({"task_id": "Set/0"}, "neither"),
        ({"task_id": "Set/0", "solution": 3}, "'solution' is no string"),
    ],
)
def test_a_bad_line_is_named_with_file_and_line(tmp_path: Path, line: object, complaint: str) -> None:
    path = write(tmp_path / "s.jsonl", {"task_id": "Set/0", "completion": BODY}, "", line)
    with pytest.raises(TaskError, match=complaint) as raised:
        read_samples(path, TASKS)
    assert str(raised.value).startswith(f"{path}:3: ")


def test_an_empty_or_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="holds no sample"):
        read_samples(write(tmp_path / "s.jsonl"), TASKS)
    with pytest.raises(TaskError, match="cannot be read"):
        read_samples(tmp_path / "absent.jsonl", TASKS)


def test_a_packed_file_is_read_and_a_truncated_one_named(tmp_path: Path) -> None:
    plain = write(tmp_path / "s.jsonl", *({"task_id": "Set/0", "completion": BODY} for _ in range(200)))
    packed = tmp_path / "s.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_samples(packed, TASKS) == read_samples(plain, TASKS)
    for content in (packed.read_bytes()[:-12], plain.read_bytes()):
        packed.write_bytes(content)
        with pytest.raises(TaskError, match=r"s\.jsonl\.gz: is no complete gzip file"):
            read_samples(packed, TASKS)


def test_several_samples_give_the_unbiased_pass_at_k(tmp_path: Path) -> None:
    good, bad = "def one(): return 1", "def one(): return 0"
    path = write(tmp_path / "s.jsonl", *({"task_id": "MBPP/9", "solution": c} for c in [good, bad, bad, bad]))
    with gl.session():
        scores = judge_samples(read_samples(path, TASKS), tasks_in_set=2)
    rates = {k: found.estimate for k, found in scores.pass_at([1, 2, 4, 10]).items()}
    assert rates == pytest.approx({1: 0.25, 2: 0.5, 4: 1.0})
    data = scores.to_json([2])
    assert (data["n"], data["tasks_in_set"], data["samples"], data["passed"]) == (1, 2, 4, 1)


def test_code_that_no_attempt_holds_is_not_written(tmp_path: Path) -> None:
    import dspy

    class Other(dspy.Module):
        def forward(self, problem: gl.Problem) -> dspy.Prediction:
            return dspy.Prediction(code="def one(): return 1")

    with gl.session():
        scores = gl.score(Other(), TASKS[1:])
    with pytest.raises(UsageError, match="MBPP/9"):
        write_samples(scores, tmp_path / "out.jsonl", TASKS)


def test_the_command_prints_figures_and_writes_verdicts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from greenloop.evals.task_file import write_tasks

    tasks = tmp_path / "tasks.jsonl"
    write_tasks(TASKS, tasks)
    path = write(tmp_path / "s.jsonl", {"task_id": "Set/0", "completion": BODY})
    with pytest.raises(SystemExit) as ended:
        main(["score", str(path), "--tasks", str(tasks), "--verdicts", str(tmp_path / "v.jsonl")])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "1/1 samples pass; 1 tasks of 2" in printed
    assert "pass@1: 100.0 %" in printed
    (verdict,) = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert (verdict["task_id"], verdict["passed"]) == ("Set/0", True)
    write(path, "{")
    with pytest.raises(SystemExit) as ended:
        main(["score", str(path), "--tasks", str(tasks)])
    assert ended.value.code == 2
    assert f"{path}:1:" in capsys.readouterr().err

"""`greenloop check-benchmark`: references pass, hollow ones fail, anything else is exit code 1."""

from __future__ import annotations

import json
from pathlib import Path

import greenloop as gl
import pytest
from greenloop.cli.main import main
from greenloop.errors import TaskError
from greenloop.evals.references import check_references, hollow
from greenloop.evals.task_file import write_tasks
from greenloop.runtime.sandbox import Sandbox

SOUND = gl.Task(
    task_id="sound",
    prompt="Add one.",
    entry_point="inc",
    hidden_tests=["assert inc(1) == 2"],
    reference="def helper(n):\n    return n\n\n\ndef inc(n):\n    return helper(n) + 1\n",
)
LOOSE = SOUND.copy(task_id="loose", hidden_tests=["assert inc(1) != 3"])
WRONG = SOUND.copy(task_id="wrong", reference="def inc(n):\n    return n")


def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], *tasks: gl.Task) -> tuple[int, dict]:
    write_tasks(tasks, tmp_path / "tasks.jsonl")
    with pytest.raises(SystemExit) as ended:
        main(["check-benchmark", str(tmp_path / "tasks.jsonl"), "--json"])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


def test_a_sound_set_is_as_expected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, data = run(tmp_path, capsys, SOUND)
    assert code == 0
    assert (data["n"], data["passed"], data["apart"], data["together"]) == (1, 1, 1, 0)
    assert data["hollow_failed"] == 1


def test_slow_references_get_the_time_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = SOUND.copy(reference="import time\n\n\ndef inc(n):\n    time.sleep(0.7)\n    return n + 1")
    for wall_s, code in (("0.3", 1), ("20", 0)):
        write_tasks([slow], tmp_path / "tasks.jsonl")
        with pytest.raises(SystemExit) as ended:
            main(["check-benchmark", str(tmp_path / "tasks.jsonl"), "--json", "--wall-s", wall_s])
        assert int(ended.value.code or 0) == code, capsys.readouterr().out
    samples = tmp_path / "samples.jsonl"
    samples.write_text(json.dumps({"task_id": "sound", "solution": slow.reference}) + "\n")
    capsys.readouterr()
    found: list[int] = []
    for wall_s in ("0.3", "20"):
        with pytest.raises(SystemExit):
            main(
                [
                    "score",
                    str(samples),
                    "--tasks",
                    str(tmp_path / "tasks.jsonl"),
                    "--json",
                    "--wall-s",
                    wall_s,
                ]
            )
        found.append(json.loads(capsys.readouterr().out)["passed"])
    assert found == [0, 1]


def test_tests_that_catch_nothing_and_wrong_references_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, data = run(tmp_path, capsys, SOUND, LOOSE, WRONG)
    assert code == 1
    assert data["hollow_passed"] == ["loose"]
    assert [entry["task_id"] for entry in data["failed"]] == ["wrong"]


def test_a_known_exception_is_no_fault() -> None:
    task = LOOSE.copy(task_id="MBPP/794")
    with Sandbox(workers=1) as sandbox:
        checked = check_references([task], sandbox)
        with pytest.raises(TaskError, match="reference"):
            check_references([task.copy(reference=None)], sandbox)
    assert checked.as_expected
    assert checked.hollow_passed == ["MBPP/794"]


def test_hollow_takes_out_the_entry_points_body_alone() -> None:
    assert "return n" in hollow(SOUND.reference or "", "inc")
    assert "helper(n) + 1" not in hollow(SOUND.reference or "", "inc")
    counter = hollow("class Counter:\n    def up(self):\n        self.n = 1\n        return 1\n", "Counter")
    assert "self.n" not in counter


@pytest.mark.parametrize("name", ["humaneval", "mbpp"])
@pytest.mark.slow
def test_the_published_sets_are_sound(name: str, data: Path) -> None:
    tasks = gl.load_tasks(name, data_dir=data)
    with Sandbox() as sandbox:
        checked = check_references(tasks, sandbox)
    assert checked.to_json()["failed"] == []
    assert checked.passed == len(tasks) == {"humaneval": 164, "mbpp": 427}[name]
    assert checked.modes == {"apart": len(tasks)}
    assert checked.hollow_passed == {"humaneval": [], "mbpp": ["MBPP/794"]}[name]


def test_power_says_what_a_plan_can_show(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["power", "--difference", "3", "--tasks", "164", "--replicates", "5", "--rate", "0.8", "--json"])
    assert ended.value.code == 0
    data = json.loads(capsys.readouterr().out)
    assert 0.6 < data["power"] < 0.8
    assert [plan["replicates"] for plan in data["by_replicates"]] == [1, 3, 5, 10]
    with pytest.raises(SystemExit) as ended:
        main(["power", "--difference", "60", "--tasks", "164"])
    assert ended.value.code == 2
    assert "impossible" in capsys.readouterr().err

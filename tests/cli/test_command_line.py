"""The command line as a user meets it: the right figures, one clear line for each mistake, the right exit code."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import greenloop as gl
import pytest
from greenloop.cli.common import resume_hint
from greenloop.cli.main import main
from greenloop.runtime import budget
from greenloop.testing import ChatServer

ADDS = {"add_one": 1, "add_two": 2, "add_three": 3, "add_four": 4}


def answers(body: dict[str, Any]) -> list[str]:
    """Solves add_one and add_two at once, mends add_three, never solves add_four."""
    text = body["messages"][1]["content"]
    name = next(n for n in ADDS if n in text)
    mended = len(body["messages"]) > 2 and name == "add_three"
    right = name in ("add_one", "add_two") or mended
    return [f"```python\ndef {name}(x):\n    return x + {ADDS[name] if right else 100}\n```"]


@pytest.fixture
def server():
    with ChatServer(answers) as running:
        yield running


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    lines = [
        {
            "task_id": name,
            "prompt": f"Write {name}(x).",
            "entry_point": name,
            "visible_tests": [f"assert {name}(0) == {n}"],
            "hidden_tests": [f"assert {name}(5) == {n + 5}"],
        }
        for name, n in ADDS.items()
    ]
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def greenloop(*arguments: object, cwd: Path | None = None) -> Done:
    """Run a command in this process, as its own process would run it."""
    out, err = io.StringIO(), io.StringIO()
    before = Path.cwd()
    os.chdir(cwd or before)
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
            main(list(map(str, arguments)))
    finally:
        os.chdir(before)
    return Done(int(left.value.code or 0), out.getvalue(), err.getvalue())


def answer(*arguments: object, **settings: Any) -> dict[str, Any]:
    done = greenloop(*arguments, "--json", **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_eval_prints_one_object_with_everything_a_figure_needs(server: ChatServer, tasks: Path) -> None:
    figure = answer("eval", tasks, "--model", server.name(), "--program", "ger", "--calls", 3)
    assert figure["n"] == 4
    assert figure["solved"] == 3
    assert figure["replicates"] == 1
    assert figure["interval"][0] < 0.75 < figure["interval"][1]
    assert figure["model_calls"] == 2 + 2 + 3
    assert figure["tokens_in"] > 0
    assert figure["tokens_out"] > 0
    assert figure["model_seconds"] > 0
    assert figure["steering"] == "visible"
    assert figure["tier"]
    assert list(figure["models"]) == [server.name()]
    assert figure["paid"]["calls"] == 7


def test_a_second_run_makes_no_model_call(server: ChatServer, tasks: Path) -> None:
    first = answer("eval", tasks, "--model", server.name(), "--program", "resample")
    asked = len(server.requests)
    again = answer("eval", tasks, "--model", server.name(), "--program", "resample")
    assert len(server.requests) == asked
    assert again["paid"]["calls"] == 0
    assert {k: v for k, v in again.items() if k != "paid"} == {k: v for k, v in first.items() if k != "paid"}


def test_programs_share_their_first_draw(server: ChatServer, tasks: Path) -> None:
    answer("eval", tasks, "--model", server.name(), "--program", "single")
    assert (
        answer("eval", tasks, "--model", server.name(), "--program", "ger", "--calls", 1)["paid"]["calls"]
        == 0
    )


def test_limit_takes_the_first_tasks(server: ChatServer, tasks: Path) -> None:
    assert answer("eval", tasks, "--model", server.name(), "--limit", 2, "--program", "single")["n"] == 2


def test_solve_shows_the_attempts(server: ChatServer) -> None:
    arguments = (
        "solve",
        "Write add_three(x).",
        "--entry-point",
        "add_three",
        "--test",
        "assert add_three(0) == 3",
    )
    done = greenloop(*arguments, "--model", server.name())
    assert done.returncode == 0, done.stderr
    assert "attempt 1 generate" in done.stderr
    assert "attempt 2 refine" in done.stderr
    assert done.stdout == "def add_three(x):\n    return x + 3\n"
    data = answer(*arguments, "--model", server.name())
    assert data["outcome"] == "passed"
    assert [a["execution"]["outcome"] for a in data["attempts"]] == ["failed", "passed"]


def test_solve_says_by_its_exit_code_that_nothing_passed(server: ChatServer) -> None:
    arguments = (
        "solve",
        "Write add_four(x).",
        "--entry-point",
        "add_four",
        "--test",
        "assert add_four(0) == 4",
    )
    done = greenloop(*arguments, "--model", server.name())
    assert done.returncode == 4
    assert "not solved" in done.stderr
    assert "return x + 100" in done.stdout


def test_solve_without_a_test_is_unverified(server: ChatServer) -> None:
    assert answer("solve", "Write add_one(x).", "--model", server.name())["outcome"] == "unverified"


def test_tune_exports_a_program_that_runs(server: ChatServer, tasks: Path, tmp_path: Path) -> None:
    out = tmp_path / "best"
    tuned = answer(
        "tune",
        tasks,
        "--model",
        server.name(),
        "--trials",
        3,
        "--out",
        out,
        "--replicates",
        1,
        "--finalists",
        1,
    )
    assert tuned["folder"] == str(out)
    assert tuned["evidence"]["trials"] == 3
    figure = answer("run", out, "--tasks", tasks)
    assert figure["n"] == 4
    request = ("run", out, "--task", "Write add_one(x).", "--entry-point", "add_one", "--test")
    solved = answer(*request, "assert add_one(1) == 2")
    assert (solved["outcome"], "def add_one" in solved["code"]) == ("passed", True)
    assert greenloop(*request, "assert add_one(1) == 3").returncode == 4


def test_tune_prints_a_front_and_takes_the_cheapest_near_the_best(
    server: ChatServer, tasks: Path, tmp_path: Path
) -> None:
    out = tmp_path / "best"
    few = ("--trials", 3, "--replicates", 1, "--folds", 0)
    done = greenloop("tune", tasks, "--model", server.name(), *few, "--pareto", "--within", 5, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "Estimate from a pilot of" in done.stderr
    assert "confirmed on 2 locked ones" in done.stderr
    assert "Pareto front of quality, compute, seconds" in done.stdout
    assert "the cheapest by compute within 5 points of the best" in done.stdout
    hopeless = greenloop(
        "tune", tasks, "--model", server.name(), "--budget-calls", 3, "--out", tmp_path / "b"
    )
    assert hopeless.returncode != 0
    assert len([line for line in hopeless.stderr.splitlines() if "confirmation need about" in line]) == 1
    assert not (tmp_path / "b").exists()


def test_doctor_names_sandbox_models_and_store() -> None:
    report = answer("doctor")
    assert report["tier"] in {"namespaces", "landlock", "sandbox-exec", "limits"}
    assert {"models", "ollama", "sandbox", "store", "versions"} <= report.keys()
    assert all(entry["works"] or entry["detail"] for entry in report["sandbox"])


MISTAKES = {
    "a command": (("evil",), "eval"),
    "an option": (("eval", "starter", "--programm", "ger"), "--program"),
    "a number": (("eval", "starter", "--limit", "0"), "--limit"),
    "a task set": (("eval", "humanevil"), "humaneval"),
    "a missing file": (("eval", "nowhere.jsonl"), "nowhere.jsonl"),
    "a model": (("eval", "starter", "--model", "embeded"), "embedded"),
    "a context": (("eval", "starter", "--limit", "2", "--model", "embedded?num_ctx=512"), "num_ctx=2048"),
    "a context for a comparison": (
        ("compare", "--limit", "4", "--model", "embedded?num_ctx=512"),
        "num_ctx=",
    ),
    "an option of a model": (("eval", "starter", "--model", "embedded?num_cxt=512"), "num_ctx"),
    "a store to look into": (("store", "stats", "--store", "sqlite:///nowhere.db"), "there is no store"),
    "a GGUF file": (("eval", "starter", "--limit", "1", "--model", "gguf:nowhere.gguf"), "nowhere.gguf"),
    "a program": (("eval", "starter", "--program", "gre"), "ger"),
    "a data folder": (("eval", "humaneval", "--data", "nowhere"), "nowhere"),
    "a store": (("eval", "starter", "--store", "x.db"), "sqlite:///x.db"),
    "no export": (("run", "nowhere", "--tasks", "starter"), "no folder"),
    "nothing to do": (("run", "nowhere"), "--tasks"),
    "no request": (("solve",), "say what to write"),
    "an empty request": (("solve", " "), "empty"),
    "a broken test": (("solve", "Write f.", "--test", "assert f(1 =="), "test"),
    "an id": (("solve", "--tasks", "starter", "--id", "starter/nope"), "nearest"),
    "no folder to tune into": (("tune", "starter"), "--out"),
    "a store to report": (("report", "--store", "sqlite:///nowhere.db"), "there is no store"),
    "a study's page": (("report", "--study", "s", "--out", "nowhere/x.html"), "no such folder"),
    "a samples file": (("eval", "starter", "--samples", "/"), "is a folder"),
    "a verdicts file": (
        ("score", "s.jsonl", "--tasks", "starter", "--verdicts", "nowhere/v.jsonl"),
        "--verdicts",
    ),
    "a report's folder": (("experiment", "baselines", "--limit", "1", "--out", "/dev/null/x"), "--out"),
    "scoring and one request": (("run", "nowhere", "--task", "x", "--oracle"), "--oracle"),
    "a plan too large": (("power", "--difference", "3", "--tasks", "10000000"), "100,000"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_exit_code_2_and_writes_nothing(mistake: str, tmp_path: Path) -> None:
    arguments, words = MISTAKES[mistake]
    done = greenloop(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert words in lines[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no task"),
        ("{", "mine.jsonl:1:"),
        ('{"task_id": "a", "prompt": 3}\n', "prompt"),
        ("\x00\xff", "mine.jsonl:1:"),
    ],
)
def test_a_malformed_task_file_names_file_and_line(content: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(content.encode("latin-1"))
    done = greenloop("eval", path)
    assert done.returncode == 2
    assert "mine.jsonl" in done.stderr
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_tasks_without_tests_are_refused_in_scoring(server: ChatServer, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"task_id": "bare", "prompt": "Write add_one(x).", "entry_point": "add_one"}\n')
    done = greenloop("eval", path, "--model", server.name())
    assert done.returncode == 2
    assert "bare" in done.stderr
    assert (
        answer("solve", "--tasks", path, "--id", "bare", "--model", server.name())["outcome"] == "unverified"
    )


def test_an_outage_is_exit_code_3_and_says_how_to_go_on(tasks: Path) -> None:
    done = greenloop("eval", tasks, "--model", "ollama:qwen2.5:1.5b@http://127.0.0.1:9")
    assert done.returncode == 3
    assert "ollama serve" in done.stderr
    assert "run again: greenloop eval" in done.stderr


def test_run_says_which_server_beyond_this_machine_gets_the_prompts(
    server: ChatServer, tmp_path: Path
) -> None:
    near = server.name()
    far = near.replace(
        "127.0.0.1", "127.1"
    )  # the same server, by an address that is not known for this machine
    for name, model in (("near", near), ("far", far)):
        gl.export(gl.Resample(generate=gl.Generate(model=model), samples=1), tmp_path / name)
    done = [greenloop("run", tmp_path / name, "--tasks", "nowhere.jsonl") for name in ("near", "far")]
    assert ["nowhere.jsonl" in one.stderr for one in done] == [True, True]
    assert [one.stderr.count("prompts go to http://127.1:") for one in done] == [0, 1]
    with pytest.warns(UserWarning, match=r"prompts go to http://127\.1:"):
        gl.load(tmp_path / "far")


def test_an_edited_export_is_refused(server: ChatServer, tasks: Path, tmp_path: Path) -> None:
    out = tmp_path / "best"
    answer("tune", tasks, "--model", server.name(), "--trials", 1, "--out", out, "--replicates", 1)
    text = (out / "program.json").read_text()
    (out / "program.json").write_text(text.replace('"max_iterations"', '"max_iteration"'))
    done = greenloop("run", out, "--tasks", tasks)
    assert done.returncode == 2
    assert "edited" in done.stderr


class Held:
    """Answers so many requests, and keeps whoever asks more waiting until it is let go; then it takes its time."""

    def __init__(self, at_once: int, pause_s: float = 0.0) -> None:
        self._left = threading.Semaphore(at_once)
        self._pause_s = pause_s
        self.go = threading.Event()
        self.waiting = threading.Event()

    def __call__(self, body: dict[str, Any]) -> list[Any]:
        if not self._left.acquire(blocking=False):
            self.waiting.set()
            self.go.wait(120)
            return [self._pause_s, *answers(body)]
        return [*answers(body)]


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "greenloop", *map(str, arguments)]

    def hear_ctrl_c() -> (
        None
    ):  # a shell starts its background jobs deaf to it, and their children inherit that
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, preexec_fn=hear_ctrl_c, **pipes)


def test_what_was_paid_for_is_only_spoken_of_where_something_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_something_paid", threading.Event())
    meter = budget.Meter()
    meter.saw(budget.Usage(calls=1, tokens_in=3))
    assert resume_hint(["eval", "a b"]) == "nothing was paid for; run again: greenloop eval 'a b'"
    with meter.reserve(tokens=5) as settle:
        settle(budget.Usage(calls=1, tokens_in=3))
    assert resume_hint(["eval"]).startswith("what was paid for is stored")


def test_ctrl_c_ends_cleanly_and_the_same_command_goes_on(tasks: Path) -> None:
    held = Held(1, pause_s=0.5)
    with ChatServer(held) as server:
        arguments = ("eval", tasks, "--model", server.name(), "--program", "ger", "--concurrency", 1)
        running = start(*arguments)
        assert held.waiting.wait(120)
        running.send_signal(signal.SIGINT)
        held.go.set()
        _, told = running.communicate(timeout=120)
        assert running.returncode == 130, told
        assert "what was paid for is stored; to go on, run again: greenloop eval" in told
        assert "Traceback" not in told
        figure = answer(*arguments)
        assert figure["solved"] == 3
        bodies = [json.dumps(body, sort_keys=True) for body in server.requests]
        assert len(bodies) == len(set(bodies)) == figure["model_calls"]


def test_kill_9_in_a_tune_and_the_same_command_goes_on(tasks: Path, tmp_path: Path) -> None:
    held = Held(8)
    with ChatServer(held) as server:
        arguments = ("tune", tasks, "--model", server.name(), "--trials", 4, "--out", tmp_path / "best")
        running = start(*arguments)
        assert held.waiting.wait(120)
        os.kill(running.pid, signal.SIGKILL)
        running.communicate(timeout=60)
        held.go.set()
        tuned = answer(*arguments)
        assert tuned["evidence"]["trials"] == 4
        bodies = [json.dumps(body, sort_keys=True) for body in server.requests]
        assert len(bodies) - len(set(bodies)) <= 4, "only what was under way is asked again"
        assert (tmp_path / "best" / "manifest.json").exists()

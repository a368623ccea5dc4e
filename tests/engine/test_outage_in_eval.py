"""A model server that is killed in the midst of `greenloop eval`: nothing is scored for it, nothing paid twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from greenloop.testing import ChatServer
from greenloop.testing.ports import Port

SERVER = """
import hashlib, json, pathlib, sys, time
from greenloop.testing import ChatServer

port, log, most = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def script(body):
    while len(pathlib.Path(log).read_text().split()) >= most:
        yield 0.02
    asked = json.dumps([body["messages"], body.get("seed"), body.get("temperature")], sort_keys=True)
    digest = hashlib.sha256(asked.encode()).hexdigest()
    number = body["messages"][1]["content"].split("task_")[1].split("(")[0]
    right = int(digest[0], 16) < 8
    with open(log, "a") as file:
        file.write(digest + "\\n")
    yield f"```python\\ndef task_{number}(x):\\n    return x + {number if right else 'x'}  # {digest[:8]}\\n```"

with ChatServer(script, port=port):
    time.sleep(600)
"""


class Server:
    """The content-answering server as a process of its own; `answered` are digests of what it answered."""

    def __init__(self, folder: Path) -> None:
        self._port = Port()
        self.port = self._port.number
        self.log = folder / "answered"
        self.log.touch()
        self._script = folder / "server.py"
        self._script.write_text(SERVER)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return f"openai:scripted@http://127.0.0.1:{self.port}"

    @property
    def answered(self) -> list[str]:
        return self.log.read_text().split()

    def start(self, most: int = 10**9) -> None:
        """Answer; after `most` answers keep whoever asks waiting."""
        command = [sys.executable, str(self._script), str(self.port), str(self.log), str(most)]
        self._process = subprocess.Popen(command)
        until(lambda: answers(f"http://127.0.0.1:{self.port}/v1/models"))

    def kill(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


def until(condition: Callable[[], bool], timeout_s: float = 120) -> None:
    ends = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    lines = [
        {
            "task_id": f"task_{n}",
            "prompt": f"Write task_{n}(x).",
            "entry_point": f"task_{n}",
            "visible_tests": [f"assert task_{n}(0) == {n}"],
            "hidden_tests": [f"assert task_{n}(7) == {n + 7}"],
        }
        for n in range(1, 21)
    ]
    path = tmp_path / "tasks.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def start_eval(tasks: Path, model: str, store: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "greenloop", "eval", str(tasks), "--model", model, "--program", "ger"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, "--store", f"sqlite:///{store}", "--json"], **pipes)


def figure_of(running: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    out, told = running.communicate(timeout=240)
    assert running.returncode == 0, told
    figure = json.loads(out)
    paid = figure.pop("paid")
    figure.pop("model_seconds")
    for row in figure["spent"]:  # seconds differ, calls and tokens of the program must not
        row.pop("model_seconds")
        row.pop("lost_tokens")  # what the outage itself cost
    return figure | {"paid_calls": paid["calls"]}, told


@pytest.mark.slow
def test_killed_restarted_and_run_again_the_figures_are_those_of_an_undisturbed_run(
    tasks: Path, tmp_path: Path
) -> None:
    server = Server(tmp_path)
    impatient = f"{server.name}?retry_s=1"
    try:
        server.start()
        undisturbed, _ = figure_of(start_eval(tasks, impatient, tmp_path / "undisturbed.db"))
        calls = len(server.answered)
        assert undisturbed["paid_calls"] == calls > 20
        assert 0 < undisturbed["solved"] < 20 or undisturbed["model_calls"] > 20
        server.kill()
        server.log.write_text("")

        server.start(most=10)
        running = start_eval(tasks, impatient, tmp_path / "killed.db")
        until(lambda: len(server.answered) >= 10)
        server.kill()
        out, told = running.communicate(timeout=120)
        assert running.returncode == 3, told
        assert out == ""
        assert f"no server answers at http://127.0.0.1:{server.port}" in told
        assert "run again: greenloop eval" in told
        before = server.answered
        assert len(before) < calls

        server.start()
        resumed, _ = figure_of(start_eval(tasks, impatient, tmp_path / "killed.db"))
        after = server.answered[len(before) :]
        assert {k: v for k, v in resumed.items() if k != "paid_calls"} == {
            k: v for k, v in undisturbed.items() if k != "paid_calls"
        }
        assert resumed["paid_calls"] == len(after)
        under_way = 4  # answered by the server, killed before they were stored
        assert len(set(before) & set(after)) <= under_way
        assert calls <= len(before) + len(after) <= calls + under_way
    finally:
        server.kill()


@pytest.mark.slow
def test_a_server_that_comes_back_in_time_is_used_again_and_nobody_has_to_rerun(
    tasks: Path, tmp_path: Path
) -> None:
    server = Server(tmp_path)
    patient = f"{server.name}?retry_s=60"
    try:
        server.start(most=10)
        running = start_eval(tasks, patient, tmp_path / "s.db")
        until(lambda: len(server.answered) >= 10)
        server.kill()
        server.start()
        figure, _ = figure_of(running)
        server.log.write_text("")
        undisturbed, _ = figure_of(start_eval(tasks, patient, tmp_path / "undisturbed.db"))
        assert figure == undisturbed
    finally:
        server.kill()


@pytest.mark.slow
def test_a_full_disk_stops_the_run_with_one_line_and_scores_nothing(tasks: Path, tmp_path: Path) -> None:
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000));"
    limited += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    limited += "from greenloop.cli.main import main; main(sys.argv[1:])"
    with ChatServer(lambda body: ["x" * 20_000]) as server:
        command = ["eval", str(tasks), "--model", server.name(), "--store", f"sqlite:///{tmp_path}/s.db"]
        done = subprocess.run(
            [sys.executable, "-c", limited, *command], capture_output=True, text=True, timeout=240
        )
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""

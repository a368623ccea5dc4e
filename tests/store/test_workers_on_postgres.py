"""Two worker processes on one PostgreSQL study, one of them killed twice: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import greenloop as gl
import optuna
import pytest
from greenloop.optimizers.artifact import read
from greenloop.runtime.store.maintenance import stats
from greenloop.testing import ChatServer

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(900)]

TRIALS, CONCURRENCY = 16, 2


class Gate:
    """Closed, it keeps all who ask waiting: no trial ends meanwhile. An answer takes its time until then."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.opened.set()
        self._lock = threading.Lock()
        self.waiting = 0
        self.pause_s = 0.5

    def __call__(self) -> None:
        if not self.opened.is_set():
            with self._lock:
                self.waiting += 1
            self.opened.wait(300)


GATE = Gate()


def unsure(body: dict[str, Any]) -> list[str | float]:
    """Right for some tasks and seeds."""
    GATE()
    right = (int(body.get("seed") or 0) + int(10 * (body.get("temperature") or 0))) % 3 == 0
    text = "\n".join(message["content"] for message in body["messages"])
    value = re.findall(r"adds (\d+)", text)[0]
    return [GATE.pause_s, f"```python\ndef f(x):\n    return x + {value if right else 999}\n```"]


def write_tasks(path: Path) -> None:
    lines = [
        {
            "task_id": f"t{i}",
            "prompt": f"Write f(x) that adds {i} to x.",
            "entry_point": "f",
            "visible_tests": [f"assert f(0) == {i}"],
            "hidden_tests": [f"assert f(1) == {i + 1}"],
        }
        for i in range(12)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def trials(url: str, state: str) -> int:
    """How many trials of the study are in this state; 0 before there is a study."""
    try:
        study = optuna.load_study(study_name="shared", storage=url)
    except Exception:  # noqa: BLE001 the tables may not be there yet
        return 0
    return sum(t.state.name == state for t in study.get_trials(deepcopy=False))


def test_two_workers_one_killed_twice(postgres_url: str, tmp_path: Path) -> None:
    write_tasks(tmp_path / "tasks.jsonl")
    with ChatServer(unsure) as server:
        command = [sys.executable, "-m", "greenloop", "tune", str(tmp_path / "tasks.jsonl")]
        command += [
            "--model",
            server.name(),
            "--trials",
            str(TRIALS),
            "--replicates",
            "1",
            "--finalists",
            "2",
        ]
        command += ["--study", "shared", "--store", postgres_url, "--concurrency", str(CONCURRENCY), "--json"]

        def worker(number: int) -> subprocess.Popen[str]:
            out = [*command, "--out", str(tmp_path / f"best{number}")]
            return subprocess.Popen(
                out, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
            )

        def wait_for(running: int, failed: int, alive: subprocess.Popen[str]) -> None:
            deadline = time.monotonic() + 300
            while trials(postgres_url, "RUNNING") < running or trials(postgres_url, "FAIL") < failed:
                assert alive.poll() is None, alive.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.02)

        def kill(process: subprocess.Popen[str]) -> None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()

        victim = worker(2)
        wait_for(1, 0, victim)
        GATE.opened.clear()
        GATE.pause_s = 0.02
        while not GATE.waiting:  # it is in the middle of a trial, and stays there
            assert victim.poll() is None
            time.sleep(0.02)
        kill(victim)
        steady, victim = worker(1), worker(2)
        wait_for(2, 1, victim)  # the dead one's trial is taken over, and both are in the middle of one
        kill(victim)
        GATE.opened.set()
        wait_for(1, 2, steady)
        victim = worker(2)
        results = []
        for process in (steady, victim):
            out, errors = process.communicate(timeout=240)
            assert process.returncode == 0, errors
            results.append(json.loads(out)["evidence"])
        requests = [json.dumps(body, sort_keys=True) for body in server.requests]

    study = optuna.load_study(study_name="shared", storage=postgres_url)
    states = Counter(t.state.name for t in study.trials)
    finished = [t for t in study.trials if t.state.name in ("COMPLETE", "PRUNED")]
    assert len(finished) == TRIALS
    assert states["RUNNING"] == 0
    assert states["FAIL"] >= 2
    taken = [t.user_attrs["taken_over_from"] for t in study.trials if "taken_over_from" in t.user_attrs]
    assert len(taken) == len(set(taken))
    lost = [t for t in study.trials if t.state.name == "FAIL" and t.params and "left out" not in t.user_attrs]
    assert {t.number for t in lost} <= set(taken)
    for one in lost:
        assert any(t.params == one.params and t.state.name != "FAIL" for t in study.trials)

    with gl.session(postgres_url) as session:
        answers = stats(session.store).answers
    in_flight = 2 * CONCURRENCY
    for evidence in results:
        assert evidence["trials"] == TRIALS
        assert answers <= evidence["paid"]["calls"] <= len(requests) <= answers + in_flight
        assert evidence["settings"] == results[0]["settings"]
        assert evidence["confirmed"] == results[0]["confirmed"]
    doubled = [count for count in Counter(requests).values() if count > 1]
    assert sum(doubled) - len(doubled) <= in_flight
    assert read(tmp_path / "best1")[0] == read(tmp_path / "best2")[0]

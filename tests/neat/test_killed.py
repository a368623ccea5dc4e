"""A search that is killed outright goes on where it was: a real process, SIGKILL, the same command again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import json, sys, threading, time
import greenloop as gl
from greenloop.testing import ScriptedModel

url, log, left = sys.argv[1], open(sys.argv[2], "a", buffering=1), threading.Semaphore(int(sys.argv[3]))
tasks = [gl.Task(task_id=f"t{i}", prompt=f"Write f(x) that adds {i} to x.", entry_point="f",
    visible_tests=[f"assert f(0) == {i}"], hidden_tests=[f"assert f(1) == {i + 1}"]) for i in range(6)]

def answer(messages, seed, sampling):
    log.write(json.dumps([messages, seed, sampling], sort_keys=True) + "\\n")
    if not left.acquire(blocking=False):
        time.sleep(600)  # until it is killed
    number = int(messages[1]["content"].split("adds ")[1].split()[0])
    mended = any(m["role"] == "assistant" or "Previous code" in m["content"] for m in messages)
    right = number % 3 == 0 or mended or seed % 5 == 0
    return f"```python\\ndef f(x):\\n    return x + {number if right else number + 1}\\n```"

model = ScriptedModel(answer, identity="killed")
search = gl.NeatSearch(models=[model], store=url, budget=gl.Budget(calls=120), population=5, generations=4,
    replicates=1, finalists=2, concurrency=4)
found = search.compile(trainset=tasks[:4], valset=tasks[4:])
told = [[(i.number, i.parents, i.origin, repr(i.genome)) for i in g.individuals] + [g.fitness, g.species]
    for g in search.history]
print(json.dumps([told, found.evidence.settings, found.evidence.verdict, found.evidence.paid["calls"]], default=list))
"""


def start(script: Path, store: Path, log: Path, most: int = 10**9) -> subprocess.Popen:
    """A process whose model gives so many answers, and hangs then."""
    command = [sys.executable, str(script), f"sqlite:///{store}", str(log), str(most)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_killed_in_mid_search_it_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    script = tmp_path / "search.py"
    script.write_text(SCRIPT)
    whole = start(script, tmp_path / "whole.db", tmp_path / "whole.log")
    expected = json.loads(whole.communicate(timeout=250)[0])
    asked = (tmp_path / "whole.log").read_text().splitlines()
    log = tmp_path / "cut.log"
    log.touch()
    most = round(0.3 * len(asked))
    for _ in range(2):
        before = len(log.read_text().splitlines())
        process = start(script, tmp_path / "cut.db", log, most)
        while len(log.read_text().splitlines()) <= before + most:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = start(script, tmp_path / "cut.db", log)
    assert json.loads(last.communicate(timeout=250)[0]) == expected
    lines = log.read_text().splitlines()
    paid_twice = len(lines) - len(set(lines))
    assert paid_twice <= 2 * 4  # only what was under way at each kill: as many as run at once

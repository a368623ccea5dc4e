"""A second process with the same command shares a search: nothing is paid twice, and both say the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import json, os, sys, threading, time
import greenloop as gl
from greenloop.testing import ScriptedModel

url, log, budget, left = sys.argv[1], open(sys.argv[2], "a", buffering=1), int(sys.argv[3]), int(sys.argv[5])
answers = threading.Semaphore(left)
tasks = [gl.Task(task_id=f"t{i}", prompt=f"Write f(x) that adds {i} to x.", entry_point="f",
    visible_tests=[f"assert f(0) == {i}"], hidden_tests=[f"assert f(1) == {i + 1}"]) for i in range(6)]

def answer(messages, seed, sampling):
    log.write(json.dumps([os.getpid(), messages, seed, sampling], sort_keys=True) + "\\n")
    time.sleep(0.05 if answers.acquire(blocking=False) else 600)  # until it is killed
    number = int(messages[1]["content"].split("adds ")[1].split()[0])
    mended = any(m["role"] == "assistant" or "Previous code" in m["content"] for m in messages)
    right = number % 3 == 0 or mended or seed % 5 == 0
    return f"```python\\ndef f(x):\\n    return x + {number if right else number + 1}\\n```"

model = ScriptedModel(answer, identity="joined")
search = gl.NeatSearch(models=[model], store=url, budget=gl.Budget(calls=budget), population=5, generations=4,
    replicates=1, finalists=2, concurrency=2, workers=2)
open(sys.argv[2] + f".{os.getpid()}", "w").close()  # ready
folder, mine = os.path.split(sys.argv[2])
while sum(name.startswith(mine + ".") for name in os.listdir(folder)) < int(sys.argv[4]):
    time.sleep(0.02)
found = search.compile(trainset=tasks[:4], valset=tasks[4:])
told = [[(i.number, i.parents, i.origin, repr(i.genome)) for i in g.individuals] + [g.fitness, g.species]
    for g in search.history]
evidence = found.evidence
print(json.dumps([told, evidence.settings, evidence.verdict, evidence.paid["calls"], evidence.how,
    evidence.choices_confirmed], default=list))
"""


def start(
    script: Path, name: str, budget: int, together: int = 1, most: int = 10**9
) -> subprocess.Popen[str]:
    """A process; so many of one name begin when all are there. Its model gives so many answers, and hangs then."""
    folder = script.parent
    command = [sys.executable, str(script), f"sqlite:///{folder}/{name}.db", str(folder / f"{name}.log")]
    numbers = [str(n) for n in (budget, together, most)]
    return subprocess.Popen([*command, *numbers], stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> list:
    return json.loads(process.communicate(timeout=280)[0].splitlines()[-1])


def calls(log: Path) -> list[list]:
    """What was asked so far, in whole lines."""
    return [json.loads(line) for line in log.read_text().rpartition("\n")[0].splitlines()]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list]:
    """By budget, what one process says that has the search to itself."""
    script = tmp_path_factory.mktemp("alone") / "search.py"
    script.write_text(SCRIPT)
    running = {budget: start(script, f"alone-{budget}", budget) for budget in (140, 400)}
    return {budget: said(process) for budget, process in running.items()}


def together(script: Path, name: str, budget: int, alone: list) -> bool:
    """Two processes at once: nothing is asked twice, and they say what one says. Whether both had a part."""
    both = [start(script, name, budget, together=2) for _ in range(2)]
    told = [said(process) for process in both]
    assert told[0] == told[1] == alone
    made = calls(script.parent / f"{name}.log")
    asked = [json.dumps(call[1:], sort_keys=True) for call in made]
    assert len(asked) == len(set(asked)) == alone[3] <= budget
    return min(sum(call[0] == process.pid for call in made) for process in both) > 0.1 * len(made)


@pytest.mark.slow
@pytest.mark.parametrize("budget", [140, 400])
def test_two_processes_share_a_search_and_its_budget(
    tmp_path: Path, alone: dict[int, list], budget: int
) -> None:
    """Both have a part where there is enough for two; one that the machine starves may follow the other once."""
    script = tmp_path / "search.py"
    script.write_text(SCRIPT)
    shared = together(script, "both", budget, alone[budget])
    if budget == 400:  # of a small budget all is near its end, where one process follows the other
        assert shared or any(together(script, f"again-{n}", budget, alone[budget]) for n in range(3))


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_its_part_to_the_other(
    tmp_path: Path, alone: dict[int, list]
) -> None:
    script, log = tmp_path / "search.py", tmp_path / "both.log"
    script.write_text(SCRIPT)
    log.touch()
    one = start(script, "both", 400, most=8)
    while len(calls(log)) <= 8:
        assert one.poll() is None
        time.sleep(0.02)
    other = start(script, "both", 400)
    ends = time.monotonic() + 20
    while {call[0] for call in calls(log)} == {
        one.pid
    } and time.monotonic() < ends:  # it may wait for the first
        assert other.poll() is None
        time.sleep(0.02)
    one.send_signal(signal.SIGKILL)
    one.wait()
    assert said(other) == alone[400]
    asked = [json.dumps(call[1:], sort_keys=True) for call in calls(log)]
    assert len(asked) - len(set(asked)) <= 2 * 2  # what the killed one had under way

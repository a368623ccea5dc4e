"""Many at once, replaced when broken, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from greenloop.errors import SandboxError, TaskError
from greenloop.runtime.execution import Candidate, Limits
from greenloop.runtime.sandbox import Sandbox, default_sandbox, pool, worker

GOOD = Candidate("def f(x):\n    return x + 1\n", "f")
TESTS = ["assert f(1) == 2"]
LONG = Limits(wall_s=120)
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def children(pid: int) -> list[int]:
    """The processes that this one started itself."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    return [found for child in children(pid) for found in (child, *descendants(child))]


def until(condition: Callable[[], bool], within_s: float = 60) -> bool:
    """Whether it came true in time; how soon depends on the machine alone."""
    deadline = time.monotonic() + within_s
    while not (true := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return true


def gone(pids: list[int]) -> bool:
    return until(lambda: not any(alive(pid) for pid in pids))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_threads_share_the_workers() -> None:
    outcomes: list[str] = []
    with Sandbox(workers=2) as sandbox:
        threads = [
            threading.Thread(target=lambda: outcomes.append(sandbox.run(GOOD, TESTS).outcome))
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert outcomes == ["passed"] * 12


def test_asyncio_goes_on_meanwhile() -> None:
    async def main() -> list[str]:
        with Sandbox(workers=2) as sandbox:
            sleeping = asyncio.create_task(sandbox.arun(Candidate("import time\ntime.sleep(60)\n"), [], LONG))
            others = [asyncio.create_task(sandbox.arun(GOOD, TESTS)) for _ in range(4)]
            found = [(await other).outcome for other in others]
            assert not sleeping.done()
            await asyncio.to_thread(sandbox.close)
            return [*found, (await sleeping).outcome]

    assert asyncio.run(main()) == ["passed"] * 4 + ["sandbox_error"]


@LINUX
def test_nothing_is_left_after_close(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    descriptors = len(os.listdir("/proc/self/fd"))
    threads = threading.active_count()
    sandbox = Sandbox(workers=2)
    sandbox.run(GOOD, TESTS)
    asyncio.run(sandbox.arun(GOOD, TESTS))
    pids = [p for w in sandbox._pool._idle for p in [w.pid, *descendants(w.pid)]]
    assert len(pids) >= 3
    assert list(tmp_path.glob("greenloop-*"))
    sandbox.close()
    sandbox.close()
    assert gone(pids)
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert threading.active_count() <= threads
    assert list(tmp_path.iterdir()) == []


def test_a_closed_sandbox_says_so() -> None:
    sandbox = Sandbox(workers=1)
    sandbox.close()
    found = sandbox.run(GOOD, TESTS)
    assert (found.outcome, found.message) == ("sandbox_error", "the sandbox is closed")


@LINUX
def test_closing_ends_what_still_runs() -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    sandbox = Sandbox(workers=1)
    sandbox.run(GOOD, TESTS)
    (worker,) = sandbox._pool._idle
    pids = [worker.pid, *descendants(worker.pid)]
    outcomes: list[str] = []
    looping = Candidate("while True: pass\n")
    thread = threading.Thread(target=lambda: outcomes.append(sandbox.run(looping, [], LONG).outcome))
    thread.start()
    assert until(lambda: bool(sandbox._pool._busy))
    sandbox.close()
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    thread.join(60)
    assert outcomes == ["sandbox_error"]
    assert gone(pids)


@LINUX
@pytest.mark.parametrize("which", ["launcher", "servers"])
def test_it_survives_the_death_of_its_fork_servers(which: str) -> None:
    with Sandbox(workers=1) as sandbox:
        assert sandbox.run(GOOD, TESTS).passed
        launcher = sandbox._pool._idle[0].pid
        for pid in [launcher] if which == "launcher" else children(launcher):
            os.kill(pid, signal.SIGKILL)
        assert sandbox.run(GOOD, TESTS).passed
        assert sandbox.run(GOOD, TESTS).passed


@LINUX
def test_a_worker_is_recycled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "RECYCLE", 3)
    with Sandbox(workers=1) as sandbox:
        sandbox.run(GOOD, TESTS)
        first = sandbox._pool._idle[0].pid
        for _ in range(4):
            assert sandbox.run(GOOD, TESTS).passed
        assert sandbox._pool._idle[0].pid != first
        assert gone([first])


PARENT = """
import sys, time
from greenloop.runtime.execution import Candidate, Limits
from greenloop.runtime.sandbox import Sandbox
import threading
sandbox = Sandbox(workers=2)
sandbox.run(Candidate("x = 1"), [])
endless = Candidate("while True: pass")
threading.Thread(target=lambda: sandbox.run(endless, [], Limits(wall_s=600)), daemon=True).start()
while not sandbox._pool._busy:
    time.sleep(0.02)
print("ready", flush=True)
{end}
"""


@LINUX
@pytest.mark.parametrize(
    ("end", "killed"),
    [("time.sleep(600)", True), ("raise SystemExit(3)", False), ("raise ValueError", False)],
    ids=["kill -9", "exit", "exception"],
)
def test_nothing_outlives_its_parent(end: str, killed: bool, tmp_path: Path) -> None:
    code = PARENT.format(end=textwrap.dedent(end))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    pids = descendants(process.pid)
    if killed:
        assert len(pids) >= 3
        assert list(tmp_path.iterdir())
        process.kill()
    process.wait(120)
    process.stdout.close()
    assert gone(pids)
    assert not list(tmp_path.iterdir())


@LINUX
def test_a_forked_child_makes_its_own_workers() -> None:
    with Sandbox(workers=1) as sandbox:
        assert sandbox.run(GOOD, TESTS).passed
        child = os.fork()
        if child == 0:
            fine = sandbox.run(GOOD, TESTS).passed
            sandbox.close()
            os._exit(0 if fine else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert sandbox.run(GOOD, TESTS).passed


def test_the_default_sandbox_is_one() -> None:
    assert default_sandbox() is default_sandbox()


@pytest.mark.parametrize("workers", [0, -1])
def test_workers_must_be_positive(workers: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Sandbox(workers=workers)


def test_an_interpreter_that_is_none_is_refused() -> None:
    with pytest.raises(SandboxError, match="no Python"):
        _ = Sandbox(workers=1, python="/bin/false").python_version


@LINUX
def test_a_candidate_that_goes_on_falls_to_idle_priority() -> None:
    code = (
        "import os, time\ndef after_waiting():\n    time.sleep(0.5)\n    return os.sched_getscheduler(0)\n"
        "def once_demoted():\n    while os.sched_getscheduler(0) == os.SCHED_OTHER: pass\n"
        "    return os.sched_getscheduler(0)\n"
    )
    tests = [f"assert after_waiting() == {os.SCHED_OTHER}", f"assert once_demoted() == {os.SCHED_IDLE}"]
    with Sandbox(workers=1) as sandbox:
        found = sandbox.run(Candidate(code), tests, Limits(wall_s=60, cpu_s=60))
    assert found.passed, found


@LINUX
def test_a_loop_in_a_thread_falls_to_low_priority_too() -> None:
    code = (
        "import os, threading\ndef f():\n    seen = []\n    def work():\n"
        "        while (found := os.getpriority(os.PRIO_PROCESS, 0)) < 19: pass\n        seen.append(found)\n"
        "    thread = threading.Thread(target=work)\n    thread.start()\n    thread.join()\n    return seen\n"
    )
    with Sandbox(workers=1) as sandbox:
        found = sandbox.run(Candidate(code, "f"), ["assert f() == [19]"], Limits(wall_s=60, cpu_s=60))
    assert found.passed, found


@LINUX
def test_without_descriptors_or_room_it_is_the_sandbox_that_fails_and_nothing_is_left_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mine = tmp_path / "candidate" / "mine.py"
    mine.parent.mkdir()
    mine.touch()
    monkeypatch.chdir(tmp_path)

    def none_left(*_: object, **__: object) -> object:
        raise OSError(errno.EMFILE, "Too many open files")

    with Sandbox(workers=1) as sandbox:
        assert sandbox.run(GOOD, TESTS).passed
        for module, name in ((worker.os, "pipe"), (worker.tempfile, "mkdtemp")):
            before = len(os.listdir("/proc/self/fd"))
            with monkeypatch.context() as patch:
                patch.setattr(module, name, none_left)
                found = sandbox.run(GOOD, TESTS)
            assert (found.outcome, found.message is not None and "Too many" in found.message) == (
                "sandbox_error",
                True,
            )
            assert len(os.listdir("/proc/self/fd")) <= before
        assert mine.exists()
        assert sandbox.run(GOOD, TESTS).passed


def test_more_than_a_frame_of_tests_is_the_users_error() -> None:
    with Sandbox(workers=1) as sandbox, pytest.raises(TaskError, match="code and tests of 17"):
        sandbox.run(GOOD, ["x" * 17_000_000])


@LINUX
def test_no_descriptor_of_a_host_with_thousands_reaches_a_candidate() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4400:
        pytest.skip(f"this machine allows {hard} descriptors")
    code = (
        "import os\ndef f(numbers):\n    found = []\n    for n in numbers:\n        try:\n"
        "            os.fstat(n)\n            found.append(n)\n        except OSError: pass\n    return found\n"
    )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4400), hard))
    held: list[int] = []
    try:
        while not held or held[-1] < 4200:
            held.append(os.open(os.devnull, os.O_RDONLY))
        with Sandbox(workers=1) as sandbox:
            found = sandbox.run(Candidate(code, "f"), ["assert f(range(3, 4400)) == [3]"])
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found.passed, found.message

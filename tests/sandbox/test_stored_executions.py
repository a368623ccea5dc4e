"""Executions kept by content: the same run is made once, and another is never taken for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from greenloop.errors import SandboxError
from greenloop.runtime.execution import Candidate, Execution, Limits
from greenloop.runtime.judge import run_candidate
from greenloop.runtime.run import Session
from greenloop.runtime.sandbox import Sandbox, execution_key
from greenloop.runtime.sandbox.environment import Environment, _packages
from greenloop.runtime.store import open_store

GOOD = Candidate("import time\ndef f(x):\n    return x, time.time_ns()\n", "f")
LIMITS = Limits()


class Counted:
    """A sandbox that counts what it really runs."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.runs = 0
        self.outcome = ""
        self.tier, self.python_version, self.identity = sandbox.tier, sandbox.python_version, sandbox.identity
        self._sandbox = sandbox

    def run(self, *arguments: Any, **named: Any) -> Execution:
        self.runs += 1
        found = self._sandbox.run(*arguments, **named)
        return replace(found, outcome=self.outcome) if self.outcome else found  # type: ignore[arg-type]


@pytest.fixture
def counted(box: Sandbox) -> Counted:
    return Counted(box)


@pytest.fixture
def session(counted: Counted) -> Session:
    return Session(open_store("sqlite://"), sandbox=counted)  # type: ignore[arg-type]


def test_the_same_run_is_made_once_and_another_is_not_taken_for_it(
    session: Session, counted: Counted
) -> None:
    first = run_candidate(session, GOOD, ["assert f(1) == 1"], LIMITS)
    assert run_candidate(session, GOOD, ["assert f(1) == 1"], LIMITS) == first
    assert counted.runs == 1
    run_candidate(session, GOOD, ["assert f(2) == 1"], LIMITS)
    run_candidate(session, GOOD, ["assert f(1) == 1"], Limits(wall_s=9))
    traced = run_candidate(session, GOOD, ["assert f(1) == 1"], LIMITS, trace=True)
    assert (first.trace, bool(traced.trace)) == (None, True)
    counted.identity = "/usr/bin/python3|numpy"
    run_candidate(session, GOOD, ["assert f(1) == 1"], LIMITS)
    assert counted.runs == 5


def test_a_lone_surrogate_in_what_a_candidate_raises_is_stored_and_written_out(
    session: Session, counted: Counted
) -> None:
    raising = Candidate("def f(x):\n    raise ValueError('\\ud800 é')\n", "f")
    first = run_candidate(session, raising, ["assert f(1) == 1"], LIMITS)
    assert run_candidate(session, raising, ["assert f(1) == 1"], LIMITS) == first
    assert (first.message, counted.runs) == ("\\ud800 é", 1)


def test_other_packages_are_another_run(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho '[\"numpy-1.0.dist-info\"]'\n")
    python.chmod(0o700)
    environment = Environment("limits", str(python), packages=True)
    first = environment.identity
    python.write_text("#!/bin/sh\necho '[\"numpy-2.0.dist-info\"]'\n")
    assert environment.identity == first, "asked once per process"
    _packages.cache_clear()
    assert environment.identity != first


def test_a_sandbox_error_is_raised_and_never_kept(session: Session, counted: Counted) -> None:
    counted.outcome = "sandbox_error"
    with pytest.raises(SandboxError, match="nothing was judged"):
        run_candidate(session, GOOD, ["assert f(1) == 1"], LIMITS)
    counted.outcome = ""
    assert run_candidate(session, GOOD, ["assert f(1) == 1"], LIMITS).outcome == "failed"
    assert counted.runs == 2


def test_the_key_depends_on_everything_that_counts() -> None:
    base = execution_key(GOOD, ["a"], Limits(), "landlock", "3.11.7")
    others = [
        execution_key(Candidate(GOOD.code, "g"), ["a"], Limits(), "landlock", "3.11.7"),
        execution_key(Candidate(GOOD.code, "f", "import x"), ["a"], Limits(), "landlock", "3.11.7"),
        execution_key(GOOD, ["b"], Limits(), "landlock", "3.11.7"),
        execution_key(GOOD, ["a"], Limits(cpu_s=1), "landlock", "3.11.7"),
        execution_key(GOOD, ["a"], Limits(), "namespaces", "3.11.7"),
        execution_key(GOOD, ["a"], Limits(), "landlock", "3.12.1"),
        execution_key(GOOD, ["a"], Limits(), "landlock", "3.11.7", "/usr/bin/python3|numpy"),
    ]
    assert len({base, *others}) == 8
    assert base == execution_key(GOOD, ["a"], Limits(), "landlock", "3.11.7")

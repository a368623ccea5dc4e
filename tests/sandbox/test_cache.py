"""Executions kept by content."""

from __future__ import annotations

from typing import Any

from greenloop.runtime.execution import Candidate, Limits
from greenloop.runtime.sandbox import Sandbox, execution_key

GOOD = Candidate("import time\ndef f(x):\n    return x, time.time_ns()\n", "f")


class Memory:
    """A store in a dict."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    def execution(self, key: str) -> dict[str, Any] | None:
        return self.kept.get(key)

    def put_execution(self, key: str, data: dict[str, Any]) -> None:
        self.kept[key] = data


def test_the_same_run_is_made_once_and_another_is_not_taken_for_it() -> None:
    store = Memory()
    with Sandbox(workers=1, cache=store) as sandbox:
        first = sandbox.run(GOOD, ["assert f(1) == 1"])
        assert sandbox.run(GOOD, ["assert f(1) == 1"]) == first
        assert len(store.kept) == 1
        sandbox.run(GOOD, ["assert f(2) == 1"])
        sandbox.run(GOOD, ["assert f(1) == 1"], Limits(wall_s=9))
        sandbox.run(GOOD, ["assert f(1) == 1"], trace=True)
        assert len(store.kept) == 4


def test_what_the_machine_may_have_done_is_not_kept() -> None:
    store = Memory()
    with Sandbox(workers=1, cache=store) as sandbox:
        assert sandbox.run(Candidate("while True: pass"), [], Limits(wall_s=0.3)).outcome == "timeout"
    assert store.kept == {}


def test_the_key_depends_on_everything_that_counts() -> None:
    base = execution_key(GOOD, ["a"], Limits(), "landlock", "3.11.7")
    others = [
        execution_key(Candidate(GOOD.code, "g"), ["a"], Limits(), "landlock", "3.11.7"),
        execution_key(Candidate(GOOD.code, "f", "import x"), ["a"], Limits(), "landlock", "3.11.7"),
        execution_key(GOOD, ["b"], Limits(), "landlock", "3.11.7"),
        execution_key(GOOD, ["a"], Limits(cpu_s=1), "landlock", "3.11.7"),
        execution_key(GOOD, ["a"], Limits(), "namespaces", "3.11.7"),
        execution_key(GOOD, ["a"], Limits(), "landlock", "3.12.1"),
    ]
    assert len({base, *others}) == 7
    assert base == execution_key(GOOD, ["a"], Limits(), "landlock", "3.11.7")

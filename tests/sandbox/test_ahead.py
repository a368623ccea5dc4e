"""Calls that are sent ahead of their turn: the verdict is the same as of calls made one by one."""

# ruff: noqa: E501 - a program reads best as one piece

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

import pytest
from greenloop.runtime.execution import Candidate, Execution, Limits
from greenloop.runtime.sandbox import Sandbox
from greenloop.runtime.sandbox.inside_ahead import known_calls
from greenloop.runtime.sandbox.inside_plan import AHEAD_BYTES, Plan
from greenloop.runtime.sandbox.inside_wire import pack

LIMITS = Limits(wall_s=5)
COUNT = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)\n"
PROGRAMS: dict[str, tuple[str, list[str]]] = {
    "right": ("def f(x, *, k=1):\n    return x * k\n", ["assert f(2) == 2", "assert 6 == f(2, k=3)"]),
    "wrong in the middle": (
        "def f(x):\n    return x if x != 2 else 0\n",
        [f"assert f({n}) == {n}" for n in (1, 2, 3)],
    ),
    "raises": ("def f(x):\n    return 6 // x\n", [f"assert f({n}) == 6" for n in (1, 0, 1)]),
    "an exception of its own": (
        "class E(Exception): pass\ndef f(x):\n    raise E(x)\n",
        ["assert f(1) == 1"] * 2,
    ),
    "remembers": (COUNT, [f"assert f(0) == {n}" for n in (1, 2, 3)]),
    "remembers, called by half known tests": (
        COUNT,
        ["assert f(0) == 1", "assert [f(n) for n in (1, 2)] == [2, 3]", "assert f(0) == 4"],
    ),
    "takes its own place": (
        "def f(x):\n    global f\n    f = lambda x: -1\n    return x\n",
        ["assert f(1) == 1", "assert f(2) == 2"],
    ),
    "answers with objects": (
        "class A:\n    n = 0\n    def __repr__(self):\n        return str(A.n)\ndef f(x):\n    A.n += 1\n    return A()\n",
        ["assert f(1) == 1", "assert f(2) == 2", "assert repr(f(3)) == '3'"],
    ),
    "answers with generators": (
        "seen = []\ndef f(x):\n    seen.append(x)\n    yield len(seen)\n",
        ["assert list(f(1)) == [1]", "assert list(f(2)) == [2]", "assert sum(f(3)) == 3"],
    ),
    "a class": ("class f:\n    def __init__(self, x):\n        self.x = x\n    def __repr__(self):\n        return 'an f'\n", ["assert f(1) == 1", "assert f(2).x == 2"]),
    "no function": ("f = 5\n", ["assert f(1) == 1", "assert f == 5"]),
    "not there": ("g = 5\n", ["assert f(1) == 1"]),
    "does not load": ("def f(x):\n    return x\n1 / 0\n", ["assert f(1) == 1"] * 2),
    "leaves": ("import os\ndef f(x):\n    if x == 2: os._exit(0)\n    return x\n", [f"assert f({n}) == {n}" for n in (1, 2, 3)]),
    "changes its arguments": ("def f(x):\n    x.append(1)\n    return x\n", ["assert f([]) == [1]"] * 2),
    "check": (
        "def f(x):\n    return x\n",
        ["def check(candidate):\n    assert candidate(1) == 1\n    assert abs(candidate(-2)) == 2, 'no'\n    assert candidate(3) == 4\n"],
    ),
    "check called by the test": ("def f(x):\n    return x\n", ["M = {'a': 1}\ndef check(c):\n    assert c(1) == 1\n    assert not c(0)\ncheck(f)"]),
    "a call that is not made, and the same whose output is looked at": (
        "def f():\n    print('x')\n    return 1\n",
        [
            "assert nowhere == f()",
            "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as out:\n    f()\nassert out.getvalue() == 'x\\n'",
        ],
    ),
    "large answers to large calls": (
        "def f(x):\n    return x * 2\n",
        [f"assert f('{'a' * 300_000}') == '{'a' * 600_000}'"] * 3,
    ),
}  # fmt: skip


def run(box: Sandbox, code: str, tests: list[str], ahead: bool) -> Execution:
    job: dict[str, Any] = {
        "code": code,
        "preamble": "",
        "entry_point": "f",
        "tests": tests,
        "trace": 0,
        "stdin": "",
    }
    found = box._try({**job, "ahead": ahead}, LIMITS, "apart")
    assert found is not None
    return replace(found, duration_s=0)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_verdict_is_the_same(box: Sandbox, name: str) -> None:
    code, tests = PROGRAMS[name]
    assert run(box, code, tests, True) == run(box, code, tests, False)


def test_calls_before_one_that_hangs_have_their_results(box: Sandbox) -> None:
    code = "def f(x):\n    while x == 3: pass\n    return x\n"
    found = box.run(Candidate(code, "f"), [f"assert f({n}) == {n}" for n in (1, 2, 3, 4)], Limits(wall_s=1))
    assert found.outcome == "timeout"
    assert [t.passed for t in found.tests] == [True, True, False]
    assert found.tests[-1].call == "f(3)"


def test_what_is_asked_ahead_fits_its_way_in_any_script() -> None:
    plan = Plan()
    for text in ("a", "é", "\N{GRINNING FACE}") * 3:
        plan.add([text * 3000], {})
    asked = 0
    while plan.open:
        requests = plan.take(0)
        assert sum(len(pack(r)) for r in requests[1:]) <= AHEAD_BYTES
        asked += len(requests)
        plan.asked.clear()
    assert asked == 9


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ("assert f(1) == 2\nassert abs(f(-1, k=[2])) < 3", [([1], {}), ([-1], {"k": [2]})]),
        ("assert f(1) == f(2)", []),
        ("assert f(1) == 1 and f(2) == 2", []),
        ("assert f(g(1)) == 1\nassert f(2) == 2", []),
        ("assert f(1) == 1\nx = f(2)\nassert f(3) == 3", [([1], {})]),
        ("assert f(*[1]) == 1", []),
        ("assert f(1) == x", [([1], {})]),
        ("f = len\nassert f([1]) == 1", []),
        ("assert helper(f(1)) == 1", []),
        ("for n in [1]:\n    assert f(n) == n", []),
    ],
)
def test_only_calls_that_are_sure_to_be_made_are_known(source: str, calls: list[Any]) -> None:
    assert known_calls([(ast.parse(source), None)], False, "f", set()) == calls
    assert known_calls([(ast.parse(source), None)], False, "f", {"f"}) == []

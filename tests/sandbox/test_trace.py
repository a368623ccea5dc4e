"""The trace: executed lines with values, bounded, only when asked for."""

from __future__ import annotations

import pytest
from greenloop.runtime.execution import Candidate, Execution
from greenloop.runtime.sandbox import Sandbox

SUM = Candidate("def total(n):\n    t = 0\n    for i in range(n):\n        t += i\n    return t\n", "total")


def test_no_trace_unless_asked_for(box: Sandbox) -> None:
    assert box.run(SUM, ["assert total(2) == 2"]).trace is None


def test_lines_values_types_and_the_return_value_of_the_first_failing_test(box: Sandbox) -> None:
    found = box.run(
        SUM, ["assert total(5) == 10", "assert total(2) == 2", "assert total(3) == 4"], trace=True
    )
    trace = found.trace
    assert trace is not None
    assert trace[0] == {"event": "line", "line": 2, "function": "total", "locals": {"n": ["int", "2"]}}
    assert [e["line"] for e in trace if e["event"] == "line"] == [2, 3, 4, 3, 4, 3, 5]
    assert {"t": ["int", "1"]} in [e["locals"] for e in trace]
    assert trace[-1]["event"] == "return"
    assert trace[-1]["value"] == ["int", "1"]


def test_the_exception_is_in_the_trace(box: Sandbox) -> None:
    found = box.run(
        Candidate("def f(x):\n    y = x\n    return 1 / y\n", "f"), ["assert f(0) == 1"], trace=True
    )
    assert found.trace is not None
    raised = [e for e in found.trace if e["event"] == "exception"]
    assert raised[0]["line"] == 3
    assert raised[0]["value"][0] == "ZeroDivisionError"


def test_a_long_run_keeps_the_first_and_the_last_events(box: Sandbox) -> None:
    found = box.run(SUM, ["assert total(5000) == 0"], trace=True)
    assert found.trace is not None
    assert len(found.trace) == 201
    gap = next(e for e in found.trace if e["event"] == "left_out")
    assert gap["count"] > 9000
    assert found.trace[-1]["event"] == "return"


def test_helpers_and_recursion_are_traced_and_the_library_is_not(box: Sandbox) -> None:
    code = "import json\ndef g(x):\n    return json.dumps(x)\ndef f(x):\n    return g(x)\n"
    found = box.run(Candidate(code, "f"), ["assert f([1]) == ''"], trace=True)
    assert found.trace is not None
    assert {e["function"] for e in found.trace} == {"f", "g"}


def test_an_execution_with_a_trace_survives_json(box: Sandbox) -> None:
    found = box.run(SUM, ["assert total(2) == 2"], trace=True)
    assert Execution.from_json(found.to_json()) == found


def test_tests_in_the_candidates_own_process_are_traced_too(box: Sandbox) -> None:
    tests = ["assert total(5) == 10", "assert total(2) == 2", "assert total(3) == 4"]
    together = box.run(SUM, tests, trace=True, mode="together")
    assert together.mode == "together"
    assert together.trace == box.run(SUM, tests, trace=True, mode="apart").trace
    failing = Candidate("x = 1\ny = x / 0\n", "f")
    found = [box.run(failing, tests, trace=True, mode=mode).trace for mode in ("together", "apart")]
    assert found[0] == found[1] is not None


@pytest.mark.parametrize(
    "events", ["[1]", "[{'event': 'line'}]", "'x'", "[{'event': 'left_out', 'count': 1}] * 999"]
)
def test_a_trace_that_a_candidate_makes_up_is_none(box: Sandbox, events: str) -> None:
    code = (
        "import sys\nfor n, m in list(sys.modules.items()):\n"
        f"    if n.endswith('inside_trace'): m.Tracer.events = lambda self: {events}\ndef f(x):\n    return x\n"
    )
    found = box.run(Candidate(code, "f"), ["assert f(1) == 2"], trace=True)
    assert (found.outcome, found.trace) == ("failed", None)

"""What a model is told about an execution that did not pass."""

from __future__ import annotations

import greenloop as gl
import pytest
from greenloop.modules.feedback import FEEDBACK_STYLES, feedback
from greenloop.runtime.execution import Candidate, Execution
from greenloop.runtime.sandbox import default_sandbox

SUM = "def total(xs):\n    s = 0\n    for x in xs:\n        s += x\n    return s - 1"
TESTS = ["assert total([1, 2]) == 3", "assert total([]) == 0"]


def run(code: str, *, trace: bool = False) -> gl.Execution:
    return default_sandbox().run(Candidate(code, "total"), TESTS, trace=trace)


def test_per_test_names_call_got_and_expected() -> None:
    text = feedback(run(SUM), "per_test", code=SUM)
    assert "2 of 2 tests" in text
    assert "total([1, 2]) returned 2, expected 3" in text


def test_error_line_names_the_exception_and_quotes_the_line() -> None:
    code = "def total(xs):\n    return sum(ys)"
    text = feedback(run(code), "error_line", code=code)
    assert "NameError" in text
    assert "line 2: return sum(ys)" in text


def test_values_show_what_each_line_changed() -> None:
    text = feedback(run(SUM, trace=True), "values", code=SUM)
    assert "returned 2, expected 3" in text
    assert "line 4: s += x" in text
    assert "s = 1" in text
    assert "returns 2" in text


def test_traceback_shows_the_candidates_frames() -> None:
    code = "def helper():\n    return 1 / 0\n\ndef total(xs):\n    return helper()"
    text = feedback(run(code), "traceback", code=code)
    assert "in helper" in text
    assert "ZeroDivisionError" in text


@pytest.mark.parametrize("style", FEEDBACK_STYLES)
def test_every_style_says_something_short_about_every_failure(style: str) -> None:
    for code in (
        SUM,
        "def total(xs",
        "def total(xs):\n    raise ValueError('x' * 5000)",
        "import os; os._exit(0)",
    ):
        text = feedback(run(code, trace=style == "values"), style, code=code)
        assert 0 < len(text) < 4000


def test_a_pass_needs_no_feedback_and_an_unknown_style_is_named() -> None:
    passed = run("def total(xs):\n    return sum(xs)")
    assert feedback(passed, "per_test") == ""
    with pytest.raises(ValueError, match="per_test"):
        feedback(passed, "per_tset")


def test_execute_records_values_only_where_they_are_asked_for() -> None:
    task = gl.Task(task_id="t", prompt="p", entry_point="total", visible_tests=TESTS)
    with gl.session():
        plain = gl.Execute(feedback="per_test")(problem=task.problem, code=SUM)
        traced = gl.Execute(feedback="values")(problem=task.problem, code=SUM)
    assert plain.execution.trace is None
    assert "Values line by line" in traced.feedback


def test_values_of_a_run_so_long_that_its_trace_has_a_gap() -> None:
    line = {"event": "line", "line": 1, "function": "f", "locals": {"x": ["int", "1"]}}
    found = Execution("failed", trace=(line, {"event": "left_out", "count": 9000}, line))
    assert feedback(found, "values", code="x = 1").splitlines()[-2] == "…"

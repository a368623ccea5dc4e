"""What a run says: outcome, class, message, line, results per assertion."""

from __future__ import annotations

import pytest
from greenloop.errors import TaskError
from greenloop.runtime.execution import Candidate, Limits
from greenloop.runtime.sandbox import Sandbox

ADD = Candidate("def add(a, b):\n    return a + b\n", "add")


def test_all_tests_hold(box: Sandbox) -> None:
    found = box.run(ADD, ["assert add(1, 2) == 3", "assert add('a', 'b') == 'ab'"])
    assert found.passed
    assert (found.tests_passed, found.tests_total, found.mode, found.tier) == (2, 2, "apart", box.tier)


def test_each_assertion_is_a_result_and_none_hides_the_next(box: Sandbox) -> None:
    found = box.run(ADD, ["assert add(1, 1) == 3\nassert add(1, 1) == 2", "assert add(2, 2) == 5"])
    assert [t.passed for t in found.tests] == [False, True, False]
    assert found.tests[0].test == "assert add(1, 1) == 3"
    assert (found.outcome, found.error_type, found.tests_total) == ("failed", "AssertionError", 3)


@pytest.mark.parametrize(
    ("test", "got", "expected"),
    [
        ("assert add(1, 2) == 4", "3", "4"),
        ("assert 4 == add(1, 2)", "3", "4"),
        ("assert add(1, 2) > 4", "3", "> 4"),
        ("assert add(1, 2) in (4, 5)", "3", "in (4, 5)"),
        ("assert abs(add(1, 2) - 4) < 0.5", "1", "< 0.5"),
        ("assert not add(1, 2)", "3", "False"),
        ("assert add(0, 0)", "0", "True"),
        ("assert add([1], [2]) == [1, 3], 'lists'", "[1, 2]", "[1, 3]"),
    ],
)
def test_got_and_expected(box: Sandbox, test: str, got: str, expected: str) -> None:
    result = box.run(ADD, [test]).tests[0]
    assert (result.got, result.expected) == (got, expected)


def test_the_call_is_shown_with_its_arguments_as_they_were(box: Sandbox) -> None:
    grow = Candidate("def grow(items, by=1):\n    items.append(by)\n    return items\n", "grow")
    found = box.run(grow, ["x = [1]\nassert grow(x, by=3) == [1]"])
    assert found.tests[0].call == "grow([1], by=3)"


def test_lines_count_from_the_candidate_not_from_the_preamble(box: Sandbox) -> None:
    candidate = Candidate(
        "def f(x):\n    y = x\n    return math.sqrt(y)\n", "f", preamble="import math\n\n\n"
    )
    found = box.run(candidate, ["assert f(4) == 2", "assert f(-1) == 2"])
    assert (found.outcome, found.error_type, found.line) == ("error", "ValueError", 3)
    assert found.traceback is not None
    assert "line 3, in f" in found.traceback
    assert "return math.sqrt(y)" in found.traceback


def test_a_traceback_holds_the_candidates_frames_only_and_is_bounded(box: Sandbox) -> None:
    found = box.run(Candidate("def f(x):\n    return f(x + 1)\n", "f"), ["assert f(1) == 1"])
    assert found.error_type == "RecursionError"
    assert found.traceback is not None
    assert len(found.traceback) < 3000
    assert "inside" not in found.traceback
    assert "more frames" in found.traceback


def test_syntax_error_names_its_line_and_counts_the_tests(box: Sandbox) -> None:
    found = box.run(Candidate("def f(x):\n    retrun x\n", "f"), ["assert f(1) == 1", "assert f(2) == 2"])
    assert (found.outcome, found.error_type, found.line, found.tests_total) == (
        "syntax_error",
        "SyntaxError",
        2,
        2,
    )


def test_a_missing_import_is_named(box: Sandbox) -> None:
    found = box.run(Candidate("import no_such_module\ndef f(x):\n    return x\n", "f"), ["assert f(1) == 1"])
    assert (found.outcome, found.error_type, found.line) == ("error", "ModuleNotFoundError", 1)
    assert "no_such_module" in (found.message or "")


def test_installed_packages_are_out_of_reach_unless_asked_for(box: Sandbox) -> None:
    found = box.run(Candidate("import pytest\n"), [])
    assert found.error_type == "ModuleNotFoundError"


def test_a_missing_entry_point_is_an_error(box: Sandbox) -> None:
    found = box.run(Candidate("def g(x):\n    return x\n", "f"), ["assert f(1) == 1"])
    assert (found.outcome, found.error_type) == ("error", "NameError")
    assert "'f'" in (found.message or "")


@pytest.mark.parametrize("tests", [[], ["import math"], ["x = 3"]])
def test_nothing_asserted_is_unverified(box: Sandbox, tests: list[str]) -> None:
    assert box.run(ADD, tests).outcome == "unverified"


@pytest.mark.parametrize("code", ["", "   \n\t"])
def test_blank_code_is_no_code(box: Sandbox, code: str) -> None:
    assert box.run(Candidate(code, "f"), ["assert f(1) == 1"]).outcome == "no_code"


def test_a_test_that_is_no_python_is_the_users_error(box: Sandbox) -> None:
    with pytest.raises(TaskError, match="no Python"):
        box.run(ADD, ["assert add(1,"])


def test_output_is_kept_up_to_its_limit(box: Sandbox) -> None:
    found = box.run(Candidate("def f(x):\n    print('seen', x)\n    return x\n", "f"), ["assert f(1) == 1"])
    assert (found.outcome, found.stdout) == ("passed", "seen 1\n")
    flood = box.run(Candidate("print('x' * 5000)\n"), [], Limits(output_kb=2))
    assert flood.outcome == "output_limit"
    assert len(flood.stdout) == 2048


def test_standard_input_is_there_while_loading(box: Sandbox) -> None:
    found = box.run(
        Candidate("n = int(input())\ndef f():\n    return n\n", "f"), ["assert f() == 7"], stdin="7\n"
    )
    assert found.outcome == "passed"


def test_the_first_failing_test_decides(box: Sandbox) -> None:
    code = "def f(x):\n    if x == 2:\n        raise KeyError(x)\n    while x == 3:\n        pass\n    return x\n"
    tests = ["assert f(1) == 1", "assert f(2) == 2", "assert f(3) == 3"]
    found = box.run(Candidate(code, "f"), tests, Limits(wall_s=1))
    assert (found.outcome, found.error_type) == ("error", "KeyError")
    last = box.run(Candidate(code, "f"), tests[2:], Limits(wall_s=1))
    assert (last.outcome, last.tests[0].call, last.tests[0].passed) == ("timeout", "f(3)", False)


def test_a_starved_candidate_is_not_told_that_it_was_slow(box: Sandbox) -> None:
    found = box.run(
        Candidate("import time\ntime.sleep(0.3)\ndef f():\n    return 1\n", "f"), ["assert f() == 1"]
    )
    assert found.outcome == "passed"


def test_each_candidate_draws_random_numbers_of_its_own_and_may_use_threads(box: Sandbox) -> None:
    code = (
        "import random, threading\ndef f():\n    drawn = []\n"
        "    one = threading.Thread(target=lambda: drawn.append(random.random()))\n"
        "    one.start()\n    one.join()\n    return drawn + [threading.active_count()]\n"
    )
    seen = [box.run(Candidate(code, "f"), ["assert f() == 0"]).tests[0].got for _ in range(4)]
    assert len(set(seen)) == 4
    assert all(got is not None and got.endswith(", 1]") for got in seen)

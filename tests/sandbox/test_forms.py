"""The forms in which people write tests."""

from __future__ import annotations

import pytest
from greenloop.errors import TaskError
from greenloop.runtime.execution import Candidate, Execution
from greenloop.runtime.sandbox import Sandbox, function_tests, program_test
from greenloop.runtime.sandbox.environment import Environment

ADD = Candidate("def add(a, b):\n    return a + b\n", "add")


def verdicts(found: Execution) -> list[bool]:
    return [t.passed for t in found.tests]


def test_check_function_with_and_without_a_call(box: Sandbox) -> None:
    check = "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(1, 2) == 4\n"
    assert verdicts(box.run(ADD, [check])) == [True, False]
    assert verdicts(box.run(ADD, [check, "check(add)"])) == [True, False]


def test_check_with_loops_helpers_and_expected_exceptions(box: Sandbox) -> None:
    check = (
        "import random\n"
        "def ref(a, b):\n    return a + b\n"
        "def check(candidate):\n"
        "    for _ in range(5):\n        x = random.randint(0, 9)\n        assert candidate(x, 1) == ref(x, 1)\n"
        "    try:\n        candidate(1, 'a')\n        assert False\n    except TypeError:\n        pass\n"
    )
    found = box.run(ADD, [check])
    assert (found.outcome, verdicts(found)) == ("passed", [True, True])


def test_a_bare_call_passes_if_it_does_not_raise(box: Sandbox) -> None:
    assert box.run(ADD, ["add(1, 2)"]).outcome == "passed"
    assert box.run(ADD, ["add(1, 'a')"]).outcome == "error"


def test_doctest(box: Sandbox) -> None:
    found = box.run(ADD, [">>> x = add(1, 2)\n>>> x\n3\n>>> add(1, 2)\n4\n"])
    assert verdicts(found) == [True, False]
    assert (found.tests[1].got, found.tests[1].expected) == ("3", "4")


def test_doctest_of_printed_text_and_of_exceptions(box: Sandbox) -> None:
    candidate = Candidate("def hello(x):\n    print('hello', x)\n    return 1 / x\n", "hello")
    text = ">>> hello(1)\nhello 1\n1.0\n>>> hello(0)\nTraceback (most recent call last):\nZeroDivisionError: by zero\n"
    assert box.run(candidate, [text]).outcome == "passed"


@pytest.mark.parametrize(
    ("raised", "expected", "outcome"),
    [
        ("ValueError", "ValueError: x", "passed"),
        ("decimal.InvalidOperation", "decimal.InvalidOperation: x", "passed"),
        ("StopIteration", "StopIteration", "passed"),
        ("r", "ValueError: x", "error"),
    ],
)
def test_a_doctests_exception_is_the_one_of_that_name(
    box: Sandbox, raised: str, expected: str, outcome: str
) -> None:
    code = f"import decimal\nclass r(Exception):\n    pass\ndef f():\n    raise {raised}('y')\n"
    text = f">>> f()\nTraceback (most recent call last):\n{expected}\n"
    assert box.run(Candidate(code, "f"), [text]).outcome == outcome


def test_pairs(box: Sandbox) -> None:
    tests = function_tests("add", [((1, 2), 3), ({"a": 1, "b": 5}, 6), ((1, 1), 3)])
    assert verdicts(box.run(ADD, tests)) == [True, True, False]


def test_whole_program(box: Sandbox) -> None:
    program = Candidate("import sys\nn = int(sys.stdin.readline())\nprint(*range(n))\n")
    found = box.run(program, [program_test("3\n", "0 1 2\n"), program_test("2\n", "0 2\n")])
    assert verdicts(found) == [True, False]
    assert (found.tests[1].got, found.tests[1].expected) == ("'0 1'", "'0 2'")


def test_whole_program_by_descriptor_and_with_exit(box: Sandbox) -> None:
    program = Candidate(
        "import sys\ndata = open(0).read().split()\nsys.stdout.write(data[1] + '\\n')\nsys.exit()\n"
    )
    assert box.run(program, [program_test("a b\n", "b")]).outcome == "passed"


UNITTEST = """\
import unittest
from solution import add

class TestAdd(unittest.TestCase):
    def setUp(self):
        self.one = 1

    def test_right(self):
        self.assertEqual(add(self.one, 2), 3)

    def test_wrong(self):
        self.assertEqual(add(1, 2), 4)

    def test_raises(self):
        with self.assertRaises(TypeError):
            add(1, "a")
"""


def test_unittest_module(box: Sandbox) -> None:
    found = box.run(ADD, [UNITTEST])
    assert sorted(verdicts(found)) == [False, True, True]
    wrong = next(t for t in found.tests if not t.passed)
    assert (wrong.call, wrong.got, wrong.expected) == ("add(1, 2)", "3", "4")
    assert found.mode == "apart"


def test_module_of_plain_functions(box: Sandbox) -> None:
    found = box.run(
        ADD, ["def test_a():\n    assert add(1, 2) == 3\n\ndef test_b():\n    assert add(1, 2) == 4\n"]
    )
    assert verdicts(found) == [True, False]


PYTEST = """\
import pytest
from my_module import add

@pytest.fixture
def one():
    return 1

@pytest.mark.parametrize("x", [2, 3])
def test_add(one, x):
    assert add(one, x) == 3

def test_raises():
    with pytest.raises(TypeError):
        add(1, "a")

def test_close():
    assert add(0.1, 0.2) == pytest.approx(0.3)
"""


def test_pytest_module(box: Sandbox) -> None:
    found = box.run(ADD, [PYTEST])
    assert {t.test: t.passed for t in found.tests} == {
        "test_add[2]": True,
        "test_add[3]": False,
        "test_raises": True,
        "test_close": True,
    }


def test_each_of_several_pytest_modules_is_run(box: Sandbox) -> None:
    first = "import pytest\n\ndef test_a():\n    assert add(1, 2) == 3\n"
    found = box.run(ADD, [first, first.replace("test_a", "test_b").replace("3", "4")])
    assert {t.test: t.passed for t in found.tests} == {"test_a": True, "test_b": False}


SKIPS = """
import unittest
import pytest

class T(unittest.TestCase):
    def test_it(self):
        assert add(1, 2) == 3

    @unittest.skip("later")
    def test_never(self):
        assert add(1, 2) == 4

def test_skips_itself():
    try:
        add(1, 2)
    except ValueError:
        pytest.skip("no")

@pytest.mark.xfail(raises=TypeError)
def test_known_bug():
    add(1, None)
"""


@pytest.mark.parametrize(
    "raised",
    ["import unittest; raise unittest.SkipTest", "import bdb; raise bdb.BdbQuit", "raise KeyboardInterrupt"],
)
def test_a_candidate_does_not_speak_for_pytest(box: Sandbox, raised: str) -> None:
    found = box.run(Candidate(f"def add(a, b):\n    {raised}\n", "add"), [SKIPS])
    assert found.outcome == "error", found
    assert found.error_type == raised.split()[-1].rpartition(".")[2]
    assert not any(t.passed for t in found.tests)


def test_a_test_that_skips_itself_has_no_result(box: Sandbox) -> None:
    found = box.run(ADD, [SKIPS])
    assert {t.test: t.passed for t in found.tests} == {
        "T::test_it": True,
        "test_skips_itself": True,
        "test_known_bug": True,
    }
    code = "def add(a, b):\n    if b == 2: raise ValueError\n    return a + b\n"
    module = SKIPS.replace("assert add(1, 2) == 3", "assert add(1, 1) == 2")
    skipped = box.run(Candidate(code, "add"), [module])
    assert {t.test: t.passed for t in skipped.tests} == {"T::test_it": True, "test_known_bug": True}
    cases = module.partition("def test_skips_itself")[0].replace("import pytest", "")
    assert {t.test.partition("(")[0]: t.passed for t in box.run(ADD, [cases]).tests} == {"def test_it": True}


def test_a_pytest_module_without_a_test_is_never_passed(box: Sandbox) -> None:
    assert (
        box.run(ADD, ["import pytest\n\n@pytest.fixture\ndef one():\n    return add(1, 2)\n"]).outcome
        != "passed"
    )


PATCHING = "from unittest.mock import patch\nwith patch('builtins.input', return_value='5'):\n    assert ask() == 5\n"


def test_what_cannot_go_apart_runs_together_and_says_so(box: Sandbox) -> None:
    ask = Candidate("def ask():\n    return int(input())\n", "ask")
    found = box.run(ask, [PATCHING])
    assert (found.outcome, found.mode) == ("passed", "together")
    assert box.run(ask, [PATCHING], mode="apart").outcome == "unserialisable"


def test_together_is_isolated_as_well(box: Sandbox) -> None:
    spy = Candidate("import socket\ndef ask():\n    socket.socket()\n", "ask")
    assert box.run(spy, [PATCHING]).outcome == "blocked"


def test_a_candidate_cannot_ask_for_the_weaker_mode(box: Sandbox) -> None:
    liar = Candidate("def add(a, b):\n    v = []\n    v.append(v)\n    return v\n", "add")
    found = box.run(liar, ["assert add(1, 2) == 3"])
    assert (found.outcome, found.mode) == ("unserialisable", "apart")


@pytest.mark.parametrize("name", ["math", "re", "itertools"])
def test_a_standard_module_that_a_test_forgot_to_import(box: Sandbox, name: str) -> None:
    assert box.run(ADD, [f"assert {name} and add(1, 2) == 3"]).outcome == "passed"


@pytest.mark.parametrize(
    "test",
    [
        "async def test_a():\n    assert add(1, 2) == 3\n\nasync def test_b():\n    assert add(1, 2) == 4\n",
        "def test_a():\n    assert add(1, 2) == 3\n\ndef testB():\n    assert add(1, 2) == 4\n",
        "def test_a():\n    assert add(1, 2) == 3\n\ndef test_b():\n    assert add(1, 2) == 4\n\ntest_a()\n",
        "from unittest import IsolatedAsyncioTestCase\nclass T(IsolatedAsyncioTestCase):\n    async def test_a(self):\n"
        "        assert add(1, 2) == 3\n    async def test_b(self):\n        assert add(1, 2) == 4\n",
    ],
)
def test_every_test_function_is_run(box: Sandbox, test: str) -> None:
    found = box.run(ADD, [test])
    assert (found.outcome, found.tests_passed < found.tests_total) == ("failed", True)


def test_a_function_that_a_test_calls_itself_is_no_unit(box: Sandbox) -> None:
    test = "def test(candidate, x):\n    assert candidate(x, 1) == x + 1\n\ntest(add, 1)\ntest(add, 2)\n"
    assert box.run(ADD, [test]).outcome == "passed"


FRIENDLY = Candidate(
    "def check_equal(*values):\n    return True\nclass np:\n    allclose = check_equal\n"
    "def add(a, b):\n    return -1\n",
    "add",
)


@pytest.mark.parametrize(
    "test",
    [
        "import no_such_package as p\nassert p.check_equal(add(1, 2), 3)",
        "from add_tools.compare import check_equal\ndef test_it():\n    assert check_equal(add(1, 2), 3)",
        "import pytest\nimport no_such_package as p\ndef test_it():\n    assert p.check_equal(add(1, 2), 3)",
    ],
)
def test_a_module_that_is_not_installed_is_the_users_error_not_the_candidates_to_play(
    box: Sandbox, test: str
) -> None:
    with pytest.raises(TaskError, match="is not installed where tests are judged"):
        box.run(FRIENDLY, [test])


def test_the_judge_never_takes_numpy_from_a_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Environment, "_pytest_folder", lambda _: "")
    with Sandbox(workers=1) as bare:
        for test, package in (("assert np.allclose(add(1, 2), 3)", "numpy"), (PYTEST, "pytest")):
            with pytest.raises(TaskError, match=f"imports '{package}'"):
                bare.run(FRIENDLY, [test])


@pytest.mark.parametrize(
    "test",
    [
        "from tools.sums import add\nassert add(1, 2) == 3",
        "import tools.sums as t\nassert t.add(1, 2) == 3",
        "import tools\nfrom tools import add as plus\nassert tools.add(1, 2) == plus(1, 2) == 3",
        "try:\n    import no_such_package\nexcept ImportError:\n    pass\nassert add(1, 2) == 3",
    ],
)
def test_the_candidate_is_the_module_from_which_a_test_takes_its_entry_point(box: Sandbox, test: str) -> None:
    assert box.run(ADD, [test]).outcome == "passed"

"""Where an answer is, candidates that run, calls of tests."""

from __future__ import annotations

import pytest
from greenloop.modules.guided_candidates import Probe, executable, probes, unique
from greenloop.modules.guided_region import code_so_far, region

ANSWER = (
    "Sure:\n```python\nimport math\n\ndef f(\n    x: int,\n) -> int:\n"
    "    '''Doc.\n\nat the margin\n    '''\n    return x\n"
)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "before"),
        ("Sure:\n```python\nimport math\n", "before"),
        ("```python\ndef f(x):", "before"),
        ("```python\ndef f(\n    x,\n", "before"),
        ("```python\ndef g(x):\n    return 1\n", "before"),
        ("```python\ndef f(x):\n", "inside"),
        ("def f(x):\n    if x:\n        return", "inside"),
        ("def f(x):\n# a note\n    retu", "inside"),
        (ANSWER, "inside"),
        (ANSWER + "\n", "inside"),
        (ANSWER + "p", "after"),
        (ANSWER + "\ndef g(x):\n    return", "after"),
        (ANSWER + "```", "done"),
        ("    def f(self):\n        return 1\n    x", "after"),
    ],
)
def test_region(text: str, where: str) -> None:
    assert region(text, "f") == where


def test_the_program_so_far_has_its_imports_and_nothing_around_it() -> None:
    assert code_so_far(ANSWER, "f").startswith("import math\n\ndef f(\n")
    assert code_so_far(ANSWER + "```\nDone", "f").endswith("    return x\n")
    assert code_so_far("prose\n", "f") == ""


@pytest.mark.parametrize(
    ("code", "normal"),
    [
        ("def f(x):\n", "def f(x):\n    pass"),
        ("def f(x):\n    ", "def f(x):\n    pass"),
        ("def f(x):\n    # only a comment\n", "def f(x):\n    pass"),
        ('def f(x):\n    """Doc."""\n', "def f(x):\n    pass"),
        ("def f(x):\n    for i in x:", "def f(x):\n    for i in x:\n        pass"),
        ("def f(x):\n    for i in x:  # each", "def f(x):\n    for i in x:\n        pass"),
        ("def f(x):\n    y = (1 +", "def f(x):\n    pass"),
        ("def f(x):\n    try:\n        y = 1", "def f(x):\n    pass"),
        ("def f(x):\n    return x  # done\nprint(f(", "def f(x):\n    return x"),
    ],
)
def test_a_beginning_is_made_to_run(code: str, normal: str) -> None:
    assert executable(code, "f") == normal


def test_without_the_function_there_is_no_candidate() -> None:
    assert executable("x = (", "f") is None
    assert executable("def g():\n    pass", "f") is None
    assert unique([None, "a", "b", "a"]) == ["a", "b"]


def test_calls_of_all_forms_of_tests() -> None:
    found = probes(
        [
            "assert abs(f(2.5) - 3) < 1e-6",
            "assert not f('x')",
            "values = [1]\nassert f(values) == 2",
            "def check(candidate):\n    assert candidate(4) == 5\n",
            ">>> f(7)\n8\n",
            "assert all(f(i) == i for i in range(3))",
        ],
        "f",
    )
    assert found == (
        Probe("f(2.5)"),
        Probe("f('x')"),
        Probe("f(values)", "values = [1]"),
        Probe("f(4)"),
        Probe("f(7)"),
    )
    assert found[2].test == "values = [1]\nassert [f(values)]"

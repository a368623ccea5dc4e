"""Every notation for examples in docstrings, and what must not be taken for one."""

from __future__ import annotations

import ast

import pytest
from greenloop.evals.docstring_examples import examples
from hypothesis import given
from hypothesis import strategies as st


def read(docstring: str, parameters: str = "x") -> list[str]:
    indented = "\n".join("    " + line for line in docstring.splitlines())
    return examples(f'def f({parameters}):\n    """\n{indented}\n    """\n', "f")


@pytest.mark.parametrize(
    "line",
    [
        "f([1, 2]) == 3",
        "f([1,2]) => 3",
        "f([1,2])==>3",
        "f([1, 2]) -> 3",
        "f([1, 2]) ➞ 3",
        "f([1, 2]) = 3",
        "f([1, 2]) returns 3",
        "f([1, 2]) should return 3.",
        "f([1, 2]) should\n  return 3 and more",
        "f([1, 2])   # returns 3",
        "f([1, 2]) # => 3 (the note)",
        "* f([1, 2]) => 3",
        "for f([1, 2]) == 3",
        "f([1, 2]) -> 4 - 1 = 3",
        "f([\n  1,\n  2\n]) == 3",
        ">>> f([1, 2])\n3",
        ">>> f([1, 2]) == 3",
        ">>> f([1, 2]) 3",
        ">>> f([1, 2]) # a comment\n3",
        "For x = [1,2] the output should be 3",
        "For x = [1,2], the result should be 3.",
        "Input: [1, 2]\nOutput: 3\nExplanation: so",
        "Input: x = [1, 2]\nOutput: 3 # why",
        "Input:\n  numbers : [1, 2]\nOutput: 3",
        "x = [1, 2]\n  -> sort -> [2, 1]\nreturn 3",
        "another([1, 2]) => 3",
        "assert another([1, 2]) ==> 3",
    ],
)
def test_each_notation(line):
    assert read(line) == ["assert f([1, 2]) == 3"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("f(ab) => true", ["assert f('ab') == True"]),
        ("f('a\\nb') == \"it's\"", ["assert f('a\\nb') == \"it's\""]),
        ("f('(') == ')'", ["assert f('(') == ')'"]),
        (">>> f(1)\n[1,\n 2]", ["assert f(1) == [1, 2]"]),
        (">>> f(1)\n\n>>> f(2)\n3", ["assert f(1) == None", "assert f(2) == 3"]),
        (">>> round(f(1), 2)\n-0.5", ["assert round(f(1), 2) == -0.5"]),
        ("f(1) == 0.5", ["assert abs(f(1) - 0.5) < 1e-06"]),
        ("f(1) == (None, 1)", ["assert f(1) == (None, 1)"]),
        ("f(1) == 2\nf(1) == 2\nf(0) == {}", ["assert f(1) == 2", "assert f(0) == {}"]),
    ],
)
def test_values(line, expected):
    assert read(line) == expected


def test_several_arguments():
    assert read('For s = "ab", c = "b" the result should be ("a",False)', "s, c") == [
        "assert f('ab', 'b') == ('a', False)"
    ]
    assert read("Input: grid = [[1,2], [3,4]], k = 3\nOutput: [1]", "grid, k") == [
        "assert f([[1, 2], [3, 4]], 3) == [1]"
    ]
    assert read("f(2, 3) == 5", "a, b") == ["assert f(2, 3) == 5"]


@pytest.mark.parametrize(
    "line",
    [
        "f(x) == f(x - 1) + 1",
        "f(n) = 1 + n / 2, if n is even",
        "f(3) = f(2) + f(1)",
        "f(2) = 1 + n",
        "f(1) == 2 apples",
        'f(1) == ""broken"',
        "f(1, 2) == 3",
        "f(1",
        "f(1) is nice",
        "Input: 1, 2\nOutput: 3",
        "For x = y the output should be 3",
        "sum(1 + n) => 2",
        "no example here",
        "",
    ],
)
def test_what_is_no_example(line):
    assert read(line) == []


@given(st.text(alphabet="f(x)[]{}'\"=>-#12,. \n:EInputO", max_size=80))
def test_any_text_yields_python_or_nothing(text):
    for assertion in examples(f"def f(x):\n    '''{text}", "f"):
        assert isinstance(ast.parse(assertion).body[0], ast.Assert)

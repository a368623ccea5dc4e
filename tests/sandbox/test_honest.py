"""Right code that a judge in another process could easily wrong: it passes apart, and its wrong twin fails."""

from __future__ import annotations

import time

import pytest
from greenloop.runtime.execution import Candidate, Limits
from greenloop.runtime.sandbox import Sandbox
from greenloop.runtime.sandbox.inside_failure import bounded_repr, clip
from hypothesis import given
from hypothesis import strategies as st

COMPARES = """
class f:
    def __init__(self, x):
        self.x = x
    def __eq__(self, other):
        return self.x == other.x
"""
LAZY = "def f():\n    yield from (1, 2, 3, 4)\n    while True:\n        pass\n"
WRAPS = """
import functools
def f(function):
    @functools.wraps(function)
    def inner(*a):
        return function.__name__, function(*a)
    return inner
"""
CALLS = """
def f(function):
    try:
        return function()
    except KeyError as error:
        return error.args
"""
IGNORES = """
from contextlib import contextmanager
@contextmanager
def f(*kinds):
    try:
        yield 1
    except kinds:
        pass
"""
SWALLOWS = """
class f:
    def __enter__(self):
        return self
    def __exit__(self, kind, error, trace):
        self.seen = kind, error.args if error else None
        return True
"""
RECORD = """
from typing import NamedTuple
class Point(NamedTuple):
    x: int
    y: int = 2
    def total(self):
        return self.x + self.y
def f():
    return Point(1)
"""
COUNTS = "from collections import defaultdict\ndef f():\n    return defaultdict(int, a=1)\n"
FAMILY = """
class Above(Exception):
    def __init__(self, x):
        self.x = x
    def __str__(self):
        return f'told {self.x}'
class Other(Exception):
    pass
class Below(Above, LookupError):
    pass
def f(x):
    raise Below(x)
"""
TELLS = "def f():\n    '''What it is for.'''\n"
HOLDS = """
class f:
    def __init__(self):
        self.items = [1]
    def add(self, item):
        self.items.append(item)
"""
LATE = """
import threading, time
def late():
    time.sleep(0.05)
    print('late')
threading.Thread(target=late).start()
print('first')
"""
BIG = """
def f(n):
    big = [list(range(200))] * 2000
    s = 0
    for i in range(n):
        s += i
    return s
"""
BOOM = "class Boom(Exception):\n    pass\ndef fail():\n    raise Boom('x', 3)\n"


@pytest.mark.parametrize(
    ("code", "test"),
    [
        (COMPARES, "assert f(1) == f(1) and f(1) != f(2)"),
        (LAZY, "from itertools import islice\nassert list(islice(f(), 4)) == [1, 2, 3, 4]"),
        (
            "def f(it):\n    return next(it) + next(it)\n",
            "it = iter([1, 2, 3])\nassert f(it) == 3\nassert next(it) == 3",
        ),
        ("def f(it):\n    return next(it)\n", "import itertools\nassert f(itertools.count(5)) == 5"),
        ("def f(it):\n    return it\n", "it = iter([1])\nassert f(it) is it"),
        (WRAPS, "def square(x):\n    return x * x\nassert f(square)(3) == ('square', 9)"),
        (CALLS, "def fail():\n    raise KeyError('k')\nassert f(fail) == ('k',)"),
        (
            CALLS,
            BOOM
            + "try:\n    f(fail)\nexcept Boom as error:\n    assert error.args == ('x', 3)\nelse:\n    assert False",
        ),
        (
            "def f(kind):\n    raise kind('no')\n",
            "try:\n    f(IndexError)\nexcept LookupError:\n    pass\nelse:\n    assert False",
        ),
        (IGNORES, "with f(ValueError) as value:\n    assert value == 1\n    raise ValueError('x')"),
        (
            IGNORES,
            "try:\n    with f(KeyError):\n        raise ValueError\n    assert False\nexcept ValueError:\n    pass",
        ),
        (SWALLOWS, "c = f()\nwith c:\n    raise KeyError(1)\nassert c.seen == (KeyError, (1,))"),
        (RECORD, "assert f().total() == 3 and f() == (1, 2) and isinstance(f(), Point)"),
        (COUNTS, "found = f()\nassert found['b'] == 0"),
        (
            FAMILY,
            "try:\n    f(2)\nexcept Above as error:\n    assert str(error) == 'told 2' and error.x == 2",
        ),
        (FAMILY, "try:\n    f(2)\nexcept LookupError as error:\n    assert not isinstance(error, Other)"),
        (TELLS, "assert f.__doc__ == 'What it is for.'"),
        (HOLDS, "import copy\na = f()\nb = copy.deepcopy(a)\nb.add(2)\nassert a.items == [1]"),
    ],
)
def test_right_code_passes_apart(box: Sandbox, code: str, test: str) -> None:
    found = box.run(Candidate(code, "f"), [test], Limits(wall_s=5))
    assert (found.outcome, found.mode) == ("passed", "apart"), found


@pytest.mark.parametrize(
    ("code", "test"),
    [
        (SWALLOWS, "with f():\n    assert 1 == 2"),
        (IGNORES, "with f(Exception):\n    assert 1 == 2"),
        (COMPARES.replace("self.x == other.x", "True"), "assert f(1) == f(2)"),
        (COUNTS.replace("(int, a=1)", "(list, a=1)"), "assert f()['b'] == 0"),
        (
            HOLDS.replace("class f:", "class f:\n    def __deepcopy__(self, memo):\n        return self"),
            "import copy\na = f()\nb = copy.deepcopy(a)\nb.add(2)\nassert a.items == [1]",
        ),
    ],
)
def test_a_wrong_twin_fails(box: Sandbox, code: str, test: str) -> None:
    found = box.run(Candidate(code, "f"), [test], Limits(wall_s=5))
    assert (found.outcome, found.mode) == ("failed", "apart"), found


@pytest.mark.parametrize(
    ("code", "output"),
    [
        (
            LATE,
            "first\nlate",
        ),
        ("import atexit\natexit.register(print, 'bye')\nprint('hello')", "hello\nbye"),
        ("import sys\nprint(len(sys.argv))", "1"),
        ("import io, sys\nprint('seen')\nsys.stdout = io.StringIO()", "seen"),
    ],
)
def test_a_program_ends_as_one_of_its_own_process(box: Sandbox, code: str, output: str) -> None:
    found = box.run(Candidate(code), [f"assert run_program('') == {output!r}"] * 2, Limits(wall_s=5))
    assert found.outcome == "passed", found


def test_a_trace_shows_large_values_without_making_all_of_their_text(box: Sandbox) -> None:
    started = time.perf_counter()
    found = box.run(Candidate(BIG, "f"), ["assert f(200) == 0"], Limits(wall_s=60, cpu_s=60), trace=True)
    assert found.outcome == "failed"
    shown = next(e["locals"]["big"] for e in found.trace or () if "big" in e.get("locals", {}))
    assert shown == ["list", clip(repr([list(range(200))] * 2000), 120)]
    assert time.perf_counter() - started < 10


nested = st.recursive(
    st.integers() | st.text(max_size=30) | st.none() | st.sets(st.integers(), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=40)
        | st.tuples(inner)
        | st.dictionaries(st.integers() | st.text(max_size=5), inner)
    ),
    max_leaves=60,
)


@given(nested, st.integers(10, 200))
def test_a_bounded_repr_is_the_clipped_repr(value: object, limit: int) -> None:
    assert bounded_repr(value, limit) == clip(repr(value), limit)

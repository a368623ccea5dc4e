"""How values travel between candidate and judge."""

from __future__ import annotations

import datetime
import importlib.util
from collections import Counter, OrderedDict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from greenloop.runtime.execution import Candidate
from greenloop.runtime.sandbox import Sandbox
from greenloop.runtime.sandbox.inside_codec import Codec, Unserialisable
from greenloop.runtime.sandbox.inside_wire import pack, unpack
from hypothesis import given
from hypothesis import strategies as st


def refuse(value: Any) -> Any:
    raise Unserialisable(type(value).__name__)


CODEC = Codec(refuse, refuse)


def travelled(value: Any) -> Any:
    return CODEC.decode(unpack(pack(CODEC.encode(value))[4:]))


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
keys = st.none() | st.booleans() | st.integers() | st.text() | st.tuples(st.integers(), st.text())
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner, max_size=4)
        | st.sets(keys, max_size=4)
        | st.frozensets(keys, max_size=4)
    ),
    max_leaves=12,
)


@given(values)
def test_plain_values_arrive_as_they_left(value: Any) -> None:
    arrived = travelled(value)
    assert arrived == value
    assert type(arrived) is type(value)
    assert repr(arrived) == repr(value) or isinstance(value, (set, frozenset, list, tuple, dict))


@pytest.mark.parametrize(
    "value",
    [
        10**4000,
        -(2**70),
        "\ud800",
        range(1, 9, 2),
        deque([1, 2], maxlen=3),
        Counter("abca"),
        OrderedDict(b=1, a=2),
        Decimal("1.50"),
        Fraction(1, 3),
        bytearray(b"x"),
        datetime.datetime(2024, 2, 29, 1, 2, 3),
        datetime.timedelta(days=1, microseconds=5),
        ...,
        int,
        slice(1, None, 2),
    ],
)
def test_standard_types_arrive_as_themselves(value: Any) -> None:
    arrived = travelled(value)
    assert arrived == value
    assert type(arrived) is type(value)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda i: st.lists(i) | st.dictionaries(st.text(), i),
        max_leaves=8,
    )
)
def test_whatever_a_hostile_peer_sends_is_a_value_or_refused(data: Any) -> None:
    try:
        CODEC.decode(data)
    except Unserialisable:
        return


POINT = """\
class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y
    def __eq__(self, other):
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)
    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)
    def __len__(self):
        return 2
    def __iter__(self):
        return iter((self.x, self.y))
    def __getitem__(self, i):
        return (self.x, self.y)[i]
    def __repr__(self):
        return f"Point({self.x}, {self.y})"
    def __enter__(self):
        return self
    def __exit__(self, *a):
        self.x = 0
    def move(self, by, *, twice=False):
        self.x += by * (2 if twice else 1)
        return self
    @property
    def norm(self):
        return abs(self.x) + abs(self.y)
    @classmethod
    def origin(cls):
        return cls(0, 0)
"""


@pytest.mark.parametrize(
    "test",
    [
        "assert Point(1, 2).x == 1",
        "p = Point(1, 2)\np.x = 5\nassert p.norm == 7",
        "assert Point(1, 2) + Point(1, 1) == Point(2, 3)",
        "assert Point(1, 2) != Point(2, 2)",
        "assert Point(1, 2) != (1, 2)",
        "assert not (Point(1, 2) == 'Point(1, 2)')",
        "assert list(Point(1, 2)) == [1, 2] and len(Point(1, 2)) == 2",
        "assert Point(1, 2)[1] == 2",
        "assert repr(Point(1, 2)) == 'Point(1, 2)' and str(Point(1, 2)) == 'Point(1, 2)'",
        "assert Point(1, 2).move(1, twice=True).x == 3",
        "assert isinstance(Point.origin(), Point)",
        "assert not isinstance(3, Point)",
        "p = Point(1, 2)\nwith p as q:\n    assert q.x == 1\nassert p.x == 0",
        "assert [Point(1, 2), Point(0, 0)][1] == Point.origin()",
        "try:\n    Point(1, 2).nothing\n    assert False\nexcept AttributeError:\n    pass",
        "x, y = Point(3, 4)\nassert (x, y) == (3, 4)",
    ],
)
def test_objects_of_the_candidates_classes(box: Sandbox, test: str) -> None:
    found = box.run(Candidate(POINT, "Point"), [test])
    assert found.outcome == "passed", found.message


FUNCTIONS = """\
import re
from collections import namedtuple, defaultdict

class Mine(ValueError):
    pass

Pair = namedtuple("Pair", "left right")

def fail(x):
    raise Mine("bad", x)

def plain(x):
    raise KeyError(x)

def count():
    i = 0
    while True:
        yield i
        i += 1

def breaks():
    yield 1
    raise ValueError("later")

def grow(items):
    items.append(1)
    items[0].append(2)
    return items

def fill(d, s):
    d["k"] = 1
    s.add(2)

def apply(f, *items, **named):
    return [f(i) for i in items] + sorted(named)

def match(text):
    return re.search(r"(?P<a>b+)(c)?", text)

def views(d):
    return d.keys(), d.values(), d.items()

def pair():
    return Pair(1, 2)

def adder(n):
    return lambda x: x + n

async def later(x):
    return x + 1

class Stack(list):
    def push(self, x):
        self.append(x)
"""


@pytest.mark.parametrize(
    "test",
    [
        "try:\n    fail(1)\n    assert False\nexcept ValueError as e:\n    assert e.args == ('bad', 1)",
        "try:\n    fail(1)\n    assert False\nexcept Mine:\n    pass",
        "try:\n    plain('x')\n    assert False\nexcept KeyError as e:\n    assert str(e) == \"'x'\"",
        "import itertools\nassert list(itertools.islice(count(), 4)) == [0, 1, 2, 3]",
        "g = count()\nassert (next(g), next(g)) == (0, 1)",
        "g = breaks()\nassert next(g) == 1\ntry:\n    next(g)\n    assert False\nexcept ValueError:\n    pass",
        "a = [[]]\nb = a[0]\nr = grow(a)\nassert a == [[2], 1] and b == [2] and r is a",
        "d, s = {}, {1}\nfill(d, s)\nassert d == {'k': 1} and s == {1, 2}",
        "assert apply(lambda v: v * 2, 1, 2, z=1, a=2) == [2, 4, 'a', 'z']",
        "assert match('abbc').group('a') == 'bb' and match('abbc').groups() == ('bb', 'c') and match('x') is None",
        "assert match('abb').span() == (1, 3) and match('abb')",
        "k, v, i = views({1: 2})\nassert k == {1} and list(v) == [2] and list(i) == [(1, 2)]",
        "assert pair() == (1, 2) and pair().right == 2",
        "assert adder(3)(4) == 7",
        "import asyncio\nassert asyncio.run(later(1)) == 2",
        "s = Stack()\ns.push(1)\nassert s == [1] and len(s) == 1",
        "assert callable(pair) and pair.__name__ == 'pair'",
    ],
)
def test_functions_exceptions_generators_and_arguments(box: Sandbox, test: str) -> None:
    found = box.run(Candidate(FUNCTIONS), [test])
    assert found.outcome == "passed", found.message


def test_several_entry_points_and_data(box: Sandbox) -> None:
    candidate = Candidate(
        "LIMIT = 3\ndef low(x):\n    return x < LIMIT\ndef high(x):\n    return not low(x)\n", "high"
    )
    assert box.run(candidate, ["assert high(LIMIT) and low(LIMIT - 1)"]).outcome == "passed"


@pytest.mark.skipif(
    not (importlib.util.find_spec("numpy") and importlib.util.find_spec("pandas")),
    reason="needs numpy and pandas",
)
def test_arrays_and_frames() -> None:
    code = (
        "import numpy as np\nimport pandas as pd\ndef a(n):\n    return np.arange(n) / 2\n"
        "def f():\n    return pd.DataFrame({'x': [1, 2], 'y': ['a', None]})\n"
        "def double(v):\n    v *= 2\n"
    )
    tests = [
        "v = np.array([1, 2])\ndouble(v)\nassert list(v) == [2, 4]",
        "assert np.allclose(a(3), [0, 0.5, 1])",
        "assert a(2).shape == (2,) and a(2).dtype == np.float64",
        "assert f()['x'].sum() == 3 and list(f().columns) == ['x', 'y']",
        "import pandas as pd\npd.testing.assert_frame_equal(f(), pd.DataFrame({'x': [1, 2], 'y': ['a', None]}))",
    ]
    with Sandbox(workers=1, preload=["numpy", "pandas"]) as sandbox:
        found = sandbox.run(Candidate(code), tests)
    assert found.outcome == "passed", found.message

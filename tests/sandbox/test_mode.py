"""What the candidate made never leads to mode "together", in which it could decide about itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest
from greenloop.runtime.execution import Candidate
from greenloop.runtime.sandbox import Sandbox
from greenloop.runtime.sandbox.inside_flow import passes_back

needs_pandas = pytest.mark.skipif(
    not (importlib.util.find_spec("numpy") and importlib.util.find_spec("pandas")),
    reason="needs numpy and pandas",
)

LIAR = """
class Liar:
    def __eq__(self, other):
        return True

def g(x):
    return Liar()
"""
FORGED = """
import sys

def f(x):
    frame = sys._getframe()
    while frame is not None and not hasattr(frame.f_locals.get("self"), "codec"):
        frame = frame.f_back
    if frame is None:
        return None
    codec = frame.f_locals["self"].codec
    honest = codec.encode
    def encode(value):
        codec.encode = honest
        return {data}
    codec.encode = encode
"""


@pytest.fixture(scope="module")
def arrays() -> Iterator[Sandbox]:
    with Sandbox(workers=1, preload=["numpy", "pandas"]) as made:
        yield made


def fails_apart(box: Sandbox, code: str, look: str) -> None:
    test = f"x = f(2)\ny = {look}\nassert g(y) == 4"
    found = box.run(Candidate(LIAR + code), [test])
    assert (found.mode, found.passed) == ("apart", False), found


@pytest.mark.parametrize(
    ("gives", "look"),
    [
        ("__import__('logging')", "x.root"),
        ("__import__('decimal').Decimal(1)", "type(x)"),
        ("__import__('datetime').datetime.fromisoformat('2024-01-01T00:00+00:00')", "x.tzinfo"),
        ("20_000_000", "'x' * x"),
        ("(1, 2)", "__import__('array').array('l', x)"),
    ],
)
def test_plain_answers_do_not_choose_the_mode(box: Sandbox, gives: str, look: str) -> None:
    fails_apart(box, f"def f(x):\n    return {gives}\n", look)


def test_an_argument_that_comes_back_does_not_choose_the_mode(box: Sandbox) -> None:
    code = LIAR + "def f(x):\n    return x\n"
    found = box.run(Candidate(code), ["a = []\na.append(f(a))\nassert g(a) == 4"])
    assert (found.mode, found.outcome) == ("apart", "unserialisable"), found


def test_an_exception_does_not_choose_the_mode(box: Sandbox) -> None:
    code = LIAR + "def f(x):\n    raise KeyError(x)\n"
    found = box.run(Candidate(code), ["try:\n    f(1)\nexcept Exception as e:\n    assert g(type(e)) == 4"])
    assert (found.mode, found.outcome) == ("apart", "unserialisable"), found


@needs_pandas
@pytest.mark.parametrize(
    ("gives", "look"),
    [
        ("np.array([[1], None], dtype=object)", "x.dtype"),
        ("np.zeros(2)", "x.data"),
        ("np.array(['2024'], dtype='M8[Y]')", "x.dtype"),
        ("np.array(['2024'], dtype='M8[ns]')[0]", "x.dtype"),
        ("np.ma.array([1])", "x.dtype"),
        ("np.array([(1, 2.0)], dtype='i4,f8')", "x"),
        ("np.zeros(2).view(type('Mine', (np.ndarray,), {}))", "x"),
        ("pd.Series([1, 2], index=[(1, 2), (3, 4)])", "x.index"),
        ("pd.Series([1], index=pd.MultiIndex.from_tuples([(1, 2)]))", "x.index.dtypes"),
        ("pd.DataFrame({('a', 'b'): [1]})", "x.columns.dtypes"),
        ("pd.Series([1], index=pd.to_datetime(['2024']))", "x.index"),
        ("pd.Series([1], index=pd.to_datetime(['2024'], utc=True))", "x.index"),
        ("pd.Series(pd.to_datetime(['2024'], utc=True))", "x.dt.tz"),
        ("pd.Timestamp('2024', tz='Europe/Berlin')", "x.tz"),
        ("pd.Series(['a'], dtype='category')", "x.values"),
        ("pd.Series(['a'], dtype='category')", "x.dtype"),
        ("pd.Series(pd.period_range('2024', periods=1))", "x.array"),
        ("pd.Series(pd.interval_range(0, 1))", "x.dtype"),
        ("pd.Series([1], dtype='Int64')", "x.values"),
        ("pd.Series([0], dtype='Sparse[int64]')", "x"),
    ],
)
def test_arrays_and_frames_do_not_choose_the_mode(arrays: Sandbox, gives: str, look: str) -> None:
    fails_apart(arrays, f"import numpy as np\nimport pandas as pd\ndef f(x):\n    return {gives}\n", look)


@needs_pandas
@pytest.mark.parametrize(
    ("data", "look"),
    [
        ('{"t": "scalar", "d": "g", "v": [1.0]}', "x"),
        ('{"t": "ndarray", "d": "g", "s": [1], "v": [1.0]}', "x"),
        ('{"t": "ndarray", "d": "i4,f8", "s": [1], "v": [{"t": "tuple", "v": [1, 2.0]}]}', "x[0]"),
        ('{"t": "series", "k": "Index", "d": "period[M]", "n": [None], "i": None, "v": ["2024-01"]}', "x"),
        ('{"t": "series", "k": "Index", "d": "category", "n": [None], "i": None, "v": ["a"]}', "x"),
        ('{"t": "index", "k": "Index", "n": [None], "v": ["period[M]", ["2024-01"]]}', "x"),
        ('{"t": "index", "k": "Index", "n": [None], "v": ["Sparse[int64, 0]", [1]]}', "x"),
        ('{"t": "index", "k": "SparseIndex", "n": [None], "v": ["int64", [1]]}', "x"),
        ('{"t": "index", "k": "Index", "n": [None], "v": ["float128", [1.0]]}', "x"),
    ],
)
def test_forged_data_do_not_choose_the_mode(arrays: Sandbox, data: str, look: str) -> None:
    fails_apart(arrays, FORGED.replace("{data}", data), look)


@needs_pandas
def test_what_a_candidate_makes_with_a_tests_function_does_not_choose_the_mode(arrays: Sandbox) -> None:
    code = LIAR + "def f(make):\n    make([1], dtype='g')\n    return Liar()\n"
    found = arrays.run(Candidate(code), ["import numpy as np\nassert f(np.sum) == 4"])
    assert (found.mode, found.outcome) == ("apart", "unserialisable"), found


READS = "def f(x):\n    return x.read() if hasattr(x, 'read') else list(x)\ndef g(x):\n    return f(x)\n"


@pytest.mark.parametrize(
    "test",
    [
        "assert f('ab') == ['a', 'b']\nassert f(memoryview(b'a')) == [97]",
        "assert g(memoryview(bytes(f(memoryview(b'a'))))) == [97]",
        "class File:\n    def read(self):\n        return 'a'\nassert g(f('a')) == ['a']\nassert f(File()) == 'a'",
    ],
)
def test_what_only_the_test_made_leads_to_mode_together(box: Sandbox, test: str) -> None:
    found = box.run(Candidate(READS), [test])
    assert (found.mode, found.outcome) == ("together", "passed"), found


@pytest.mark.parametrize(
    "test",
    [
        "assert f(1) == 2\nassert f([3]) == 4",
        "import numpy as np\na = np.zeros(2)\nr = f(a)\nnp.testing.assert_array_equal(r, a)",
        "for a, b in [(1, 2)]:\n    assert f(a) == b",
        "def check(candidate):\n    x = [1]\n    assert candidate(x) == 2\n    assert abs(candidate(x) - 1) < 1",
        "def helper(x, want):\n    assert f(x) == want\nhelper([1], 2)",
        "assert sorted(f([1]), key=lambda q: q[0]) == [1]\nassert isinstance(f(1), list)",
        "import unittest\nclass T(unittest.TestCase):\n    def setUp(self):\n        self.d = [1]\n"
        "    def test(self):\n        r = f(self.d)\n        self.assertEqual(r, f([2]))\n"
        "        with self.assertRaises(ValueError):\n            f(3)",
    ],
)
def test_a_test_that_keeps_answers_to_itself(test: str) -> None:
    assert not passes_back([test], ["f", "g", "candidate"])


@pytest.mark.parametrize(
    "test",
    [
        "assert g(f(2))",
        "x = f(2)\nassert g(x) == 1",
        "for x in f(2):\n    g(x)",
        "a, *b = f(1)\ng(k=b)",
        "kept = []\nkept.append(f(2))\ng(kept)",
        "import heapq\nkept = []\nheapq.heappush(kept, f(2))\ng(kept)",
        "def helper(x):\n    g(x)\nhelper(f(2))",
        "def helper(x):\n    g(x)\nf(helper)",
        "f(lambda x: g(x))",
        "list(map(g, f(2)))",
        "[g(x) for x in f(2)]",
        "import unittest\nunittest.TestCase().assertRaises(ValueError, g, f(2))",
        "try:\n    f(2)\nexcept ValueError as e:\n    g(e)",
        "with raises(ValueError) as e:\n    f(2)\ng(e.value)",
        "class A: pass\nA.x = f(2)\ny = A.x\ng(y)",
        "class A:\n    def __init__(self, x):\n        self.x = [x]\n        g(self.x)\nA(f(2))",
        "import solution\nsolution.a(solution.b())",
        "from solution import a\nq = a(1)\na(q)",
        "def check(c):\n    assert c(c(1)) == 2",
        "n = 0\nwhile f(n):\n    n += 1\ng(n)",
        "match f(2):\n    case [x]:\n        g(x)",
        "queue = f(2)\ng(queue)",
        "assert f(2) < g(3)",
        "exec('g(f(1))')",
        ">>> f(2)\n2",
    ],
)
def test_a_test_that_may_hand_an_answer_back(test: str) -> None:
    assert passes_back([test], ["f", "g", "candidate"])

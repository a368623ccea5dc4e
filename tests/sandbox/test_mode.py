"""What the candidate made never leads to mode "together", in which it could decide about itself."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest
from greenloop.runtime.execution import Candidate, Limits
from greenloop.runtime.sandbox import Sandbox

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
    found = box.run(
        Candidate(code), ["try:\n    f(1)\nexcept Exception as e:\n    assert g(e.__traceback__) == 4"]
    )
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


READS = """
def f(x):
    return x.read() if hasattr(x, "read") else list(x)

def g(x):
    return f(x)

def size(x):
    return len(x)
"""


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
        "class T:\n    def test_a(self):\n        assert f([1]) == [1]\n        assert f(memoryview(b'a')) == [97]\n"
        "def test_b():\n    x = f('ab')\n    assert f(memoryview(b'a')) == [97]\n    assert x == ['a', 'b']\n",
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        r = f([1])\n"
        "        self.assertEqual(f(memoryview(b'a')), [97])\n        self.assertEqual(r, [1])\n",
        "import pytest\n@pytest.mark.parametrize('n', [1, 2])\ndef test_it(n):\n    assert f([n]) == [n]\n"
        "    assert f(memoryview(b'a')) == [97]\n",
        ">>> f('ab')\n['a', 'b']\n>>> f(memoryview(b'a'))\n[97]\n",
        "def check(candidate):\n    x = candidate([1])\n    for b in (b'a', b'b'):\n"
        "        assert candidate(memoryview(b)) == list(b)\n    assert x == [1]\n",
        "from solution import f as asked\nassert asked([1]) == [1]\nassert asked(memoryview(b'a')) == [97]",
        "assert size('x' * (1 << 25)) == 1 << 25",
    ],
    ids=["functions", "unittest", "pytest", "doctest", "check", "imported", "large"],
)
def test_in_every_form_of_tests(box: Sandbox, test: str) -> None:
    found = box.run(Candidate(READS, "f"), [test], Limits(memory_mb=2048))
    assert (found.mode, found.outcome) == ("together", "passed"), found


@pytest.mark.parametrize(
    "test",
    [
        "if f(2):\n    assert g(memoryview(b'a')) == 4",
        "assert f(2) and g(memoryview(b'a')) == 4",
        "assert g(memoryview(b'a')) == 4 if f(2) else True",
        "assert [g(memoryview(b'a')) for _ in f(2)] == [4]",
        "for _ in f(2):\n    assert g(memoryview(b'a')) == 4",
        "while f(2):\n    assert g(memoryview(b'a')) == 4\n    break",
        "try:\n    f(0)\nexcept ValueError:\n    assert g(memoryview(b'a')) == 4",
        "x = [f(2)]\nif x[0]:\n    assert g(memoryview(b'a')) == 4",
        "x = memoryview(b'a')\nx = f(3) or x\nassert g(x) == 4",
        "match f(2):\n    case [_]:\n        assert g(memoryview(b'a')) == 4",
        "class Kept: pass\nKept.x = f(2)\nassert Kept.x and g(memoryview(b'a')) == 4",
        "assert (x := f(2)) and True\nassert x and g(memoryview(b'a')) == 4",
        "def test_it():\n    if f(2):\n        assert g(memoryview(b'a')) == 4",
        "import unittest\nclass T(unittest.TestCase):\n    def setUp(self):\n        self.x = f(2)\n"
        "    def test(self):\n        self.assertEqual(g(memoryview(b'a') if self.x else 1), 4)",
        "kept = []\nwhile len(kept) < 1:\n    kept.append(f(2))\nassert g(memoryview(b'a')) == 4",
    ],
)
def test_an_answer_does_not_choose_the_branch_that_needs_mode_together(box: Sandbox, test: str) -> None:
    code = "def f(x):\n    if x == 0: raise ValueError\n    return [] if x == 3 else [1]\n"
    found = box.run(Candidate(LIAR + code), [test])
    assert (found.mode, found.passed) == ("apart", False), found


@pytest.mark.parametrize("entry", ["dispatch", "apply_patch", "patch"])
def test_a_name_that_ends_like_a_patch_does_not_need_mode_together(box: Sandbox, entry: str) -> None:
    found = box.run(Candidate(LIAR.replace("def g", f"def {entry}"), entry), [f"assert {entry}(2) == 4"])
    assert (found.mode, found.outcome) == ("apart", "failed")


def test_a_patch_needs_mode_together(box: Sandbox) -> None:
    test = "from unittest import mock\nwith mock.patch('__main__.g'):\n    assert g(2) != 4"
    assert box.run(Candidate(LIAR, "g"), [test]).mode == "together"


def test_a_test_case_that_the_preamble_imports_does_not_need_mode_together(box: Sandbox) -> None:
    test = "class TestG(TestCase):\n    def test_it(self):\n        self.assertEqual(g(2), 4)\n"
    found = box.run(Candidate(LIAR, "g", "from unittest import TestCase\n"), [test])
    assert (found.mode, found.outcome) == ("apart", "failed")


def test_the_same_value_in_mode_apart_is_unserialisable(box: Sandbox) -> None:
    found = box.run(Candidate(READS), ["assert f(memoryview(b'a')) == [97]"], mode="apart")
    assert (found.mode, found.outcome) == ("apart", "unserialisable"), found

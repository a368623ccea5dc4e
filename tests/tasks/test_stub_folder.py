"""A folder of Python stubs with pytest files: the tests split, run in the sandbox, mistakes named."""

from __future__ import annotations

from pathlib import Path

import greenloop as gl
import pytest
from greenloop.errors import GreenloopError
from greenloop.evals.check import check

STUB = '''"""Text for addresses."""

import re
from dataclasses import dataclass

WORD = re.compile(r"[a-z0-9]+")


@dataclass
class Slug:
    text: str


def slugify(title: str, most: int = 80) -> Slug:
    """Small letters and digits, joined by hyphens."""
    raise NotImplementedError


def shout(text: str) -> str:
    return text.upper() + "!"
'''
TESTS = """import pytest
from my_package.calendar import Slug, shout, slugify


@pytest.fixture
def title():
    return "Hello, World"


# visible
@pytest.mark.parametrize("given, wanted", [("A b", "a-b"), ("", "")])
def test_words(given, wanted):
    assert slugify(given).text == wanted


def test_visible_fixture(title, tail):
    assert slugify(title + tail).text == "hello-world-2"


def test_most():
    assert slugify("abc def", most=5).text == "abc"


class TestMore:
    def test_digits(self):
        assert slugify("1 & 2").text == "1-2"

    def test_shout(self):  # visible
        assert shout("a") == "A!"
"""
RIGHT = """
def slugify(title, most=80):
    words = WORD.findall(title.lower())
    while len("-".join(words)) > most:
        words.pop()
    return Slug("-".join(words))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "stubs/calendar.py": STUB,  # a name that the standard library has too
        "tests/test_calendar.py": TESTS,
        "tests/conftest.py": "import pytest\n\n\n@pytest.fixture\ndef tail():\n    return ' 2'\n",
        "solutions/calendar.py": RIGHT,
        "double.py": "def double(n):\n    ...\n",
        "test_double.py": "import double\n\n\ndef test_a():\n    assert double.double(1) == 2\n\n\n"
        "def test_b():\n    assert double.double(3) == 6\n",
        "helpers.py": "def unused():\n    return 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_stub_preamble_and_the_split(folder: Path) -> None:
    double, slug = gl.load_tasks(folder)
    assert (slug.task_id, slug.entry_point) == ("calendar", "slugify")
    assert "raise NotImplementedError" in slug.prompt
    assert "def shout" in slug.preamble
    assert "def slugify" not in slug.preamble
    (visible,), (hidden,) = slug.visible_tests, slug.hidden_tests
    names = ("test_words", "test_visible_fixture", "test_most", "test_digits", "test_shout")
    shown = [name for name in names if name in visible]
    assert shown == ["test_words", "test_visible_fixture", "test_shout"]
    assert "test_most" in hidden
    assert "test_digits" in hidden
    assert "test_words" not in hidden
    assert "test_most" not in repr(slug)
    assert "test_a" in double.visible_tests[0]
    assert "test_b" in double.hidden_tests[0]


WITH_CASES = """import pytest
from inc import inc

EASY = [(1, 2)]
HARD = [(10**9, 10**9 + 1)]
MORE = [*HARD, (-1, 0)]


@pytest.fixture
def secret():
    return 77


@pytest.fixture(autouse=True)
def always():
    yield


def pairs(cases):
    return list(cases)


@pytest.mark.parametrize("n, wanted", pairs(EASY))
def test_visible(n, wanted):
    assert inc(n) == wanted


@pytest.mark.parametrize("n, wanted", pairs(MORE))
def test_more(n, wanted):
    assert inc(n) == wanted


@pytest.mark.usefixtures("secret")
def test_secret():
    assert inc(77) == 78
"""


def test_what_only_hidden_tests_use_is_hidden_with_them(tmp_path: Path) -> None:
    (tmp_path / "inc.py").write_text("def inc(n):\n    ...\n")
    (tmp_path / "test_inc.py").write_text(WITH_CASES)
    (task,) = gl.load_tasks(tmp_path)
    (visible,), (hidden,) = task.visible_tests, task.hidden_tests
    for name in ("HARD", "MORE", "10**9", "secret", "77"):
        assert name not in visible
        assert name in hidden
    for name in ("EASY", "always", "def pairs"):
        assert name in visible
    assert check(task, "def inc(n):\n    return n + 1", tests="all").outcome == "passed"
    assert check(task, "def inc(n):\n    return 2", tests="visible").outcome == "passed"
    assert check(task, "def inc(n):\n    return 2", tests="all").outcome == "failed"


def test_they_run_in_the_sandbox(folder: Path) -> None:
    double, slug = gl.load_tasks(folder)
    assert check(slug, slug.reference or "", tests="all").outcome == "passed"
    found = check(slug, RIGHT.replace("> most", "> 80"), tests="all")
    assert found.outcome == "failed"
    assert [t.test for t in found.tests if not t.passed] == ["test_most"]
    assert check(slug, RIGHT.replace("> most", "> 80")).outcome == "passed"
    assert check(double, "def double(n):\n    return 2 * n", tests="all").outcome == "passed"
    assert check(double, "def double(n):\n    return 2", tests="all").outcome == "failed"


def test_a_class_is_a_stub_too(tmp_path: Path) -> None:
    (tmp_path / "box.py").write_text(
        "class Box:\n    def __init__(self):\n        self.items = []\n\n    def add(self, x):\n        ...\n"
    )
    (tmp_path / "box_test.py").write_text(
        "from .box import Box\n\n\ndef test_it():\n    b = Box()\n    b.add(1)\n    assert b.items == [1]\n"
    )
    (task,) = gl.load_tasks(tmp_path)
    assert (task.entry_point, task.hidden_tests) == ("Box", ())
    right = (
        "class Box:\n    def __init__(self):\n        self.items = []\n"
        "    def add(self, x):\n        self.items.append(x)\n"
    )
    assert check(task, right, tests="all").outcome == "passed"
    assert check(task, right.replace("append(x)", "append(2)"), tests="all").outcome == "failed"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no stub with a test: it takes NAME.py"),
        ({"a.py": "def a(): ...\n"}, "a.py: it has no test: write "),
        ({"a.py": "def a(): return 1\n", "test_a.py": "def test_a(): pass\n"}, "a.py: holds no stub"),
        ({"a.py": "def a(): ...\ndef b(): ...\n", "test_a.py": "def test_a(): pass\n"}, "2 stubs (a, b)"),
        ({"a.py": "def a(:\n", "test_a.py": "def test_a(): pass\n"}, "a.py: field 'source': no Python"),
        ({"a.py": "def a(): ...\n", "test_a.py": "def test_a(:\n"}, "test_a.py: field 'source': no Python"),
        ({"a.py": "def a(): ...\n", "test_a.py": "x = 1\n"}, "test_a.py: it holds no test"),
        ({"a.py": "def a(): ...\n", "test_a.py": ""}, "test_a.py: it holds no test"),
        ({"a.py": "# \udcff\n", "test_a.py": ""}, "no UTF-8"),
    ],
)
def test_mistakes_are_one_clear_line(tmp_path: Path, files: dict[str, str], said: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(GreenloopError) as told:
        gl.load_tasks(tmp_path)
    assert said in str(told.value)
    assert "\n" not in str(told.value)

"""Code is found in every shape of answer that small models give."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor

import pytest
from greenloop.modules.code_text import extract_code, with_imports
from greenloop.modules.definitions import definitions_only
from hypothesis import given
from hypothesis import strategies as st

F = "def f(x):\n    return x + 1"
STUB = 'def f(x):\n    """Add one."""\n'

SHAPES = {
    "fenced": f"```python\n{F}\n```",
    "fenced with prose": f"Sure! Here it is:\n\n```python\n{F}\n```\n\nIt adds one.",
    "fenced without language": f"```\n{F}\n```",
    "another spelling": f"```Python\n{F}\n```",
    "tilde fences": f"~~~python\n{F}\n~~~",
    "closed on its last line": f"```python\n{F}```",
    "closed on its last line, prose behind it": f"```python\n{F}```\nIt adds one.",
    "closed on its last line, another behind it": f"```python\nimport os```\n```python\n{F}\n```",
    "fences in a docstring": '```python\ndef f(x):\n    """Of ```x```\n    """\n    return x + 1\n```',
    "never closed": f"```python\n{F}\n",
    "only closed": f"{F}\n```\nThat is all.",
    "bare": F,
    "bare with prose around": f"Here is the function:\n{F}\n\nThis function adds one to x.",
    "indented fence": f"  ```python\n  {F.replace(chr(10), chr(10) + '  ')}\n  ```",
    "windows line ends": f"```python\r\n{F}\r\n```".replace("\n", "\r\n"),
    "example calls at the end": f"```python\n{F}\n\nprint(f(1))\nassert f(1) == 3\n```",
    "a main that reads input": f"```python\n{F}\n\nif __name__ == '__main__':\n    print(f(int(input())))\n```",
    "usage in a second block": f"```python\n{F}\n```\nUse it:\n```python\nf(1)\n```",
    "a wrong draft first": f"```python\ndef g(x):\n    return 0\n```\n```python\n{F}\n```",
    "a broken second function": f"```python\n{F}\n\ndef g(:\n    return\n```",
    "cut at the token limit": f"```python\n{F}\n\ndef main():\n    print('f of one is",
    "example variables named like parameters": f"```python\n{F}\n\nx = int(input())\nprint(f(x))\n```",
    "terminal colours": f"\x1b[31m```python\n{F}\n```\x1b[0m",
    "body alone": "    return x + 1\n",
    "body alone, fenced": "```python\n    return x + 1\n```",
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_function_is_found(shape: str) -> None:
    code = extract_code(SHAPES[shape], entry_point="f", stub=STUB)
    scope: dict = {}
    exec(compile(code, "candidate", "exec"), scope)
    assert scope["f"](1) == 2


@pytest.mark.parametrize(
    "answer", ["", "   \n", "I cannot help with that.", "Sorry", "42", "```\n```", "\x00\x00"]
)
def test_no_code_is_no_code(answer: str) -> None:
    assert extract_code(answer, entry_point="f") == ""


def test_code_with_a_syntax_error_stays_code() -> None:
    assert extract_code("```python\ndef f(x)\n    return 1\n```", entry_point="f").startswith("def f(x)")


def test_missing_imports_are_added_once() -> None:
    code = with_imports("def f(x: List[int]) -> Optional[int]:\n    return math.sqrt(Counter(x)[0])")
    assert code.splitlines()[:4] == [
        "from collections import Counter",
        "from typing import List",
        "from typing import Optional",
        "import math",
    ] or set(code.splitlines()[:4]) == {
        "from collections import Counter",
        "from typing import List",
        "from typing import Optional",
        "import math",
    }
    assert with_imports(code) == code


def test_a_bound_name_is_not_imported() -> None:
    code = "def f(re):\n    return re.pattern"
    assert with_imports(code) == code


def test_imports_from_another_block_are_kept() -> None:
    answer = "```python\nimport numpy as np\n```\nand\n```python\ndef f(x):\n    return np.sum(x)\n```"
    assert extract_code(answer, entry_point="f").startswith("import numpy as np")


def test_helpers_constants_and_caches_stay() -> None:
    code = (
        "LIMIT = 3\ncache = {}\ncache[0] = 1\nitems = []\nitems.append(LIMIT)\n\n"
        "def g():\n    return cache, items\n\n@g\ndef f(x):\n    return g()"
    )
    assert definitions_only(code + "\n\nprint(f(1))\nresult = f(2)", "f") == code


SET_UP = {
    "a setting of a module": "import sys\nsys.setrecursionlimit(10**6)",
    "a setting that is tried": "import sys\nif hasattr(sys, 'set_int_max_str_digits'):\n"
    "    sys.set_int_max_str_digits(0)",
    "a setting by its own name": "from random import seed\nseed(0)",
    "an attribute of what a call gives": "from decimal import getcontext\ngetcontext().prec = 50",
    "a table that a call fills": "table = []\ndef fill(n):\n    table.extend(range(n))\nfill(9)",
    "a table that is handed over": "table = []\ndef fill(t, n):\n    t.append(n)\n"
    "for i in range(9):\n    fill(table, i)",
    "a table that a call makes": "def fill():\n    global table\n    table = [1]\nfill()",
    "what filling reads": "table, most = [], []\ndef limit():\n    most.append(9)\n"
    "def fill():\n    table.extend(most)\nlimit()\nfill()",
}


@pytest.mark.parametrize("kind", SET_UP)
def test_what_the_function_depends_on_stays(kind: str) -> None:
    code = f"{SET_UP[kind]}\n\ndef f(k):\n    return table[k]"
    assert definitions_only(f"{code}\n\nprint(f(1))", "f") == code


@pytest.mark.parametrize(
    "example",
    [
        "show()",
        "test_f()",
        "main()",
        "made = fill(3)",
        "fill(int(input()))",
        "sys.exit()",
        "unittest.main()",
        "for i in range(3):\n    fill(i)\n    print(i)",
    ],
)
def test_examples_that_change_data_go(example: str) -> None:
    code = (
        "import sys, unittest\n\ntable = [1]\n\ndef fill(n):\n    table.append(n)\n\ndef show():\n    fill(0)\n"
        "    print(table)\n\ndef test_f():\n    fill(1)\n    assert f(0) == 2\n\ndef main():\n    table.clear()\n"
        "    sys.stdout.write(input())\n\nclass T(unittest.TestCase):\n    def test(self):\n        test_f()\n\n"
        "def f(k):\n    return table[k]"
    )
    assert definitions_only(f"{code}\n\n{example}", "f") == code


def test_without_the_entry_point_nothing_is_left_out() -> None:
    code = "print('a whole program')"
    assert definitions_only(code, "f") == code
    assert definitions_only(code, "") == code


@given(st.text(max_size=400))
def test_any_answer_is_read_without_an_error(answer: str) -> None:
    code = extract_code(answer, entry_point="f", stub=STUB)
    assert "\x00" not in code


@given(
    st.lists(
        st.sampled_from(["```", "```python", "def f(x):", "    return 1", "import os", "text", "", "~~~"]),
        max_size=12,
    )
)
def test_any_mix_of_lines_is_read_without_an_error(lines: list[str]) -> None:
    extract_code("\n".join(lines), entry_point="f", stub=STUB)


@given(st.sampled_from(sorted(SHAPES)))
def test_what_is_found_compiles(shape: str) -> None:
    ast.parse(extract_code(SHAPES[shape], entry_point="f", stub=STUB))


def test_many_threads_read_answers_at_once() -> None:
    nested = (
        "```python\n"
        + F
        + "\n"
        + "\n".join(f"VALUES_{i} = [[{i}, ({i},)], {{'a': [{i}]}}]" for i in range(40))
        + "\n```"
    )
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: extract_code(nested, entry_point="f"), range(200)))
    assert set(codes) == {F}

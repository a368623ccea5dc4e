"""Finding the program in a small model's answer.

Models of 1–3B answer in every shape: fenced, fenced and never closed, bare, with prose around, the function body
alone, the function without its imports. What is lost here counts as a wrong answer of the model, so all of these
are read.
"""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
from collections.abc import Iterator

from ..runtime.parsing import parse
from .definitions import complete_part, definitions_only

_FENCE = re.compile(
    r"^[ \t]*(?:```|~~~)[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*(?:```|~~~)|\Z)", re.MULTILINE | re.DOTALL
)
_END_OF_LINE = re.compile(r"(?:```|~~~)[ \t]*$", re.MULTILINE)
_CODE_START = re.compile(r"^(?:def |class |import |from \w[\w.]* import |async def |@\w)", re.MULTILINE)
_ESCAPE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_PYTHON = {"", "python", "py", "python3", "Python"}

_MODULES = frozenset(
    "bisect cmath collections copy datetime decimal fractions functools heapq itertools json math operator random re"
    " statistics string sys time typing".split()
)
_NAMES = {
    **dict.fromkeys(
        "Any Callable Dict Iterable Iterator List Optional Sequence Set Tuple Union".split(), "typing"
    ),
    **dict.fromkeys("Counter OrderedDict defaultdict deque namedtuple".split(), "collections"),
    **dict.fromkeys("cache cmp_to_key lru_cache partial reduce".split(), "functools"),
    **dict.fromkeys(
        "accumulate chain combinations groupby permutations product zip_longest".split(), "itertools"
    ),
    **dict.fromkeys("ceil floor gcd sqrt".split(), "math"),
    **dict.fromkeys("heapify heappop heappush".split(), "heapq"),
    **dict.fromkeys("bisect_left bisect_right".split(), "bisect"),
    **dict.fromkeys(["dataclass"], "dataclasses"),
}


def extract_code(answer: str, *, entry_point: str = "", stub: str = "", add_imports: bool = True) -> str:
    """The program in a model's answer.

    Args:
        answer: The answer as it came.
        entry_point: The name that the program should define; decides between several blocks, and lets the example
            calls and a broken end around it be left out (see `definitions_only`, `complete_part`).
        stub: The start of the program that the prompt showed (a signature with docstring); a bare body is put
            behind it.
        add_imports: Put imports ahead of well-known standard names that are used and never bound (``math``,
            ``List``, ``Counter``).

    Returns:
        Python source; empty where the answer holds none. It need not compile: an answer that is code with a
        syntax error is returned as it is.

    Example:
        >>> extract_code("Sure!\\n```python\\ndef f():\\n    return 1\\n```\\nDone.")
        'def f():\\n    return 1'
    """
    text = _ESCAPE.sub("", answer).replace("\r\n", "\n").replace("\x00", "")
    code = _from_fences(text, entry_point, stub) if "```" in text or "~~~" in text else _from_bare(text, stub)
    code = textwrap.dedent(code).strip("\n").rstrip()
    if not code.strip():
        return ""
    if entry_point:
        code = definitions_only(complete_part(code, entry_point), entry_point)
    return with_imports(code) if add_imports else code


def with_imports(code: str) -> str:
    """The code with imports ahead of it for well-known standard names that it uses and never binds."""
    tree = parse(code)
    if tree is None:
        return code
    bound = set(dir(builtins))
    used: dict[str, bool] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                used.setdefault(node.id, False)
            else:
                bound.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound.update((a.asname or a.name).split(".")[0] for a in node.names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used[node.value.id] = True
    lines: list[str] = []
    for name in sorted(used.keys() - bound):
        if name in _MODULES and used[name]:
            lines.append(f"import {name}")
        elif name in _NAMES:
            lines.append(f"from {_NAMES[name]} import {name}")
    future = [line for line in code.splitlines() if line.startswith("from __future__ import")]
    if not lines or future:
        return code
    return "\n".join(lines) + "\n\n" + code


def defines(code: str, name: str) -> bool:
    """Whether the code binds `name` at its top level by a def, a class or an assignment."""
    tree = parse(code)
    if tree is None:
        return re.search(rf"^(?:async )?(?:def|class) {re.escape(name)}\b", code, re.MULTILINE) is not None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name:
            return True
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        ):
            return True
    return False


def _from_fences(text: str, entry_point: str, stub: str) -> str:
    blocks = [(lang, body) for lang, body in _blocks(text) if body.strip()]
    python = [body for lang, body in blocks if lang in _PYTHON] or [body for _, body in blocks]
    if not python:
        return _from_bare(re.sub(r"^[ \t]*(?:```|~~~).*$", "", text, flags=re.MULTILINE), stub)
    before = text[: text.find("```")] if "```" in text else ""
    if (
        len(python) == 1
        and entry_point
        and not defines(python[0], entry_point)
        and defines(before, entry_point)
    ):
        return _from_bare(text.replace("```", "\n"), stub)  # half-fenced: only the end is marked
    chosen = _choose(python, entry_point)
    missing = [b for b in python if b is not chosen and _only_imports(b)]
    return _behind_stub("\n".join([*missing, chosen]), entry_point, stub)


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and body of each block; one may be closed at the end of its last line (`return 1` and the fence)."""
    start = 0
    while found := _FENCE.search(text, start):
        body, start = found[2], found.end()
        if _END_OF_LINE.search(body) and parse(textwrap.dedent(body)) is None:
            for fence in _END_OF_LINE.finditer(body):
                if parse(textwrap.dedent(body[: fence.start()])) is not None:
                    body, start = body[: fence.start()], found.start(2) + fence.end()
                    break
        yield found[1], body


def _choose(blocks: list[str], entry_point: str) -> str:
    """The first block that defines the entry point and compiles; else the longest that compiles, else the longest."""
    cleaned = [textwrap.dedent(b) for b in blocks]
    ranked = sorted(
        range(len(blocks)),
        key=lambda i: (
            bool(entry_point) and defines(cleaned[i], entry_point),
            parse(cleaned[i]) is not None,
            -i if entry_point and defines(cleaned[i], entry_point) else len(cleaned[i]),
        ),
    )
    return blocks[ranked[-1]]


def _from_bare(text: str, stub: str) -> str:
    if parse(text) is not None and _looks_like_code(text):
        return _behind_stub(text, "", stub)
    start = _CODE_START.search(text)
    if start is None:
        return _behind_stub(text, "", stub) if stub and re.match(r"\n*[ \t]+\S", text) else ""
    return _longest_prefix(text[start.start() :])


def _longest_prefix(text: str) -> str:
    """The text without trailing prose: the longest run of whole lines that compiles, else all code-like lines."""
    lines = text.splitlines()
    for end in range(len(lines), 0, -1):
        part = "\n".join(lines[:end])
        if parse(part) is not None:
            return part
        if end < len(lines) - 400:
            break
    kept: list[str] = []
    for line in lines:
        if (
            kept
            and line
            and not line[0].isspace()
            and not _CODE_START.match(line)
            and not re.match(r"[\w#)\]}@'\"]", line)
        ):
            break
        kept.append(line)
    return "\n".join(kept)


def _behind_stub(code: str, entry_point: str, stub: str) -> str:
    """A bare function body put behind the stub that the prompt showed; any other code as it is."""
    first = next((line for line in code.splitlines() if line.strip()), "")
    if not stub or not first[:1].isspace() or re.match(r"\s*(?:async )?(?:def|class) ", first):
        return code
    body = textwrap.indent(textwrap.dedent(code), "    ")
    joined = stub.rstrip() + "\n" + body
    return joined if parse(joined) is not None else code


def _only_imports(code: str) -> bool:
    tree = parse(textwrap.dedent(code))
    return (
        tree is not None
        and bool(tree.body)
        and all(isinstance(n, ast.Import | ast.ImportFrom) for n in tree.body)
    )


def _looks_like_code(text: str) -> bool:
    """Not a lone word or a sentence that happens to parse."""
    tree = parse(text)
    return tree is not None and any(not isinstance(node, ast.Expr) for node in tree.body)

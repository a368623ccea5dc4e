"""Where in an answer a model is: ahead of the function, inside it, behind it, or done."""

from __future__ import annotations

import re
from typing import Literal

Region = Literal["before", "inside", "after", "done"]
"""`before`: up to the end of the line `def NAME(…):`. `inside`: its body. `after`: a line begins at the function's own
indent or further out. `done`: the block that holds the function is closed."""

_FENCE = "```"
_CODE = re.compile(r"^(?:import |from \w[\w.]* import |def |class |async def |@\w)")
_MOST_HEADER_LINES = 12


def region(text: str, entry_point: str) -> Region:
    """Where the end of an answer is.

    Args:
        text: The answer so far; its last line may be unfinished.
        entry_point: Name of the function.

    Example:
        >>> region("```python\\ndef f(x):\\n    ret", "f"), region("def f(x):\\n    return x\\nprint", "f")
        ('inside', 'after')
    """
    lines = text.split("\n")
    start = _header(lines, entry_point)
    if start is None:
        return "before"
    indent = len(lines[start]) - len(lines[start].lstrip())
    body = _body(lines, start)
    if body is None:
        return "before"
    where: Region = "inside"
    quotes = 0
    for line in lines[body:]:
        bare = line.strip()
        if bare.startswith(_FENCE):
            return "done"
        outside = bare and not bare.startswith(("#", "`")) and quotes % 2 == 0
        if outside and len(line) - len(line.lstrip()) <= indent:
            where = "after"
        quotes += line.count('"""') + line.count("'''")
    return where


def code_so_far(text: str, entry_point: str) -> str:
    """The program that an answer holds so far: from the fence, or from the first import or definition, to the end.

    Example:
        >>> code_so_far("Sure:\\n```python\\nimport re\\ndef f(x):\\n    return x\\n```\\nDone", "f")
        'import re\\ndef f(x):\\n    return x\\n'
    """
    lines = text.split("\n")
    header = _header(lines, entry_point)
    if header is None:
        return ""
    fences = [i for i in range(header) if lines[i].strip().startswith(_FENCE)]
    codes = [i for i in range(header + 1) if _CODE.match(lines[i])]
    start = fences[-1] + 1 if fences else codes[0] if codes else header
    end = next((i for i in range(header, len(lines)) if lines[i].strip().startswith(_FENCE)), None)
    return "\n".join(lines[start:]) if end is None else "\n".join(lines[start:end]) + "\n"


def at_line_start(text: str) -> bool:
    """Whether nothing but white space stands on the last line.

    Example:
        >>> at_line_start("a\\n    "), at_line_start("a")
        (True, False)
    """
    return "\n" in text and not text.rsplit("\n", 1)[-1].strip()


def _header(lines: list[str], entry_point: str) -> int | None:
    """Index of the line that begins the function's definition."""
    pattern = re.compile(rf"^\s*(?:async\s+)?def\s+{re.escape(entry_point)}\s*\(")
    return next((i for i, line in enumerate(lines) if pattern.match(line)), None)


def _body(lines: list[str], header: int) -> int | None:
    """Index of the first line behind the definition's header; None while the header is unfinished."""
    depth = 0
    for i in range(header, min(len(lines) - 1, header + _MOST_HEADER_LINES)):
        bare = lines[i].split("#")[0].rstrip()
        depth += sum(bare.count(c) for c in "([{") - sum(bare.count(c) for c in ")]}")
        if depth <= 0:
            return i + 1
    return None

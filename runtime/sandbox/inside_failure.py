"""Exceptions as data: class, message, line and the candidate's frames, each bounded."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

from .inside_repr import ends_of

CODE = "<candidate>"
"""File name under which the candidate's code is compiled; its lines start at 1."""
PREAMBLE = "<preamble>"
MESSAGE = 2000
"""Longest message, in characters."""
IMPORTABLE = frozenset(
    "asyncio.exceptions configparser csv email.errors json.decoder queue sqlite3 zipfile".split()
)
"""Modules that an exception's class may make the judge import."""
RUNNERS = frozenset({"unittest", "doctest", "bdb", "pdb"})
"""Modules whose exceptions are a test runner's own words ("skip this"), which a candidate must not speak."""
FRAMES = 8
"""Frames kept at each end of a traceback."""
DENIED = frozenset({1, 13, 30, 38})
"""Errors by which a policy denies: EPERM, EACCES, EROFS, ENOSYS."""
FULL = frozenset({27, 28, 122})
"""Errors by which a quota denies: EFBIG, ENOSPC, EDQUOT."""


def clip(text: str, limit: int = MESSAGE) -> str:
    """The text, with its middle left out where it is longer than `limit` characters."""
    if len(text) <= limit:
        return text
    half = max(1, (limit - 5) // 2)
    return f"{text[:half]} ... {text[-half:]}"


def bounded_repr(value: Any, limit: int = MESSAGE) -> str:
    """`repr`, bounded, also of what has a failing one."""
    try:
        ends = ends_of(value, limit + 1)
        if ends is None:
            return clip(repr(value), limit)
        half = max(1, (limit - 5) // 2)
        return f"{ends[0][:half]} ... {ends[1][-half:]}"
    except Exception as error:  # noqa: BLE001 - whatever a foreign __repr__ raises
        return f"<{type(value).__name__}: repr raised {type(error).__name__}>"


def message_of(error: BaseException) -> str:
    """The exception's text, bounded, also where `__str__` raises."""
    try:
        return clip(str(error))
    except BaseException as other:  # noqa: BLE001 - a candidate's __str__
        return f"<str() raised {type(other).__name__}>"


def candidate_frames(trace: TracebackType | None, code: str) -> tuple[int | None, str | None]:
    """The innermost line of the candidate's code in a traceback, and its frames as text."""
    lines = code.split("\n")
    places: list[tuple[int, str]] = []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == CODE:
            places.append((trace.tb_lineno, trace.tb_frame.f_code.co_name))
        trace = trace.tb_next
    if not places:
        return None, None
    shown = places
    if len(places) > 2 * FRAMES:
        shown = [*places[:FRAMES], (0, f"... {len(places) - 2 * FRAMES} more frames ..."), *places[-FRAMES:]]
    text: list[str] = []
    for line, name in shown:
        if line == 0:
            text.append(f"  {name}")
            continue
        source = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        text.append(f"  line {line}, in {name}\n    {clip(source, 200)}")
    return places[-1][0], "\n".join(text)


def lineage(cls: type, number: Callable[[type], int]) -> list[list[Any]]:
    """Module, name and number of an exception's class and of its bases; 0 for those of the standard library."""
    return [
        [str(c.__module__), c.__name__, 0 if known_class(str(c.__module__), c.__name__) is c else number(c)]
        for c in cls.__mro__
        if issubclass(c, BaseException)
    ]


def kind_of(error: BaseException) -> str:
    """Which outcome an exception that nobody caught leads to."""
    if isinstance(error, MemoryError):
        return "out_of_memory"
    if isinstance(error, SystemExit):
        return "early_exit"
    if isinstance(error, OSError):
        if error.errno in DENIED:
            return "blocked"
        if error.errno in FULL:
            return "output_limit"
    return "error"


def describe(error: BaseException, code: str) -> dict[str, Any]:
    """An exception as JSON data."""
    line, text = candidate_frames(error.__traceback__, code)
    cls = type(error)
    return {
        "type": cls.__name__,
        "mro": lineage(cls, lambda _: 0),
        "message": message_of(error),
        "line": line,
        "traceback": text and f"{text}\n{cls.__name__}: {clip(message_of(error), 300)}",
        "kind": kind_of(error),
    }


def describe_syntax(error: BaseException, code: str) -> dict[str, Any]:
    """A failed compilation as JSON data; its line is that of the candidate's code."""
    found = describe(error, code)
    found["kind"] = "syntax_error"
    if isinstance(error, SyntaxError):
        found["line"] = error.lineno
        found["message"] = clip(str(error.msg))
        found["traceback"] = clip(
            f"  line {error.lineno}\n    {(error.text or '').rstrip()}\n{found['type']}: {error.msg}"
        )
    return found


def known_class(module: str, name: str) -> type[BaseException] | None:
    """An exception class of the standard library by its name; None where there is none, and for a test runner's."""
    package = module.partition(".")[0]
    if package not in sys.stdlib_module_names or package in RUNNERS:
        return None
    if module not in sys.modules and module in IMPORTABLE:
        importlib.import_module(module)
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None

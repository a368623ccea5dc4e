"""Compiling a candidate's code, and the exceptions by which it stops early."""

from __future__ import annotations

import types
from typing import Any


class Submitted(BaseException):
    """Carries what a piece of code submitted; nothing after the call is run."""


def submit(fields: list[str] | None, a: tuple[Any, ...], k: dict[str, Any]) -> None:
    """Raise what carries a piece's answer.

    Raises:
        Submitted: Always, where the values fit the fields.
        TypeError: Where they do not.
    """
    if fields is None:
        if len(a) + len(k) != 1 and not (k and not a):
            raise TypeError("SUBMIT takes one value")
        raise Submitted(a[0] if a else k)
    if (a and k) or (a and len(a) != len(fields)) or (k and set(k) != set(fields)) or not (a or k):
        raise TypeError(f"SUBMIT takes {', '.join(fields)}")
    raise Submitted(dict(zip(fields, a, strict=True)) if a else k)


class Compilation(Exception):
    """Carries what the compiler raised."""


def compiled(source: str, name: str) -> types.CodeType:
    """The code of a source.

    Raises:
        Compilation: If it does not compile.
    """
    try:
        return compile(source, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise Compilation(error) from None


def name_of(value: Any) -> str:
    """An object's own name, else that of its class."""
    name = getattr(value, "__name__", None)
    return name if isinstance(name, str) else type(value).__name__

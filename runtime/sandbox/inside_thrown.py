"""Exceptions that go to a candidate: those of a test's functions that it calls, and of a test's `with` block.

They travel as data, and come back as the very ones that left: each bears the number under which it is kept.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from typing import Any

from .inside_codec import Unserialisable
from .inside_failure import message_of


def thrown(error: BaseException, encode: Callable[[Any], Any], number: int = -1) -> dict[str, Any]:
    """An exception as data.

    Args:
        error: The exception.
        encode: From a value to data.
        number: Where its sender keeps it; -1 where it does not.
    """
    cls = type(error)
    base = next(c.__name__ for c in cls.__mro__ if c.__module__ == "builtins")
    try:
        arguments = encode(list(error.args))
    except Unserialisable:
        arguments = [message_of(error)]
    own = getattr(cls, "_remote_class_id", None)
    return {"t": "thrown", "i": number, "n": cls.__name__, "b": base, "c": own, "a": arguments}


def arrived(data: dict[str, Any], decode: Callable[[Any], Any], held: Mapping[int, Any]) -> BaseException:
    """The exception of such data, of the candidate's own class where it is one of those.

    Args:
        data: What `thrown` wrote.
        decode: From data to a value.
        held: The candidate's objects by their numbers.
    """
    if data["c"] is not None:
        cls: Any = held[data["c"]]
    else:
        base: Any = getattr(builtins, data["b"])
        cls = base if data["n"] == data["b"] else type(data["n"], (base,), {})
    error = made(cls, decode(data["a"]))
    error._thrown = data["i"]  # type: ignore[attr-defined]
    return error


def made(cls: Any, arguments: list[Any]) -> BaseException:
    """An exception of a class, also of one with an `__init__` of its own that takes other arguments."""
    try:
        return cls(*arguments)
    except Exception:  # noqa: BLE001 - whatever that __init__ raises
        error = cls.__new__(cls)
        error.args = tuple(arguments)
        return error

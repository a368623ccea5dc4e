"""What pydantic found wrong with a setting, in one line."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError


def first_problem(error: ValidationError, names: Iterable[str], what: str) -> str:
    """The first thing that is wrong.

    Args:
        error: What pydantic raised.
        names: The settings that there are.
        what: What a setting is called there, such as "option".
    """
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if not where:
        return str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        import difflib

        near = difflib.get_close_matches(where, names, n=3)
        return f"unknown {what} {where!r}" + (f"; did you mean {', '.join(near)}?" if near else "")
    return f"{what} {where!r}: {first['msg']}"

"""What a candidate tells of its failures and of its lines, before anybody believes it: shapes checked, texts bounded.

It may tell anything. What comes out is what `inside_failure` and `inside_trace` would have made, or nothing.
"""

from __future__ import annotations

from typing import Any, cast

from .inside_failure import clip
from .inside_trace import REPR

KINDS = frozenset("error syntax_error out_of_memory early_exit blocked output_limit".split())
"""The outcomes that an exception may lead to. How a run ended, and whether a test held, is never a candidate's word."""
NAME, TRACEBACK = 200, 16_000
"""Longest names and tracebacks, in characters."""
LOCALS, EVENTS = 64, 250
"""Most names in one event, and most events."""


def failure(told: Any) -> dict[str, Any]:
    """An exception as `inside_failure.describe` makes it."""
    found = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    kind, line, frames = found.get("kind"), found.get("line"), found.get("traceback")
    return {
        "type": clip(_text(found.get("type")), NAME) or "Exception",
        "message": clip(_text(found.get("message"))),
        "line": line if type(line) is int and line > 0 else None,
        "traceback": clip(frames, TRACEBACK) if isinstance(frames, str) and frames else None,
        "kind": kind if isinstance(kind, str) and kind in KINDS else "error",
    }


def events(told: Any) -> list[dict[str, Any]] | None:
    """A trace as `inside_trace` makes it; None where it is none, or empty."""
    if not isinstance(told, list) or not 0 < len(cast("list[Any]", told)) <= EVENTS:
        return None
    try:
        return [_event(one) for one in cast("list[Any]", told)]
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
        return None


def _event(told: Any) -> dict[str, Any]:
    kind = told["event"]
    if kind == "left_out":
        return {"event": kind, "count": int(told["count"])}
    if kind not in ("line", "return", "exception"):
        raise ValueError(kind)
    found: dict[str, Any] = {"event": kind, "line": int(told["line"])}
    found["function"] = clip(_text(told["function"]), NAME)
    changed = list(told["locals"].items())[:LOCALS]
    found["locals"] = {clip(_text(name), NAME): _value(shown) for name, shown in changed}
    if kind != "line":
        found["value"] = _value(told["value"])
    return found


def _value(told: Any) -> list[str]:
    name, shown = told
    return [clip(_text(name), NAME), clip(_text(shown), REPR)]


def _text(told: Any) -> str:
    return told if isinstance(told, str) else ""
